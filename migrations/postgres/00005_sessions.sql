-- Who is signed in, who is on the way to an IdP and back, and what an IdP said of a person last.

-- +goose Up
-- A session is found by the digest of what the browser carries. One that goes on under another handle keeps its id: of
-- one id at most one row has not ended. Ended rows stay until keep_until, so that what was bound to an older handle finds
-- the session in which that goes on.
create table sessions (
  tenant_uid       text    not null references tenants (uid),
  handle           bytea   not null, -- SHA-256
  id               text    not null,
  user_uid         text    not null,
  idp_uid          text    not null,
  issuer           text    not null, -- of the IdP when it began
  upstream_subject text    not null, -- '' where the IdP names none
  upstream_session text    not null,
  upstream_tenant  text    not null,
  hint             bytea,            -- sealed
  acr              text    not null,
  amr              text    not null, -- a JSON list
  auth_time        bigint  not null, -- 0: not known
  started_at       bigint  not null,
  seen_at          bigint  not null,
  expires_at       bigint  not null,
  keep_until       bigint  not null,
  version          bigint  not null, -- of the tenant at its start: a mark above it ends it
  ended_at         bigint,
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
  id         bytea   not null, -- SHA-256 of the state
  kind       text    not null,
  idp_uid    text    not null,
  browser    bytea   not null, -- SHA-256 of what the browser carries meanwhile
  sealed     bytea   not null, -- everything else
  expires_at bigint  not null,
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
  email_verified boolean not null,
  groups         text    not null, -- a JSON list
  groups_state   text    not null,
  guest          boolean not null,
  subject        text    not null,
  seen_at        bigint  not null,
  primary key (tenant_uid, user_uid, idp_uid)
);
create index profiles_seen on profiles (seen_at);

-- The second wall: each tenant sees its own alone. What has ended the sweeper removes through a function of the owner's.
-- +goose StatementBegin
do $$
declare t text;
begin
  foreach t in array array['sessions', 'departures', 'profiles'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy tenant on %I using (tenant_uid = current_setting(''chancery.tenant'', true))', t);
  end loop;
end $$;
-- +goose StatementEnd
create policy ended_seen on sessions for select to current_user using (keep_until < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on sessions for delete to current_user using (keep_until < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_seen on departures for select to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on departures for delete to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_seen on profiles for select to current_user using (seen_at < ((extract(epoch from clock_timestamp()) - 86400 * 400) * 1000000)::bigint);
create policy ended_goes on profiles for delete to current_user using (seen_at < ((extract(epoch from clock_timestamp()) - 86400 * 400) * 1000000)::bigint);

-- Removes what has ended, of every tenant, at most so many rows of each table, and tells how many: sessions, departures, and
-- what was said of people who have not come for 400 days. Strangers make departures: however many there are, no statement
-- takes so long that its time is over and nothing goes.
-- +goose StatementBegin
create function chancery_sweep_sign_in(most integer, out sessions_gone bigint, out departures_gone bigint, out profiles_gone bigint)
language plpgsql security definer set search_path from current as $$
declare
  now_micros constant bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
begin
  delete from sessions where ctid = any (array(select s.ctid from sessions s where s.keep_until < now_micros limit most));
  get diagnostics sessions_gone = row_count;
  delete from departures where ctid = any (array(select d.ctid from departures d where d.expires_at < now_micros limit most));
  get diagnostics departures_gone = row_count;
  delete from profiles where ctid = any (array(select p.ctid from profiles p where p.seen_at < now_micros - 86400::bigint * 400 * 1000000 limit most));
  get diagnostics profiles_gone = row_count;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_sign_in(integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_sign_in(integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_sign_in(integer);
drop table profiles;
drop table departures;
drop table sessions;
