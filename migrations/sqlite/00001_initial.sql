-- The first schema. Times are UTC integer microseconds. Every tenant-owned key begins with the tenant's uid.

-- +goose Up
create table tenants (
  uid        text   primary key,
  name       text   not null,
  revision   integer not null,
  managed_by text   not null,
  labels     text   not null,
  spec       text   not null,
  created_at integer not null,
  updated_at integer not null,
  deleted_at integer
);
create unique index tenants_name on tenants (name) where deleted_at is null;

-- Raised, only by changes that can take something away or alter a decision.
create table tenant_versions (
  tenant_uid text   primary key references tenants (uid),
  version    integer not null
);

-- What each version changed, so that a replica drops exactly what it holds of it.
create table tenant_changes (
  tenant_uid text   not null references tenants (uid),
  version    integer not null,
  kind       text   not null,
  uid        text   not null,
  at         integer not null,
  primary key (tenant_uid, version, kind, uid)
);

-- Objects of every kind but Tenant. A deleted row is a tombstone and keeps its uid for ever.
create table objects (
  tenant_uid text   not null references tenants (uid),
  uid        text   not null,
  kind       text   not null,
  name       text   not null,
  revision   integer not null,
  managed_by text   not null,
  labels     text   not null,
  spec       text   not null,
  created_at integer not null,
  updated_at integer not null,
  deleted_at integer,
  primary key (tenant_uid, uid)
);
create unique index objects_name on objects (tenant_uid, kind, name) where deleted_at is null;

create table object_revisions (
  tenant_uid text   not null,
  uid        text   not null,
  revision   integer not null,
  spec       text   not null,
  changed_by text   not null,
  at         integer not null,
  deleted    integer not null,
  primary key (tenant_uid, uid, revision),
  foreign key (tenant_uid, uid) references objects (tenant_uid, uid)
);

-- Natural keys by which objects are found: an IdP's issuer, a client's client_id, a resource's uri, a user's identities.
create table object_keys (
  tenant_uid text    not null,
  space      text    not null,
  key        text    not null,
  object_uid text    not null,
  exclusive  integer not null,
  primary key (tenant_uid, space, key, object_uid),
  foreign key (tenant_uid, object_uid) references objects (tenant_uid, uid)
);
create unique index object_keys_exclusive on object_keys (tenant_uid, space, key) where exclusive;
create index object_keys_object on object_keys (tenant_uid, object_uid);

-- Generated secrets rest as a digest; scheme names how it was made.
create table client_secrets (
  tenant_uid text   not null,
  id         text   not null,
  client_uid text   not null,
  scheme     text   not null,
  digest     blob  not null,
  created_at integer not null,
  revoked_at integer,
  primary key (tenant_uid, id),
  foreign key (tenant_uid, client_uid) references objects (tenant_uid, uid)
);
create index client_secrets_client on client_secrets (tenant_uid, client_uid);

-- Token signing keys. sealed is a vault blob; nothing unsealed fits.
create table signing_keys (
  tenant_uid text   not null references tenants (uid),
  kid        text   not null,
  algorithm  text   not null,
  state      text   not null check (state in ('prepared', 'active', 'retiring', 'revoked')),
  public_jwk text   not null,
  sealed     blob  not null check (substr(sealed, 1, 4) = x'43485330'),
  created_at integer not null,
  active_at  integer not null,
  retired_at integer,
  expires_at integer,
  revoked_at integer,
  primary key (tenant_uid, kid)
);

-- The ledger: inserted into, never updated.
create table redemptions (
  tenant_uid text   not null,
  space      text   not null,
  key        blob  not null,
  entry      text   not null,
  expires_at integer not null,
  primary key (tenant_uid, space, key)
);
create index redemptions_expiry on redemptions (expires_at);

create table decisions (
  tenant_uid  text    not null,
  id          text    not null,
  at          integer  not null,
  trace       text    not null,
  action      text    not null,
  allow       integer not null,
  code        text    not null,
  policies    text    not null,
  input_hash  blob   not null,
  input       text,
  result      text    not null,
  primary key (tenant_uid, at, id)
);

create table issued_tokens (
  tenant_uid   text   not null,
  jti          text   not null,
  issued_at    integer not null,
  expires_at   integer not null,
  kid          text   not null,
  grant_type   text   not null,
  client_uid   text   not null,
  subject      text   not null,
  idp_uid      text   not null,
  resource_uid text   not null,
  audience     text   not null,
  scope        text   not null,
  jkt          text   not null,
  decision_id  text   not null,
  trace        text   not null,
  status_list  integer,
  status_index integer,
  primary key (tenant_uid, issued_at, jti)
);

create table audit_writers (
  id         text   primary key,
  anchor     blob  not null,
  started_at integer not null,
  seq        integer not null,
  link       blob  not null,
  seen_at    integer not null,
  sealed_at  integer,
  sealed_in  integer -- the checkpoint that named the writer sealed
);

create index audit_writers_open on audit_writers (id) where sealed_in is null;

create table audit_events (
  writer     text   not null,
  seq        integer not null,
  at         integer not null,
  tenant_uid text   not null,
  id         text   not null,
  trace      text   not null,
  type       text   not null,
  outcome    text   not null,
  code       text   not null,
  body       text,
  leaf       blob  not null,
  link       blob  not null,
  primary key (writer, seq, at)
);
create index audit_events_tenant on audit_events (tenant_uid, at);

create table audit_checkpoints (
  number    integer primary key,
  at        integer not null,
  body      text   not null,
  hash      blob  not null,
  kid       text   not null,
  signature text   not null
);

create table checkpoint_keys (
  kid        text   primary key,
  public_jwk text   not null,
  sealed     blob  not null check (substr(sealed, 1, 4) = x'43485330'),
  created_at integer not null,
  retired_at integer
);

-- +goose Down
drop table checkpoint_keys;
drop table audit_checkpoints;
drop table audit_events;
drop table audit_writers;
drop table issued_tokens;
drop table decisions;
drop table redemptions;
drop table signing_keys;
drop table client_secrets;
drop table object_keys;
drop table object_revisions;
drop table objects;
drop table tenant_changes;
drop table tenant_versions;
drop table tenants;
