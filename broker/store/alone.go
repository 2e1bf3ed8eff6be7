package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
)

// alone is an Applier for the few changes that come before the ledger can begin.
type alone struct {
	mu    sync.Mutex // on SQLite a writer that starts seals the one before
	store *Store
	now   func() time.Time
}

// Alone makes each change with a writer of its own, which is sealed at once: the
// default tenant and the first checkpoint key, without which there is no ledger.
// Once there is one, changes are the ledger's.
func (s *Store) Alone(now func() time.Time) Applier { return &alone{store: s, now: now} }

// Apply implements Applier.
func (a *alone) Apply(ctx context.Context, c ledger.Change) (int64, error) {
	if err := c.Tenant.Check(); err != nil {
		return 0, err
	}
	if len(c.Events) == 0 {
		return 0, fmt.Errorf("%w: no event", errIncomplete)
	}
	records := make([]audit.Record, len(c.Events))
	for i, e := range c.Events {
		records[i] = audit.NewRecord(e)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	writer := id.New(id.Writer, a.now())
	journal := a.store.Journal()
	head, err := journal.Start(ctx, writer)
	if err != nil {
		return 0, fmt.Errorf("start a writer: %w", err)
	}
	rows, to := head.Append(records)
	page := ledger.Page{Rows: rows, From: head, To: to}
	version, err := journal.Change(ctx, c, page)
	if errors.Is(err, ledger.ErrContended) {
		version, err = journal.Change(ctx, c, page)
	}
	if sealed := a.store.Checkpoints().Seal(ctx, writer); err == nil && sealed != nil {
		err = fmt.Errorf("seal a writer: %w", sealed)
	}
	return version, err
}
