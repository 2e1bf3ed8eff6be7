-- What ends tokens before their time. A single token's revocation is a redemption (space revoked_token).

-- +goose Up
-- The tenant's version at which a token was committed. Absent: an older binary wrote the row.
alter table issued_tokens add column version integer;

-- Everything of a client, a user or an IdP that was committed before a version of the tenant is over.
create table revocations (
  tenant_uid text    not null references tenants (uid),
  kind       text    not null check (kind in ('client', 'user', 'idp')),
  uid        text    not null,
  version    integer not null,
  at         integer not null,
  event      text    not null, -- that tells of it
  expires_at integer not null, -- no token from before lives longer
  primary key (tenant_uid, kind, uid, version)
);

-- +goose Down
drop table revocations;
alter table issued_tokens drop column version;
