-- Refresh tokens: a row for each line of them that follow each other. A token itself is not kept: it is computed.

-- +goose Up
create table refresh_families (
  tenant_uid text    not null references tenants (uid),
  id         text    not null,
  origin     text    not null, -- what it came of, as in issued_tokens
  user_uid   text    not null,
  client_uid text    not null,
  idp_uid    text    not null,
  issuer     text    not null, -- the IdP's at the beginning: an entry that points elsewhere now is another IdP
  session    bytea   not null check (length(session) = 32),
  offline    boolean not null, -- it outlives the session
  resources  text    not null, -- JSON: uid, uri and scopes of each
  identity   text    not null, -- JSON
  acr        text    not null,
  amr        text    not null, -- JSON
  auth_time  bigint,           -- absent: not known
  jkt        text    not null,
  version    bigint  not null, -- of the tenant at its beginning
  generation bigint  not null,
  began_at   bigint  not null,
  rotated_at bigint  not null,
  idle_until bigint  not null, -- never after expires_at
  expires_at bigint  not null,
  ended_at   bigint,
  ended_why  text,
  primary key (tenant_uid, id)
) with (fillfactor = 80); -- each rotation rewrites its row
create index refresh_families_origin on refresh_families (tenant_uid, origin);
create index refresh_families_user on refresh_families (tenant_uid, user_uid) where ended_at is null;
create index refresh_families_client on refresh_families (tenant_uid, client_uid) where ended_at is null;
create index refresh_families_session on refresh_families (tenant_uid, session) where ended_at is null;
create index refresh_families_idle on refresh_families using brin (idle_until) with (autosummarize = on);

-- What a token came of, where that can end it: an authorization code or a device authorization, and all that followed.
alter table issued_tokens add column origin text;
create index issued_tokens_origin on issued_tokens (tenant_uid, origin, expires_at) where origin is not null;

-- The second wall. A batch of the ledger is of several tenants, and names them all.
alter table refresh_families enable row level security;
alter table refresh_families force row level security;
-- coalesce keeps it from being taken for a way to find rows: for a table whose statistics are still those of an empty one
-- that would be a walk through all of the tenant's families.
create policy tenant on refresh_families using (coalesce(tenant_uid, '') = current_setting('chancery.tenant', true)
  or coalesce(tenant_uid, '') = any (string_to_array(current_setting('chancery.tenants', true), ' ')));
create policy ended_seen on refresh_families for select to current_user using (idle_until < (extract(epoch from clock_timestamp()) * 1000000)::bigint - 86400000000);
create policy ended_goes on refresh_families for delete to current_user using (idle_until < (extract(epoch from clock_timestamp()) * 1000000)::bigint - 86400000000);

-- Removes what nobody can use any more, of every tenant, at most so many rows, a day later: until then its end can be told.
-- +goose StatementBegin
create function chancery_sweep_families(most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare gone bigint;
begin
  delete from refresh_families where ctid = any (array(
    select f.ctid from refresh_families f where f.idle_until < (extract(epoch from clock_timestamp()) * 1000000)::bigint - 86400000000 limit most));
  get diagnostics gone = row_count;
  return gone;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_families(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_families(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_families(integer);
drop index issued_tokens_origin;
alter table issued_tokens drop column origin;
drop table refresh_families;
