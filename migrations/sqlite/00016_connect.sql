-- The ways on which people connect accounts at other services: links that agents were given, and who is under way.

-- +goose Up
create table connect_links (
  tenant_uid   text    not null references tenants (uid),
  handle       blob    not null, -- SHA-256 of the id in the link
  user_uid     text    not null,
  client_uid   text    not null,
  client_id    text    not null, -- by which its client is found
  client_name  text    not null,
  provider_uid text    not null,
  scopes       text    not null, -- a JSON list, the provider's
  account      text    not null, -- that is meant; '': any
  trace        text    not null, -- of the demand
  sealed       blob    not null check (substr(sealed, 1, 4) = x'43485330'), -- the id, so that a client that asks again gets the same link
  begun_at     integer not null,
  ends_at      integer not null,
  goes_at      integer not null, -- until then it is said that its time is over
  primary key (tenant_uid, handle)
);
create index connect_links_whose on connect_links (tenant_uid, user_uid, client_uid, provider_uid);
create index connect_links_end on connect_links (goes_at);

create table connect_trips (
  tenant_uid   text    not null references tenants (uid),
  handle       blob    not null, -- SHA-256 of the state; once there is a credential, of a new secret
  stage        text    not null check (stage in ('departed', 'arrived')),
  user_uid     text    not null,
  browser      blob    not null, -- SHA-256 of what the browser keeps
  version      integer not null, -- of the tenant at the departure: a later mark ends it
  provider_uid text    not null,
  link         blob, -- null: the person came by himself
  client_uid   text    not null default '', -- of the link
  client_id    text    not null default '',
  client_name  text    not null default '',
  account      text    not null,
  sealed       blob    not null check (substr(sealed, 1, 4) = x'43485330'), -- state and verifier; then the credential
  begun_at     integer not null,
  ends_at      integer not null,
  goes_at      integer not null, -- by then what was obtained is given back
  primary key (tenant_uid, handle)
);
create index connect_trips_whose on connect_trips (tenant_uid, user_uid, stage, begun_at);
create index connect_trips_ended on connect_trips (tenant_uid, stage, ends_at);
create index connect_trips_end on connect_trips (goes_at);

-- +goose Down
drop table connect_trips;
drop table connect_links;
