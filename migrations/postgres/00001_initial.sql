-- The first schema. Times are UTC integer microseconds. Every tenant-owned key begins with the tenant's uid.

-- +goose Up
create table tenants (
  uid        text   primary key,
  name       text   not null,
  revision   bigint not null,
  managed_by text   not null,
  labels     text   not null,
  spec       text   not null,
  created_at bigint not null,
  updated_at bigint not null,
  deleted_at bigint
);
create unique index tenants_name on tenants (name) where deleted_at is null;

-- Raised, under an exclusive advisory lock, only by changes that can take something away or alter a decision.
create table tenant_versions (
  tenant_uid text   primary key references tenants (uid),
  version    bigint not null
);

-- What each version changed, so that a replica drops exactly what it holds of it.
create table tenant_changes (
  tenant_uid text   not null references tenants (uid),
  version    bigint not null,
  kind       text   not null,
  uid        text   not null,
  at         bigint not null,
  primary key (tenant_uid, version, kind, uid)
);

-- Objects of every kind but Tenant. A deleted row is a tombstone and keeps its uid for ever.
create table objects (
  tenant_uid text   not null references tenants (uid),
  uid        text   not null,
  kind       text   not null,
  name       text   not null,
  revision   bigint not null,
  managed_by text   not null,
  labels     text   not null,
  spec       text   not null,
  created_at bigint not null,
  updated_at bigint not null,
  deleted_at bigint,
  primary key (tenant_uid, uid)
);
create unique index objects_name on objects (tenant_uid, kind, name) where deleted_at is null;

create table object_revisions (
  tenant_uid text   not null,
  uid        text   not null,
  revision   bigint not null,
  spec       text   not null,
  changed_by text   not null,
  at         bigint not null,
  deleted    boolean not null,
  primary key (tenant_uid, uid, revision),
  foreign key (tenant_uid, uid) references objects (tenant_uid, uid)
);

-- Natural keys by which objects are found: an IdP's issuer, a client's client_id, a resource's uri, a user's identities.
create table object_keys (
  tenant_uid text    not null,
  space      text    not null,
  key        text    not null,
  object_uid text    not null,
  exclusive  boolean not null,
  primary key (tenant_uid, space, key, object_uid),
  foreign key (tenant_uid, object_uid) references objects (tenant_uid, uid)
);
create unique index object_keys_exclusive on object_keys (tenant_uid, space, key) where exclusive;
create index object_keys_object on object_keys (tenant_uid, object_uid);

-- Generated secrets rest as a digest; scheme names how it was made.
create table client_secrets (
  tenant_uid text   not null,
  id         text   not null,
  client_uid text   not null,
  scheme     text   not null,
  digest     bytea  not null,
  created_at bigint not null,
  revoked_at bigint,
  primary key (tenant_uid, id),
  foreign key (tenant_uid, client_uid) references objects (tenant_uid, uid)
);
create index client_secrets_client on client_secrets (tenant_uid, client_uid);

-- Token signing keys. sealed is a vault blob; nothing unsealed fits.
create table signing_keys (
  tenant_uid text   not null references tenants (uid),
  kid        text   not null,
  algorithm  text   not null,
  state      text   not null check (state in ('prepared', 'active', 'retiring', 'revoked')),
  public_jwk text   not null,
  sealed     bytea  not null check (substr(sealed, 1, 4) = '\x43485330'),
  created_at bigint not null,
  active_at  bigint not null,
  retired_at bigint,
  expires_at bigint,
  revoked_at bigint,
  primary key (tenant_uid, kid)
);

-- The ledger: inserted into, never updated by the runtime role.
create table redemptions (
  tenant_uid text   not null,
  space      text   not null,
  key        bytea  not null,
  entry      text   not null,
  expires_at bigint not null,
  primary key (tenant_uid, space, key)
);
-- For the sweeper only: rows come nearly in the order of their expiry, so that ranges of pages are enough to find them.
create index redemptions_expiry on redemptions using brin (expires_at) with (autosummarize = on);

create table decisions (
  tenant_uid  text    not null,
  id          text    not null,
  at          bigint  not null,
  trace       text    not null,
  action      text    not null,
  allow       boolean not null,
  code        text    not null,
  policies    text    not null,
  input_hash  bytea   not null,
  input       text,
  result      text    not null,
  primary key (tenant_uid, at, id)
) partition by range (at);
create table decisions_default partition of decisions default;

create table issued_tokens (
  tenant_uid   text   not null,
  jti          text   not null,
  issued_at    bigint not null,
  expires_at   bigint not null,
  kid          text   not null,
  grant_type   text   not null,
  client_uid   text   not null,
  subject      text   not null,
  idp_uid      text   not null,
  resource_uid text   not null,
  audience     text   not null,
  scope        text   not null,
  jkt          text   not null,
  decision_id  text   not null,
  trace        text   not null,
  status_list  integer,
  status_index bigint,
  primary key (tenant_uid, issued_at, jti)
) partition by range (issued_at);
create table issued_tokens_default partition of issued_tokens default;

