-- What is known of a policy's revisions besides their text, changes that wait for a second person, policies that run beside the
-- live ones, and which replica runs what.

-- +goose Up
create table policy_revisions (
  tenant_uid  text   not null,
  policy_uid  text   not null,
  revision    integer not null,
  hash        text   not null, -- of the content
  note        text   not null,
  author      text   not null, -- JSON
  approved_by text   not null, -- '': nobody had to
  proposal    text   not null, -- '': applied without
  rollback_of integer not null, -- 0: of none
  primary key (tenant_uid, policy_uid, revision),
  foreign key (tenant_uid, policy_uid, revision) references object_revisions (tenant_uid, uid, revision)
);

create table proposals (
  tenant_uid    text   not null references tenants (uid),
  id            text   not null,
  state         text   not null check (state in ('draft', 'proposed', 'approved', 'published', 'rejected', 'dropped')),
  needs         text   not null, -- what a second person must allow, separated by spaces; '': nothing
  kind          text   not null, -- of the first object of the change
  name          text   not null,
  change        text   not null, -- JSON: what is made so, all or none
  hash          text   not null, -- SHA-256 of tenant, manager and change, to which approval is bound
  manager       text   not null,
  author        text   not null, -- JSON: the principal
  authors       text   not null, -- JSON: the people who wrote it
  note          text   not null,
  rollback_of   integer not null,
  created_at    integer not null,
  updated_at    integer not null,
  expires_at    integer not null,
  approver      text   not null, -- JSON; '': nobody yet
  approved_hash text   not null,
  approved_at   integer,
  settled_by    text   not null,
  shadow_until  integer,          -- how long it runs beside the live one; null: not
  primary key (tenant_uid, id)
);
create index proposals_state on proposals (tenant_uid, state, hash);

-- Which proposals run beside the live policies: nothing of what they are. Every replica reads all of it.
create table shadow_runs (
  tenant_uid text   not null references tenants (uid),
  proposal   text   not null,
  hash       text   not null,
  until      integer not null,
  primary key (tenant_uid, proposal)
);

create table shadow_counts (
  tenant_uid text   not null references tenants (uid),
  proposal   text   not null,
  hash       text   not null,
  replica    text   not null,
  counts     text   not null, -- JSON
  at         integer not null,
  primary key (tenant_uid, proposal, hash, replica)
);

create table replicas (
  id         text   primary key,
  started_at integer not null,
  seen_at    integer not null
);

create table replica_reports (
  tenant_uid text   not null references tenants (uid),
  replica    text   not null,
  version    integer not null, -- of the tenant
  policies   text   not null, -- JSON: who is asked, with revision and hash
  at         integer not null,
  primary key (tenant_uid, replica)
);

-- +goose Down
drop table replica_reports;
drop table replicas;
drop table shadow_counts;
drop table shadow_runs;
drop table proposals;
drop table policy_revisions;
