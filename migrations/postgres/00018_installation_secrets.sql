-- What keys of the installation are derived from where the keys that seal never leave their server: random, sealed, in versions.

-- +goose Up
create table installation_secrets (
  version    integer primary key check (version > 0),
  sealed     bytea   not null check (substr(sealed, 1, 4) = '\x43485330'),
  created_at bigint  not null,
  active_at  bigint  not null -- from when on something is made with it; it is recognised before
);

-- +goose Down
drop table installation_secrets;
