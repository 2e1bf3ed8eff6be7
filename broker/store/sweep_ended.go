package store

import "context"

// sweepEnded removes what has ended, of every tenant, a batch of each table at a time: strangers make most of it, and one
// statement that takes it all would never end in its time. On PostgreSQL it goes through the owner's function, for the runtime
// role sees its tenant's alone; tables is for SQLite: in which, and which rows.
func (s *Store) sweepEnded(ctx context.Context, db execer, function string, tables map[string]string) (int64, error) {
	var all int64
	for {
		gone, full, err := s.sweepEndedOnce(ctx, db, function, tables)
		all += gone
		if err != nil || !full {
			return all, err
		}
	}
}

// sweepEndedOnce removes one batch of each; full says that there may be more.
func (s *Store) sweepEndedOnce(ctx context.Context, db execer, function string, tables map[string]string) (gone int64, full bool, err error) {
	if s.dialect == Postgres {
		err := db.QueryRowContext(ctx, "select "+function+"($1)", sweepBatch).Scan(&gone)
		return gone, gone >= sweepBatch, err
	}
	for table, ended := range tables {
		done, err := db.ExecContext(ctx, "delete from "+table+" where rowid in (select rowid from "+table+" where "+ended+" limit $1)", sweepBatch)
		if err != nil {
			return gone, false, err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return gone, false, err
		}
		gone, full = gone+n, full || n >= sweepBatch
	}
	return gone, full, nil
}
