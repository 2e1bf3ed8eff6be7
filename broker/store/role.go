package store

import (
	"context"
	"errors"
	"fmt"
)

// ErrRole says that the database's walls do not hold for the role that serves.
var ErrRole = errors.New("the database role can go past its own limits")

// CheckRole tells whether the second wall stands for this connection: the role is
// no superuser, is bound by row-level security, owns none of the tables and is a
// member of no role for which that holds, so that it cannot change what it has recorded. Development runs without; where the
// roles are two it must hold. SQLite has no roles.
func (s *Store) CheckRole(ctx context.Context) error {
	if s.dialect != Postgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var super, bypass, owner, becomes bool
	const query = `select rolsuper, rolbypassrls,
exists (select 1 from pg_class where relnamespace = current_schema()::regnamespace and pg_has_role(current_user, relowner, 'member')),
exists (select 1 from pg_roles r where pg_has_role(current_user, r.oid, 'member') and (r.rolsuper or r.rolbypassrls
or r.rolcreaterole or r.rolname in ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')))
from pg_roles where rolname = current_user`
	if err := s.read.QueryRowContext(ctx, query).Scan(&super, &bypass, &owner, &becomes); err != nil {
		return withoutURL(err)
	}
	switch {
	case super:
		return fmt.Errorf("%w: it is a superuser", ErrRole)
	case bypass:
		return fmt.Errorf("%w: it bypasses row-level security", ErrRole)
	case owner:
		return fmt.Errorf("%w: it owns the tables; give database.owner_url a role of its own", ErrRole)
	case becomes:
		return fmt.Errorf("%w: it is a member of a role that can", ErrRole)
	}
	return nil
}
