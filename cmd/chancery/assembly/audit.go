package assembly

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// auditLog is what the admin API reads of the audit log.
type auditLog struct {
	log *store.Audit
	key *keys.CheckpointKey
}

func (a auditLog) Query(ctx context.Context, t tenant.UID, f admin.AuditFilter) ([]json.RawMessage, string, error) {
	rows, next, err := a.log.Query(ctx, t, store.Filter(f))
	return bodies(rows), next, cursorError(err)
}

func (a auditLog) Tail(ctx context.Context, t tenant.UID, after string, limit int) ([]json.RawMessage, string, error) {
	rows, next, err := a.log.Tail(ctx, t, after, limit)
	return bodies(rows), next, cursorError(err)
}

func (a auditLog) Export(ctx context.Context, w io.Writer, t tenant.UID) error {
	return a.log.Export(ctx, w, t)
}

func (a auditLog) CheckpointKeys(context.Context) ([]byte, error) { return a.key.JWKS(), nil }

func bodies(rows []store.AuditRow) []json.RawMessage {
	out := make([]json.RawMessage, 0, len(rows))
	for _, r := range rows {
		if r.Body != nil {
			out = append(out, r.Body)
		}
	}
	return out
}

func cursorError(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return admin.ErrCursor
	}
	return err
}

// records is what a story is told from.
type records struct{ log *store.Audit }

func (r records) FindTrace(ctx context.Context, t tenant.UID, trace string) ([]audit.Event, error) {
	rows, err := r.log.FindTrace(ctx, t, trace)
	if err != nil {
		return nil, found(err)
	}
	events := make([]audit.Event, 0, len(rows))
	for _, row := range rows {
		if row.Body != nil { // nothing is left of an erased event but its leaf
			events = append(events, row.Event)
		}
	}
	return events, nil
}

func (r records) FindDecision(ctx context.Context, t tenant.UID, id string) (ledger.Decision, error) {
	d, err := r.log.FindDecision(ctx, t, id)
	return d, found(err)
}

func found(err error) error {
	if errors.Is(err, store.ErrNotRecorded) {
		return story.ErrNotFound
	}
	return err
}

// explainer tells stories to the admin API.
type explainer struct {
	records records
	court   decision.Court
}

func (e explainer) Explain(ctx context.Context, t tenant.UID, id string) (json.RawMessage, error) {
	s, err := story.Tell(ctx, e.records, e.court, t, id)
	if errors.Is(err, story.ErrNotFound) {
		return nil, object.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(s)
}
