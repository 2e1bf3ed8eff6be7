-- The keys with which we speak to SAML IdPs, and what IdPs say of themselves at an address.

-- +goose Up
create table service_provider_keys (
  tenant_uid  text   not null references tenants (uid),
  kid         text   not null,
  purpose     text   not null check (purpose in ('signing', 'decryption')),
  state       text   not null check (state in ('prepared', 'active', 'retiring')),
  certificate bytea  not null,
  sealed      bytea  not null check (substr(sealed, 1, 4) = '\x43485330'),
  created_at  bigint not null,
  active_at   bigint not null,
  expires_at  bigint,
  primary key (tenant_uid, kid)
);

-- What is in use, and what waits for an administrator. Times of looking are not changes and are written by themselves.
create table saml_metadata (
  tenant_uid    text   not null references tenants (uid),
  idp_uid       text   not null,
  source        text   not null, -- the address, and who must have signed
  document       bytea,             -- in use; null: nothing yet
  digest        text   not null default '',
  accepted_at   bigint,
  pending       bytea,              -- waits
  pending_digest text  not null default '',
  pending_since bigint,
  checked_at    bigint,             -- the last time that the IdP answered well
  due_at        bigint not null,    -- when it is asked again; whoever moves it on asks
  failure       text   not null default '',
  primary key (tenant_uid, idp_uid)
);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['service_provider_keys', 'saml_metadata'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_uid = current_setting(''chancery.tenant'', true)) '
      'with check (tenant_uid = current_setting(''chancery.tenant'', true))', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table saml_metadata, service_provider_keys;
