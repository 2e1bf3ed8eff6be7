-- What rests on a browser's way to a code: authorization requests that wait for their person, those that clients pushed, and
-- what people let clients do.

-- +goose Up
create table pending_requests (
  tenant_uid text   not null references tenants (uid),
  handle     bytea  not null, -- SHA-256 of the id in the address
  browser    bytea  not null, -- SHA-256 of the cookie of the browser that began
  proved_by  text   not null, -- uid of the client that authenticated when it pushed this; '' where nobody did
  parameters text   not null,
  progress   text   not null, -- JSON: what was tried already
  turn       bigint not null, -- of the progress, which changes by compare-and-swap
  created_at bigint not null,
  expires_at bigint not null,
  primary key (tenant_uid, handle)
);
create index pending_requests_end on pending_requests (expires_at);
create index pending_requests_room on pending_requests (tenant_uid, proved_by); -- so many are kept of each, and of strangers

create table pushed_requests (
  tenant_uid text   not null references tenants (uid),
  handle     bytea  not null, -- SHA-256 of what is in the request_uri
  client_uid text   not null,
  proved_by  text   not null, -- as above
  parameters text   not null,
  expires_at bigint not null,
  primary key (tenant_uid, handle)
);
create index pushed_requests_end on pushed_requests (expires_at);
create index pushed_requests_room on pushed_requests (tenant_uid, proved_by);

create table consents (
  tenant_uid   text   not null references tenants (uid),
  user_uid     text   not null,
  client_uid   text   not null,
  client_id    text   not null, -- by which its client is found
  resource_uid text   not null, -- '' for the person's own account here
  scopes       text   not null, -- separated by spaces
  meaning      bytea  not null, -- SHA-256 of what was shown
  given_at     bigint not null,
  used_at      bigint,
  primary key (tenant_uid, user_uid, client_uid, resource_uid)
);

-- The second wall.
alter table pending_requests enable row level security;
alter table pending_requests force row level security;
create policy tenant on pending_requests using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on pending_requests for select to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on pending_requests for delete to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
alter table pushed_requests enable row level security;
alter table pushed_requests force row level security;
create policy tenant on pushed_requests using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on pushed_requests for select to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on pushed_requests for delete to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
alter table consents enable row level security;
alter table consents force row level security;
create policy tenant on consents using (tenant_uid = current_setting('chancery.tenant', true));

-- Removes the requests that have ended, of every tenant, at most so many rows of each table, and tells how many: nothing of what
-- they were. Strangers make them: however many there are, no statement takes so long that its time is over and nothing goes.
-- +goose StatementBegin
create function chancery_sweep_requests(most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  ended constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  gone bigint;
  more bigint;
begin
  delete from pending_requests where ctid = any (array(select p.ctid from pending_requests p where p.expires_at < ended limit most));
  get diagnostics gone = row_count;
  delete from pushed_requests where ctid = any (array(select p.ctid from pushed_requests p where p.expires_at < ended limit most));
  get diagnostics more = row_count;
  return gone + more;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_requests(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_requests(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_requests(integer);
drop table consents;
drop table pushed_requests;
drop table pending_requests;
