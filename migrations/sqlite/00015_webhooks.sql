-- What companies are told of events, until it was delivered; and the way to what ended here and not yet elsewhere.

-- +goose Up
-- How far the audit log was read for it: one row, which one replica holds at a time.
create table webhook_reading (
  name        text    primary key check (name = 'audit'),
  position    text    not null, -- '': nothing was read yet
  held_by     text    not null default '', -- the replica
  held_until  integer not null default 0   -- by the database's clock
);

create table webhook_messages (
  tenant_uid   text    not null references tenants (uid),
  id           text    not null,
  event_id     text    not null,
  endpoint     text    not null, -- the url that the tenant names
  type         text    not null,
  body         text    not null, -- as it is signed and sent: no secret
  state        text    not null check (state in ('pending', 'delivered', 'given_up')),
  attempts     integer not null default 0,
  next_at      integer not null, -- by the database's clock
  held_until   integer not null default 0,
  outcome      text    not null default '', -- of the last attempt
  created_at   integer not null,
  delivered_at integer,
  primary key (tenant_uid, id)
);
create unique index webhook_messages_once on webhook_messages (tenant_uid, event_id, endpoint);
create index webhook_messages_due on webhook_messages (tenant_uid, next_at) where state = 'pending';
create index webhook_messages_age on webhook_messages (tenant_uid, created_at);

create index connections_revoked on connections (tenant_uid, id) where status = 'revoked';

-- +goose Down
drop index connections_revoked;
drop table webhook_messages;
drop table webhook_reading;
