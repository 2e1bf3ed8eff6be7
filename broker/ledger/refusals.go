package ledger

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// Refusals is the lane of those who are not authenticated yet. It is bounded: a
// flood is counted, not written down.
type Refusals struct{}

// NewRefusals starts the lane in front of a ledger.
func NewRefusals(l *Ledger, now func() time.Time) *Refusals { return &Refusals{} }

// Add records a refusal, or counts it. source is the caller's network address. It never waits.
func (r *Refusals) Add(e audit.Event, source string) {}

// Close writes down what is counted.
func (r *Refusals) Close(ctx context.Context) error { return nil }
