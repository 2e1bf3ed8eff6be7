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
  session    blob    not null check (length(session) = 32),
  offline    boolean not null, -- it outlives the session
  resources  text    not null, -- JSON: uid, uri and scopes of each
  identity   text    not null, -- JSON
  acr        text    not null,
  amr        text    not null, -- JSON
  auth_time  integer,          -- absent: not known
  jkt        text    not null,
  version    integer not null, -- of the tenant at its beginning
  generation integer not null,
  began_at   integer not null,
  rotated_at integer not null,
  idle_until integer not null, -- never after expires_at
  expires_at integer not null,
  ended_at   integer,
  ended_why  text,
  primary key (tenant_uid, id)
);
create index refresh_families_origin on refresh_families (tenant_uid, origin);
create index refresh_families_user on refresh_families (tenant_uid, user_uid) where ended_at is null;
create index refresh_families_client on refresh_families (tenant_uid, client_uid) where ended_at is null;
create index refresh_families_session on refresh_families (tenant_uid, session) where ended_at is null;
create index refresh_families_idle on refresh_families (idle_until);

-- What a token came of, where that can end it: an authorization code or a device authorization, and all that followed.
alter table issued_tokens add column origin text;
create index issued_tokens_origin on issued_tokens (tenant_uid, origin, expires_at) where origin is not null;

-- +goose Down
drop index issued_tokens_origin;
alter table issued_tokens drop column origin;
drop table refresh_families;
