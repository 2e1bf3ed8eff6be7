-- Devices that wait for their person (RFC 8628). What they hold rests as digests; the short code, which could be guessed from
-- one, under a key.

-- +goose Up
create table device_authorizations (
  tenant_uid  text   not null references tenants (uid),
  handle      blob  not null, -- SHA-256 of the device code
  user_code   blob  not null, -- HMAC of the code that the person types
  client_uid  text   not null,
  client_id   text   not null,
  parameters  text   not null, -- the request, as a form
  jkt         text   not null, -- of the key to which it is bound, '' for none
  state       text   not null check (state in ('waiting', 'approved', 'denied')),
  wait        integer not null, -- microseconds between two questions; it grows
  asked_at    integer,          -- when the device asked last
  created_at  integer not null,
  expires_at  integer not null,
  answered_at integer,
  user_uid    text   not null, -- who answered, '' while nobody has
  idp_uid     text   not null,
  version     integer not null, -- of the tenant at the answer: a mark above it ends what was let
  granted     text   not null, -- JSON: what the person let the client have, '' for nothing
  primary key (tenant_uid, handle)
);
create unique index device_authorizations_code on device_authorizations (tenant_uid, user_code);
create index device_authorizations_client on device_authorizations (tenant_uid, client_uid);
create index device_authorizations_end on device_authorizations (expires_at);

-- +goose Down
drop table device_authorizations;
