-- What was captured and has ended is its tenant's alone, like what has not: the sweeper removes it through a function of the
-- owner's, and the runtime role sees no other tenant's row that holds something.

-- +goose Up
drop policy ended_seen on idp_captures;
drop policy ended_goes on idp_captures;
create policy ended_seen on idp_captures for select to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on idp_captures for delete to current_user using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);

-- Removes what has ended, of every tenant, and tells how much: nothing of what it was.
-- +goose StatementBegin
create function chancery_sweep_captures() returns bigint
language plpgsql security definer set search_path from current as $$
declare gone bigint;
begin
  delete from idp_captures where expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint;
  get diagnostics gone = row_count;
  return gone;
end $$;
-- +goose StatementEnd

-- As for the functions of the first migration.
-- +goose StatementBegin
do $$
begin
  execute format('alter function chancery_sweep_captures() set search_path = %I, pg_temp', current_schema());
  revoke all on function chancery_sweep_captures() from public;
end $$;
-- +goose StatementEnd

-- +goose Down
drop function chancery_sweep_captures();
drop policy ended_seen on idp_captures;
drop policy ended_goes on idp_captures;
create policy ended_seen on idp_captures for select using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
create policy ended_goes on idp_captures for delete using (expires_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint);
