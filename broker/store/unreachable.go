package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Unreachable says that the database did not answer, or not in time: nobody is
// refused, and nothing is known. Every store's errors of that kind are one.
type Unreachable struct{ cause error }

// Error implements error.
func (u *Unreachable) Error() string { return "the database does not answer: " + u.cause.Error() }

// Unwrap gives the driver's own words.
func (u *Unreachable) Unwrap() error { return u.cause }

// Unavailable tells other rooms, which know no store, that the same request may succeed in a moment.
func (u *Unreachable) Unavailable() bool { return true }

// away tells whether an error of a driver is about reaching the database rather than about what was asked.
func away(err error) bool {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return awayPostgres(server.Code)
	}
	if file, ok := errors.AsType[*sqlite.Error](err); ok {
		return awaySQLite(file.Code())
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok { // refused, reset, timed out
		return true
	}
	for _, known := range []error{
		context.DeadlineExceeded, // of a statement, of waiting for a connection of the pool, of the request
		driver.ErrBadConn, sql.ErrConnDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return pgconn.SafeToRetry(err) // a connection that was closed before anything was sent
}

// awayPostgres: classes 08 (connection exception), 53 (insufficient resources, such as too many connections) and 57P
// (the server shuts down or starts), a statement that took too long or waited for a lock, and a server that was made a
// standby (PostgreSQL, appendix A).
func awayPostgres(state string) bool {
	return strings.HasPrefix(state, "08") || strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57P") ||
		slices.Contains([]string{"57014", "55P03", "25006"}, state)
}

// awaySQLite: the file is locked, or the disk does not do what it should. The code's low byte is the primary one.
func awaySQLite(code int) bool {
	return slices.Contains([]int{
		sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
	}, code&0xff)
}
