-- Who is signed in, who is on the way to an IdP and back, and what an IdP said of a person last.

-- +goose Up
-- A session is found by the digest of what the browser carries. One that goes on under another handle keeps its id: of
-- one id at most one row has not ended. Ended rows stay until keep_until, so that what was bound to an older handle finds
-- the session in which that goes on.
create table sessions (
  tenant_uid       text    not null references tenants (uid),
  handle           blob    not null, -- SHA-256
  id               text    not null,
  user_uid         text    not null,
  idp_uid          text    not null,
  issuer           text    not null, -- of the IdP when it began
  upstream_subject text    not null, -- '' where the IdP names none
  upstream_session text    not null,
  upstream_tenant  text    not null,
  hint             blob,             -- sealed
  acr              text    not null,
  amr              text    not null, -- a JSON list
  auth_time        integer not null, -- 0: not known
  started_at       integer not null,
  seen_at          integer not null,
  expires_at       integer not null,
  keep_until       integer not null,
  version          integer not null, -- of the tenant at its start: a mark above it ends it
  ended_at         integer,
  end_reason       text,
  primary key (tenant_uid, handle)
);
create unique index sessions_alive on sessions (tenant_uid, id) where ended_at is null;
create index sessions_user on sessions (tenant_uid, user_uid) where ended_at is null;
create index sessions_upstream_session on sessions (tenant_uid, idp_uid, upstream_session) where ended_at is null;
create index sessions_upstream_subject on sessions (tenant_uid, idp_uid, upstream_subject) where ended_at is null;
create index sessions_keep on sessions (keep_until);

-- Somebody left for an IdP, to sign in or out, or has yet to confirm a sign-in that an IdP began. Used once: the row goes.
create table departures (
  tenant_uid text    not null references tenants (uid),
  id         blob    not null, -- SHA-256 of the state
  kind       text    not null,
  idp_uid    text    not null,
  browser    blob    not null, -- SHA-256 of what the browser carries meanwhile
  sealed     blob    not null, -- everything else
  expires_at integer not null,
  primary key (tenant_uid, id)
);
create index departures_expiry on departures (expires_at);

-- What an IdP said of a person at the last sign-in there.
create table profiles (
  tenant_uid     text    not null references tenants (uid),
  user_uid       text    not null,
  idp_uid        text    not null,
  name           text    not null,
  email          text    not null,
  email_verified integer not null,
  groups         text    not null, -- a JSON list
  groups_state   text    not null,
  guest          integer not null,
  subject        text    not null,
  seen_at        integer not null,
  primary key (tenant_uid, user_uid, idp_uid)
);
create index profiles_seen on profiles (seen_at);

-- +goose Down
drop table profiles;
drop table departures;
drop table sessions;
