-- An administrator waits for the next assertion of one IdP: at most one row an IdP, read once, gone at its end.

-- +goose Up
create table idp_captures (
  tenant_uid  text   not null references tenants (uid),
  idp_uid     text   not null,
  id          text   not null,
  issuer      text   not null, -- exactly whose assertions are meant
  expires_at  bigint not null,
  captured_at bigint,
  record      bytea,           -- sealed: what was seen
  primary key (tenant_uid, idp_uid)
);

-- The second wall. That somebody waits may be seen by every replica for every tenant, for it must look out; what was
-- captured may not. What has ended is removed by the sweeper.
alter table idp_captures enable row level security;
alter table idp_captures force row level security;
create policy tenant on idp_captures using (tenant_uid = current_setting('chancery.tenant', true));
create policy waiting_seen on idp_captures for select using (captured_at is null);
create policy ended_seen on idp_captures for select using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on idp_captures for delete using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);

-- +goose Down
drop table idp_captures;
