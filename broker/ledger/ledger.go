package ledger

import (
	"context"
	"log/slog"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// Config says what a ledger writes to.
type Config struct {
	Journal     Journal
	Checkpoints audit.Checkpoints
	Signer      audit.Signer
	// Every is the time between checkpoints; 0 means 10 s.
	Every time.Duration
	// Queue bounds the entries that wait; 0 means 4096. What does not fit is refused at once.
	Queue int
	Now   func() time.Time
	Log   *slog.Logger
}

// Ledger is the process's one writer.
type Ledger struct{}

// New starts the writer. It does not wait for the database.
func New(c Config) (*Ledger, error) { return &Ledger{}, nil }

// Commit records an entry, or says why not: *Conflict, ErrStale, ErrUnavailable, ErrUnfit or the
// context's error. Unless it returns nil nothing may be issued; after the context's error or
// ErrUnavailable the facts may nevertheless have been recorded.
func (l *Ledger) Commit(ctx context.Context, e Entry) error { return ErrUnavailable }

// Apply makes a change and records its events in the same transaction. It returns the tenant's new
// version, 0 if it was not raised.
func (l *Ledger) Apply(ctx context.Context, c Change) (int64, error) { return 0, ErrUnavailable }

// Close commits what is queued, writes a last checkpoint and seals the writer.
func (l *Ledger) Close(ctx context.Context) error { return nil }
