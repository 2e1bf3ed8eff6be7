-- The keys with which we speak to SAML IdPs, and what IdPs say of themselves at an address.

-- +goose Up
create table service_provider_keys (
  tenant_uid  text    not null references tenants (uid),
  kid         text    not null,
  purpose     text    not null check (purpose in ('signing', 'decryption')),
  state       text    not null check (state in ('prepared', 'active', 'retiring')),
  certificate blob    not null,
  sealed      blob    not null check (substr(sealed, 1, 4) = x'43485330'),
  created_at  integer not null,
  active_at   integer not null,
  expires_at  integer,
  primary key (tenant_uid, kid)
);

-- What is in use, and what waits for an administrator. Times of looking are not changes and are written by themselves.
create table saml_metadata (
  tenant_uid     text    not null references tenants (uid),
  idp_uid        text    not null,
  source         text    not null, -- the address, and who must have signed
  document       blob,               -- in use; null: nothing yet
  digest         text    not null default '',
  accepted_at    integer,
  pending        blob,               -- waits
  pending_digest text    not null default '',
  pending_since  integer,
  checked_at     integer,            -- the last time that the IdP answered well
  due_at         integer not null,   -- when it is asked again; whoever moves it on asks
  failure        text    not null default '',
  primary key (tenant_uid, idp_uid)
);

-- +goose Down
drop table saml_metadata;
drop table service_provider_keys;