create table audit_writers (
  id         text   primary key,
  anchor     bytea  not null,
  started_at bigint not null,
  seq        bigint not null,
  link       bytea  not null,
  seen_at    bigint not null,
  sealed_at  bigint,
  sealed_in  bigint -- the checkpoint that named the writer sealed
);

create index audit_writers_open on audit_writers (id) where sealed_in is null;

create table audit_events (
  writer     text   not null,
  seq        bigint not null,
  at         bigint not null,
  tenant_uid text   not null,
  id         text   not null,
  trace      text   not null,
  type       text   not null,
  outcome    text   not null,
  code       text   not null,
  body       text,
  leaf       bytea  not null,
  link       bytea  not null,
  primary key (writer, seq, at)
) partition by range (at);
create table audit_events_default partition of audit_events default;
create index audit_events_tenant on audit_events (tenant_uid, at);

create table audit_checkpoints (
  number    bigint primary key,
  at        bigint not null,
  body      text   not null,
  hash      bytea  not null,
  kid       text   not null,
  signature text   not null
);

create table checkpoint_keys (
  kid        text   primary key,
  public_jwk text   not null,
  sealed     bytea  not null check (substr(sealed, 1, 4) = '\x43485330'),
  created_at bigint not null,
  retired_at bigint
);

-- A second wall behind the stores: a statement sees only the tenant that its transaction named.
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['objects', 'object_revisions', 'object_keys', 'client_secrets', 'signing_keys'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_uid = current_setting(''chancery.tenant'', true)) '
      'with check (tenant_uid = current_setting(''chancery.tenant'', true))', t);
  end loop;
end $$;
-- +goose StatementEnd

-- Makes the monthly partitions of this month and the next; the runtime role may call it, not create tables itself. Rows that
-- came before their month's partition are moved out of the default one, as they are: beside them it could not be attached.
-- +goose StatementBegin
create function chancery_prepare_partitions(now_micros bigint) returns integer
language plpgsql security definer set search_path from current as $$
declare
  month timestamp; parent text; child text; of_time text; low bigint; high bigint; made integer := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('chancery/partitions', 0));
  for i in 0..1 loop
    month := date_trunc('month', to_timestamp(now_micros / 1000000) at time zone 'UTC') + make_interval(months => i);
    low := (extract(epoch from month) * 1000000)::bigint;
    high := (extract(epoch from month + interval '1 month') * 1000000)::bigint;
    foreach parent in array array['decisions', 'issued_tokens', 'audit_events'] loop
      child := parent || '_' || to_char(month, 'YYYYMM');
      if to_regclass(child) is null then
        of_time := case parent when 'issued_tokens' then 'issued_at' else 'at' end;
        execute format('lock table %I in access exclusive mode', parent || '_default');
        execute format('create table %I (like %I including defaults including constraints)', child, parent);
        execute format('with early as (delete from %I where %I >= %s and %I < %s returning *) insert into %I select * from early',
          parent || '_default', of_time, low, of_time, high, child);
        execute format('alter table %I attach partition %I for values from (%s) to (%s)', parent, child, low, high);
        made := made + 1;
      end if;
    end loop;
  end loop;
  return made;
end $$;
-- +goose StatementEnd

-- Removes what ended before the given time: whole months, and rows of the default partition. The runtime role may call it
-- for these two tables only, and never for the last day; it cannot delete from them itself, and the audit log is not among them.
-- +goose StatementBegin
create function chancery_drop_expired(parent text, before_micros bigint) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  of_time text; child record; gone bigint := 0; removed bigint;
begin
  of_time := case parent when 'decisions' then 'at' when 'issued_tokens' then 'issued_at' end;
  if of_time is null then
    raise exception 'nothing is dropped from %', parent;
  end if;
  if before_micros > (extract(epoch from clock_timestamp() - interval '1 day') * 1000000)::bigint then
    raise exception 'the last day stays';
  end if;
  for child in
    select c.relname, substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \(''?(-?\d+)''?\)')::bigint as high
    from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = parent::regclass
  loop
    if child.high is null then
      execute format('delete from %I where %I < $1', child.relname, of_time) using before_micros;
      get diagnostics removed = row_count;
      gone := gone + removed;
    elsif child.high <= before_micros then
      execute format('drop table %I', child.relname);
      gone := gone + 1;
    end if;
  end loop;
  return gone;
end $$;
-- +goose StatementEnd

-- A caller's temporary tables must not stand in for ours (pg_temp is searched first unless named), and nobody calls by default.
-- +goose StatementBegin
do $$
declare f text;
begin
  foreach f in array array['chancery_prepare_partitions(bigint)', 'chancery_drop_expired(text, bigint)'] loop
    execute format('alter function %s set search_path = %I, pg_temp', f, current_schema());
    execute format('revoke all on function %s from public', f);
  end loop;
  perform chancery_prepare_partitions((extract(epoch from clock_timestamp()) * 1000000)::bigint);
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_drop_expired(text, bigint);
drop function chancery_prepare_partitions(bigint);
drop table checkpoint_keys, audit_checkpoints, audit_events, audit_writers, issued_tokens, decisions, redemptions,
  signing_keys, client_secrets, object_keys, object_revisions, objects, tenant_changes, tenant_versions, tenants;
