-- Replays of recorded decisions under a draft, which any replica answers about, and access matrices, one for each published
-- revision of a policy.

-- +goose Up
create table replays (
  tenant_uid text   not null references tenants (uid),
  id         text   not null,
  state      text   not null check (state in ('running', 'done', 'failed', 'cancelled')),
  asked      text   not null, -- JSON: which decisions, which draft, by whom
  began_at   bigint not null, -- by the database's clock, like seen_at
  seen_at    bigint not null, -- it was running then
  ended_at   bigint,
  stop       boolean not null default false, -- somebody wants it to end
  read_count bigint not null default 0,
  flips      bigint not null default 0,
  report     text,
  problem    text   not null default '',
  primary key (tenant_uid, id)
);

create table access_matrices (
  tenant_uid text   not null references tenants (uid),
  policy_uid text   not null,
  revision   bigint not null,
  at         bigint not null,
  matrix     text, -- JSON; null: it could not be made
  problem    text   not null,
  primary key (tenant_uid, policy_uid, revision)
);

alter table replays enable row level security;
alter table replays force row level security;
create policy tenant on replays using (tenant_uid = current_setting('chancery.tenant', true))
  with check (tenant_uid = current_setting('chancery.tenant', true));
alter table access_matrices enable row level security;
alter table access_matrices force row level security;
create policy tenant on access_matrices using (tenant_uid = current_setting('chancery.tenant', true))
  with check (tenant_uid = current_setting('chancery.tenant', true));

-- Removes decisions of one tenant that were made before the given time, of one person or of everybody (''), at most so many, and
-- tells how many. The runtime role cannot delete from decisions itself; as with chancery_drop_expired, the last day stays. What the
-- audit log holds of them stays: their hashes, and what they said.
-- +goose StatementBegin
create function chancery_purge_decisions(owner text, before_micros bigint, person text, most integer) returns bigint
language plpgsql security definer set search_path from current as $$
declare
  removed bigint;
begin
  if before_micros > (extract(epoch from clock_timestamp() - interval '1 day') * 1000000)::bigint then
    raise exception 'the last day stays';
  end if;
  delete from decisions d using (
    select tenant_uid, at, id from decisions
    where tenant_uid = owner and at < before_micros and (person = '' or nullif(input, '')::json #>> '{user,id}' = person)
    order by at, id limit most
  ) gone where d.tenant_uid = gone.tenant_uid and d.at = gone.at and d.id = gone.id;
  get diagnostics removed = row_count;
  return removed;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_purge_decisions(text, bigint, text, integer) set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_purge_decisions(text, bigint, text, integer) from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_purge_decisions(text, bigint, text, integer);
drop table access_matrices;
drop table replays;
