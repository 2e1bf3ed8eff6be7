-- The ways on which people connect accounts at other services: links that agents were given, and who is under way.

-- +goose Up
create table connect_links (
  tenant_uid   text   not null references tenants (uid),
  handle       bytea  not null, -- SHA-256 of the id in the link
  user_uid     text   not null,
  client_uid   text   not null,
  client_id    text   not null, -- by which its client is found
  client_name  text   not null,
  provider_uid text   not null,
  scopes       text   not null, -- a JSON list, the provider's
  account      text   not null, -- that is meant; '': any
  trace        text   not null, -- of the demand
  sealed       bytea  not null check (substr(sealed, 1, 4) = '\x43485330'), -- the id, so that a client that asks again gets the same link
  begun_at     bigint not null,
  ends_at      bigint not null,
  goes_at      bigint not null, -- until then it is said that its time is over
  primary key (tenant_uid, handle)
);
create index connect_links_whose on connect_links (tenant_uid, user_uid, client_uid, provider_uid);
create index connect_links_end on connect_links (goes_at);

create table connect_trips (
  tenant_uid   text   not null references tenants (uid),
  handle       bytea  not null, -- SHA-256 of the state; once there is a credential, of a new secret
  stage        text   not null check (stage in ('departed', 'arrived')),
  user_uid     text   not null,
  browser      bytea  not null, -- SHA-256 of what the browser keeps
  version      bigint not null, -- of the tenant at the departure: a later mark ends it
  provider_uid text   not null,
  link         bytea,           -- null: the person came by himself
  client_uid   text   not null default '', -- of the link
  client_id    text   not null default '',
  client_name  text   not null default '',
  account      text   not null,
  sealed       bytea  not null check (substr(sealed, 1, 4) = '\x43485330'), -- state and verifier; then the credential
  begun_at     bigint not null,
  ends_at      bigint not null,
  goes_at      bigint not null, -- by then what was obtained is given back
  primary key (tenant_uid, handle)
);
create index connect_trips_whose on connect_trips (tenant_uid, user_uid, stage, begun_at);
create index connect_trips_ended on connect_trips (tenant_uid, stage, ends_at);
create index connect_trips_end on connect_trips (goes_at);

-- The second wall.
alter table connect_links enable row level security;
alter table connect_links force row level security;
create policy tenant on connect_links using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on connect_links for select to current_user using (goes_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on connect_links for delete to current_user using (goes_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
alter table connect_trips enable row level security;
alter table connect_trips force row level security;
create policy tenant on connect_trips using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on connect_trips for select to current_user using (goes_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on connect_trips for delete to current_user using (goes_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);

-- Removes what has ended, of every tenant, at most so many rows of each table, and tells how many: nothing of what they were.
-- +goose StatementBegin
create function chancery_sweep_connect(most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  ended constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  gone bigint;
  more bigint;
begin
  delete from connect_links where ctid = any (array(select l.ctid from connect_links l where l.goes_at < ended limit most));
  get diagnostics gone = row_count;
  delete from connect_trips where ctid = any (array(select t.ctid from connect_trips t where t.goes_at < ended limit most));
  get diagnostics more = row_count;
  return gone + more;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_connect(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_connect(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_connect(integer);
drop table connect_trips;
drop table connect_links;
