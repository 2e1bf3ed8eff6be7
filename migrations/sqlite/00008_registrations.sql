-- Clients that registered themselves, how many there are, and the tokens with which one may register.

-- +goose Up
create table registered_clients (
  tenant_uid    text    not null references tenants (uid),
  client_id     text    not null,
  revision      integer not null,
  metadata      text    not null,           -- JSON: what was accepted of what the client said
  secret_digest blob,                       -- SHA-256; null: it has none
  token_digest  blob    not null,           -- SHA-256 of its registration access token
  token_id      text    not null default '', -- of the initial access token; empty: anybody might
  created_at    integer not null,
  updated_at    integer not null,
  used_at       integer not null,           -- to the day
  primary key (tenant_uid, client_id)
);
create index registered_clients_unused on registered_clients (tenant_uid, used_at);

create table registered_counts (
  tenant_uid text    not null primary key references tenants (uid),
  clients    integer not null check (clients >= 0)
);

create table registration_tokens (
  tenant_uid text    not null references tenants (uid),
  id         text    not null,
  digest     blob    not null,
  note       text    not null default '',
  created_by text    not null,
  created_at integer not null,
  expires_at integer not null,
  uses       integer not null,
  uses_left  integer not null check (uses_left >= 0),
  primary key (tenant_uid, id)
);
create unique index registration_tokens_digest on registration_tokens (tenant_uid, digest);

-- +goose Down
drop table registration_tokens;
drop table registered_counts;
drop table registered_clients;
