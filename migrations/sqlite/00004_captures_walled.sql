-- The second wall around what was captured is PostgreSQL's: here there are no roles, and nothing changes.

-- +goose Up
select 1;

-- +goose Down
select 1;
