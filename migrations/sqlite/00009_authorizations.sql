-- What rests on a browser's way to a code: authorization requests that wait for their person, those that clients pushed, and
-- what people let clients do.

-- +goose Up
create table pending_requests (
  tenant_uid text    not null references tenants (uid),
  handle     blob    not null, -- SHA-256 of the id in the address
  browser    blob    not null, -- SHA-256 of the cookie of the browser that began
  proved_by  text    not null, -- uid of the client that authenticated when it pushed this; '' where nobody did
  parameters text    not null,
  progress   text    not null, -- JSON: what was tried already
  turn       integer not null, -- of the progress, which changes by compare-and-swap
  created_at integer not null,
  expires_at integer not null,
  primary key (tenant_uid, handle)
);
create index pending_requests_end on pending_requests (expires_at);
create index pending_requests_room on pending_requests (tenant_uid, proved_by); -- so many are kept of each, and of strangers

create table pushed_requests (
  tenant_uid text    not null references tenants (uid),
  handle     blob    not null, -- SHA-256 of what is in the request_uri
  client_uid text    not null,
  proved_by  text    not null, -- as above
  parameters text    not null,
  expires_at integer not null,
  primary key (tenant_uid, handle)
);
create index pushed_requests_end on pushed_requests (expires_at);
create index pushed_requests_room on pushed_requests (tenant_uid, proved_by);

create table consents (
  tenant_uid   text    not null references tenants (uid),
  user_uid     text    not null,
  client_uid   text    not null,
  client_id    text    not null, -- by which its client is found
  resource_uid text    not null, -- '' for the person's own account here
  scopes       text    not null, -- separated by spaces
  meaning      blob    not null, -- SHA-256 of what was shown
  given_at     integer not null,
  used_at      integer,
  primary key (tenant_uid, user_uid, client_uid, resource_uid)
);

-- +goose Down
drop table consents;
drop table pushed_requests;
drop table pending_requests;
