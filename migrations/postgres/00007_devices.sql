-- Devices that wait for their person (RFC 8628). What they hold rests as digests; the short code, which could be guessed from
-- one, under a key.

-- +goose Up
create table device_authorizations (
  tenant_uid  text   not null references tenants (uid),
  handle      bytea  not null, -- SHA-256 of the device code
  user_code   bytea  not null, -- HMAC of the code that the person types
  client_uid  text   not null,
  client_id   text   not null,
  parameters  text   not null, -- the request, as a form
  jkt         text   not null, -- of the key to which it is bound, '' for none
  state       text   not null check (state in ('waiting', 'approved', 'denied')),
  wait        bigint not null, -- microseconds between two questions; it grows
  asked_at    bigint,          -- when the device asked last
  created_at  bigint not null,
  expires_at  bigint not null,
  answered_at bigint,
  user_uid    text   not null, -- who answered, '' while nobody has
  idp_uid     text   not null,
  version     bigint not null, -- of the tenant at the answer: a mark above it ends what was let
  granted     text   not null, -- JSON: what the person let the client have, '' for nothing
  primary key (tenant_uid, handle)
);
create unique index device_authorizations_code on device_authorizations (tenant_uid, user_code);
create index device_authorizations_client on device_authorizations (tenant_uid, client_uid);
create index device_authorizations_end on device_authorizations (expires_at);

-- The second wall.
alter table device_authorizations enable row level security;
alter table device_authorizations force row level security;
create policy tenant on device_authorizations using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on device_authorizations for select to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on device_authorizations for delete to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);

-- Removes what ended an hour ago and more, of every tenant, at most so many rows, and tells how many: nothing of what it was.
-- Until then a device that asks again is told that it came too late.
-- +goose StatementBegin
create function chancery_sweep_devices(most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare gone bigint;
begin
  delete from device_authorizations where ctid = any (array(
    select d.ctid from device_authorizations d where d.expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint - 3600000000 limit most));
  get diagnostics gone = row_count;
  return gone;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_devices(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_devices(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_devices(integer);
drop table device_authorizations;
