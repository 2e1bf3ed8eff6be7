-- What ends tokens before their time. A single token's revocation is a redemption (space revoked_token).

-- +goose Up
-- The tenant's version at which a token was committed. Absent: an older binary wrote the row.
alter table issued_tokens add column version bigint;
-- For what is alive, of whomever: rows come nearly in the order of their expiry, so that ranges of pages are enough to find them.
create index issued_tokens_expiry on issued_tokens using brin (expires_at) with (autosummarize = on);

-- Everything of a client, a user or an IdP that was committed before a version of the tenant is over.
create table revocations (
  tenant_uid text   not null references tenants (uid),
  kind       text   not null check (kind in ('client', 'user', 'idp')),
  uid        text   not null,
  version    bigint not null,
  at         bigint not null,
  event      text   not null, -- that tells of it
  expires_at bigint not null, -- no token from before lives longer
  primary key (tenant_uid, kind, uid, version)
);

-- The second wall, as for the tables of the first migration; and what is revoked stays so: only what has expired can be removed,
-- of whatever tenant, by the sweeper.
alter table revocations enable row level security;
alter table revocations force row level security;
create policy tenant on revocations for select using (tenant_uid = current_setting('chancery.tenant', true));
create policy tenant_adds on revocations for insert with check (tenant_uid = current_setting('chancery.tenant', true));
create policy expired_seen on revocations for select using (expires_at < (extract(epoch from now()) * 1000000)::bigint);
create policy expired_goes on revocations for delete using (expires_at < (extract(epoch from now()) * 1000000)::bigint);

-- +goose Down
drop table revocations;
drop index issued_tokens_expiry;
alter table issued_tokens drop column version;
