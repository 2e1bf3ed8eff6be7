package ledger

import (
	"context"
	"sync/atomic"

	"github.com/chancery-dev/chancery/broker/audit"
)

// waiter is somebody who waits for an entry or a change to be durable.
type waiter struct {
	entry  Entry
	record audit.Record

	change  *Change
	records []audit.Record
	ctx     context.Context // its values only: a change runs to its end

	left atomic.Bool
	done chan answer // room for one: the writer never waits
}

type answer struct {
	version int64
	err     error
}

func (w *waiter) answer(a answer) { w.done <- a }
