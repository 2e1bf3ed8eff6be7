-- An administrator waits for the next assertion of one IdP: at most one row an IdP, read once, gone at its end.

-- +goose Up
create table idp_captures (
  tenant_uid  text    not null references tenants (uid),
  idp_uid     text    not null,
  id          text    not null,
  issuer      text    not null, -- exactly whose assertions are meant
  expires_at  integer not null,
  captured_at integer,
  record      blob,             -- sealed: what was seen
  primary key (tenant_uid, idp_uid)
);

-- +goose Down
drop table idp_captures;
