-- Clients that registered themselves, how many there are, and the tokens with which one may register.

-- +goose Up
create table registered_clients (
  tenant_uid    text    not null references tenants (uid),
  client_id     text    not null,
  revision      bigint  not null,
  metadata      text    not null,           -- JSON: what was accepted of what the client said
  secret_digest bytea,                     -- SHA-256; null: it has none
  token_digest  bytea   not null,           -- SHA-256 of its registration access token
  token_id      text    not null default '', -- of the initial access token; empty: anybody might
  created_at    bigint  not null,
  updated_at    bigint  not null,
  used_at       bigint  not null,           -- to the day
  primary key (tenant_uid, client_id)
);
create index registered_clients_unused on registered_clients (tenant_uid, used_at);

create table registered_counts (
  tenant_uid text    not null primary key references tenants (uid),
  clients    bigint  not null check (clients >= 0)
);

create table registration_tokens (
  tenant_uid text    not null references tenants (uid),
  id         text    not null,
  digest     bytea   not null,
  note       text    not null default '',
  created_by text    not null,
  created_at bigint  not null,
  expires_at bigint  not null,
  uses       bigint  not null,
  uses_left  bigint  not null check (uses_left >= 0),
  primary key (tenant_uid, id)
);
create unique index registration_tokens_digest on registration_tokens (tenant_uid, digest);

-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['registered_clients', 'registered_counts', 'registration_tokens'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_uid = current_setting(''chancery.tenant'', true)) '
      'with check (tenant_uid = current_setting(''chancery.tenant'', true))', t);
  end loop;
end $$;
-- +goose StatementEnd

-- +goose Down
drop table registration_tokens;
drop table registered_counts;
drop table registered_clients;
