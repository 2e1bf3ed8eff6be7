-- Token requests that wait until other people allow them.

-- +goose Up
create table approvals (
  tenant_uid   text   not null references tenants (uid),
  id           text   not null,
  binding      bytea  not null, -- SHA-256 of what it binds: user, client, resource, scopes, policies, groups
  redemption   bytea  not null, -- the key of its one use
  user_uid     text   not null, -- for whom; '': the client asks for itself
  client_uid   text   not null,
  client_id    text   not null, -- by which its client is found
  resource_uid text   not null,
  provider     text   not null, -- whose scopes they are; '': the resource's own
  scopes       text   not null, -- separated by spaces
  policies     text   not null, -- JSON: uid, name, revision and hash of each
  needed       text   not null, -- JSON: each of which is needed
  within       bigint not null, -- microseconds
  lifetime     bigint not null, -- of what is given, at most; microseconds
  decision     text   not null,
  state        text   not null check (state in ('waiting', 'allowed', 'denied', 'lapsed')),
  begun_at     bigint not null,
  ends_at      bigint not null,
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
  at         bigint  not null,
  primary key (tenant_uid, approval, group_name),
  unique (tenant_uid, approval, user_uid),
  foreign key (tenant_uid, approval) references approvals (tenant_uid, id) on delete cascade
);

-- The second wall.
alter table approvals enable row level security;
alter table approvals force row level security;
create policy tenant on approvals using (tenant_uid = current_setting('chancery.tenant', true));
create policy ended_seen on approvals for select to current_user using (ends_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on approvals for delete to current_user using (ends_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
alter table approval_words enable row level security;
alter table approval_words force row level security;
create policy tenant on approval_words using (tenant_uid = current_setting('chancery.tenant', true));

-- Removes what has ended, of every tenant, at most so many requests, and tells how many: nothing of what they were.
-- +goose StatementBegin
create function chancery_sweep_approvals(most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  ended constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  gone bigint;
begin
  delete from approvals where ctid = any (array(select a.ctid from approvals a where a.ends_at < ended limit most));
  get diagnostics gone = row_count;
  return gone;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_approvals(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_approvals(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_approvals(integer);
drop table approval_words;
drop table approvals;
