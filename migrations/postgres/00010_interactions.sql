-- What people finish that agents could not, and the passkeys with which they show that it is them.

-- +goose Up
create table interactions (
  tenant_uid   text   not null references tenants (uid),
  handle       bytea  not null, -- SHA-256 of the id in the link
  user_uid     text   not null,
  client_uid   text   not null,
  client_id    text   not null, -- by which its client is found
  resource_uid text   not null,
  sealed       bytea  not null, -- the id, so that a client that asks again gets the same link
  acr_values   text   not null, -- separated by spaces, one of which is needed; '': any
  max_age      bigint,          -- seconds; null: any
  begun_at     bigint not null,
  departed_at  bigint,          -- when the person last agreed to prove himself
  session      bytea,           -- the handle of the session that he had then; empty: none
  finished_at  bigint,
  ends_at      bigint not null, -- of the link; once it is finished, of what was proved
  idp_uid      text,            -- where the person is signed in who finished it
  version      bigint,          -- of the tenant when it was finished: a later mark ends it
  acr          text,
  amr          text,            -- JSON
  auth_time    bigint,          -- null: not known
  primary key (tenant_uid, handle)
);
create index interactions_whose on interactions (tenant_uid, user_uid, client_uid, resource_uid);
create index interactions_end on interactions (ends_at);

create table passkeys (
  tenant_uid      text    not null references tenants (uid),
  credential      bytea   not null, -- the authenticator's own id of it
  id              text    not null,
  user_uid        text    not null,
  public_key      bytea   not null, -- COSE
  sign_count      bigint  not null,
  backup_eligible integer not null, -- 1: it may be on several devices
  transports      text    not null, -- separated by spaces
  name            text    not null,
  created_at      bigint  not null,
  used_at         bigint,
  primary key (tenant_uid, credential),
  unique (tenant_uid, id)
);
create index passkeys_user on passkeys (tenant_uid, user_uid);

create table passkey_challenges (
  tenant_uid text   not null references tenants (uid),
  handle     bytea  not null, -- SHA-256 of the challenge
  purpose    text   not null check (purpose in ('enrol', 'prove')),
  user_uid   text   not null,
  session    bytea  not null, -- the handle of the session that asked
  ends_at    bigint not null,
  primary key (tenant_uid, handle)
);
create index passkey_challenges_end on passkey_challenges (ends_at);

-- The second wall.
alter table interactions enable row level security;
alter table interactions force row level security;
create policy tenant on interactions using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on interactions for select to current_user using (ends_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on interactions for delete to current_user using (ends_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
alter table passkeys enable row level security;
alter table passkeys force row level security;
create policy tenant on passkeys using (tenant_uid = current_setting('chancery.tenant', true));
alter table passkey_challenges enable row level security;
alter table passkey_challenges force row level security;
create policy tenant on passkey_challenges using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on passkey_challenges for select to current_user using (ends_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on passkey_challenges for delete to current_user using (ends_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);

-- Removes what has ended, of every tenant, at most so many rows of each table, and tells how many: nothing of what they were.
-- +goose StatementBegin
create function chancery_sweep_interactions(most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  ended constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  gone bigint;
  more bigint;
begin
  delete from interactions where ctid = any (array(select i.ctid from interactions i where i.ends_at < ended limit most));
  get diagnostics gone = row_count;
  delete from passkey_challenges where ctid = any (array(select c.ctid from passkey_challenges c where c.ends_at < ended limit most));
  get diagnostics more = row_count;
  return gone + more;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_interactions(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_interactions(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_interactions(integer);
drop table passkey_challenges;
drop table passkeys;
drop table interactions;
