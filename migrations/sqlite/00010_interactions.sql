-- What people finish that agents could not, and the passkeys with which they show that it is them.

-- +goose Up
create table interactions (
  tenant_uid   text    not null references tenants (uid),
  handle       blob    not null, -- SHA-256 of the id in the link
  user_uid     text   not null,
  client_uid   text    not null,
  client_id    text   not null, -- by which its client is found
  resource_uid text   not null,
  sealed       blob    not null, -- the id, so that a client that asks again gets the same link
  acr_values   text   not null, -- separated by spaces, one of which is needed; '': any
  max_age      integer,         -- seconds; null: any
  begun_at     integer not null,
  departed_at  integer,         -- when the person last agreed to prove himself
  session      blob,            -- the handle of the session that he had then; empty: none
  finished_at  integer,
  ends_at      integer not null, -- of the link; once it is finished, of what was proved
  idp_uid      text,            -- where the person is signed in who finished it
  version      integer,         -- of the tenant when it was finished: a later mark ends it
  acr          text,
  amr          text,            -- JSON
  auth_time    integer,         -- null: not known
  primary key (tenant_uid, handle)
);
create index interactions_whose on interactions (tenant_uid, user_uid, client_uid, resource_uid);
create index interactions_end on interactions (ends_at);

create table passkeys (
  tenant_uid      text    not null references tenants (uid),
  credential      blob    not null, -- the authenticator's own id of it
  id              text    not null,
  user_uid        text    not null,
  public_key      blob    not null, -- COSE
  sign_count      integer not null,
  backup_eligible integer not null, -- 1: it may be on several devices
  transports      text    not null, -- separated by spaces
  name            text    not null,
  created_at      integer not null,
  used_at         integer,
  primary key (tenant_uid, credential),
  unique (tenant_uid, id)
);
create index passkeys_user on passkeys (tenant_uid, user_uid);

create table passkey_challenges (
  tenant_uid text   not null references tenants (uid),
  handle     blob   not null, -- SHA-256 of the challenge
  purpose    text   not null check (purpose in ('enrol', 'prove')),
  user_uid   text    not null,
  session    blob   not null, -- the handle of the session that asked
  ends_at    integer not null,
  primary key (tenant_uid, handle)
);
create index passkey_challenges_end on passkey_challenges (ends_at);

-- +goose Down
drop table passkey_challenges;
drop table passkeys;
drop table interactions;
