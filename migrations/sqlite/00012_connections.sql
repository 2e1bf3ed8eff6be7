-- What people and clients connected at other services: whose it is, and the credential, sealed.

-- +goose Up
create table connections (
  tenant_uid      text    not null references tenants (uid),
  id              text    not null,
  owner_kind      text    not null check (owner_kind in ('user', 'client')),
  owner_uid       text    not null,
  provider_uid    text    not null,
  account_id      text    not null, -- the provider's; '' where it names none
  account_label   text    not null,
  scopes          text    not null, -- a JSON list
  status          text    not null check (status in ('connected', 'reauthorization_required', 'suspended', 'revoked')),
  reason          text    not null,
  version         integer not null check (version > 0), -- of the credential; a part of its seal
  credential      blob    not null check (substr(credential, 1, 4) = x'43485330'),
  key_id          text    not null, -- what it is sealed with
  sealed_at       integer not null,
  expires_at      integer, -- of the access token; null: the provider names no end
  refresh_at      integer,
  refresh_state   text    not null check (refresh_state in ('idle', 'in_flight', 'saved', 'lost')),
  refresh_attempt text    not null default '',
  refresh_by      text    not null default '', -- the replica
  refresh_since   integer, -- by the database's clock, like retry_at
  retry_at        integer, -- the provider is left alone until then
  repeat_until    integer, -- an answer was lost: until then the refresh token may be sent again
  failures        integer not null default 0,
  failure         text    not null default '',
  created_at      integer not null,
  updated_at      integer not null,
  used_at         integer,
  used_by         text    not null default '', -- the client
  primary key (tenant_uid, id)
);
-- One an account, until it ends.
create unique index connections_owner on connections (tenant_uid, owner_kind, owner_uid, provider_uid, account_id) where status <> 'revoked';
create index connections_provider on connections (tenant_uid, provider_uid, id);
create index connections_key on connections (tenant_uid, key_id, id);

-- +goose Down
drop table connections;
