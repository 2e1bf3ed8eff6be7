-- Replays of recorded decisions under a draft, which any replica answers about, and access matrices, one for each published
-- revision of a policy.

-- +goose Up
create table replays (
  tenant_uid text   not null references tenants (uid),
  id         text   not null,
  state      text   not null check (state in ('running', 'done', 'failed', 'cancelled')),
  asked      text   not null, -- JSON: which decisions, which draft, by whom
  began_at   integer not null, -- by the database's clock, like seen_at
  seen_at    integer not null, -- it was running then
  ended_at   integer,
  stop       integer not null default 0, -- somebody wants it to end
  read_count integer not null default 0,
  flips      integer not null default 0,
  report     text,
  problem    text   not null default '',
  primary key (tenant_uid, id)
);

create table access_matrices (
  tenant_uid text   not null references tenants (uid),
  policy_uid text   not null,
  revision   integer not null,
  at         integer not null,
  matrix     text, -- JSON; null: it could not be made
  problem    text   not null,
  primary key (tenant_uid, policy_uid, revision)
);

-- +goose Down
drop table access_matrices;
drop table replays;
