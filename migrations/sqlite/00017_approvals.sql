-- Token requests that wait until other people allow them.

-- +goose Up
create table approvals (
  tenant_uid   text    not null references tenants (uid),
  id           text    not null,
  binding      blob    not null, -- SHA-256 of what it binds: user, client, resource, scopes, policies, groups
  redemption   blob    not null, -- the key of its one use
  user_uid     text    not null, -- for whom; '': the client asks for itself
  client_uid   text    not null,
  client_id    text    not null, -- by which its client is found
  resource_uid text    not null,
  provider     text    not null, -- whose scopes they are; '': the resource's own
  scopes       text    not null, -- separated by spaces
  policies     text    not null, -- JSON: uid, name, revision and hash of each
  needed       text    not null, -- JSON: each of which is needed
  within       integer not null, -- microseconds
  lifetime     integer not null, -- of what is given, at most; microseconds
  decision     text    not null,
  state        text    not null check (state in ('waiting', 'allowed', 'denied', 'lapsed')),
  begun_at     integer not null,
  ends_at      integer not null,
  primary key (tenant_uid, id)
);
create index approvals_binding on approvals (tenant_uid, binding);
create index approvals_whose on approvals (tenant_uid, client_uid, user_uid);
create index approvals_end on approvals (ends_at);

-- What people said: once for each group, and once of each person.
create table approval_words (
  tenant_uid text    not null,
  approval   text    not null,
  group_name text    not null,
  user_uid   text    not null,
  user_name  text    not null,
  idp_uid    text    not null, -- which vouched for him
  allow      integer not null,
  at         integer not null,
  primary key (tenant_uid, approval, group_name),
  unique (tenant_uid, approval, user_uid),
  foreign key (tenant_uid, approval) references approvals (tenant_uid, id) on delete cascade
);

-- +goose Down
drop table approval_words;
drop table approvals;
