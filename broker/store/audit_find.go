package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ErrNotRecorded says that there is no such trace or decision in the log.
var ErrNotRecorded = errors.New("nothing is recorded under this id")

// around is how far a record's time may be from the time in its id: the length
// of a request, and what replicas' clocks may differ by.
const around = 10 * time.Minute

// FindTrace returns the events of one request, in their order. The id's own time
// bounds the partitions that are read.
func (a *Audit) FindTrace(ctx context.Context, t tenant.UID, trace string) ([]AuditRow, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	at, ok := id.Time(id.Trace, trace)
	if !ok {
		return nil, ErrNotRecorded
	}
	rows, err := a.rowsOf(ctx, "select "+auditColumns+" from audit_events where tenant_uid = $1 and trace = $2 "+
		"and at between $3 and $4 order by at, writer, seq limit 1000",
		t.String(), trace, at.Add(-around).UnixMicro(), at.Add(around).UnixMicro())
	if err == nil && len(rows) == 0 {
		return nil, ErrNotRecorded
	}
	return rows, err
}

// FindDecision returns a recorded decision. Its input is empty once it was pruned.
func (a *Audit) FindDecision(ctx context.Context, t tenant.UID, decision string) (ledger.Decision, error) {
	if err := t.Check(); err != nil {
		return ledger.Decision{}, err
	}
	made, ok := id.Time(id.Decision, decision)
	if !ok {
		return ledger.Decision{}, ErrNotRecorded
	}
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	found := ledger.Decision{ID: decision, Tenant: t}
	var at int64
	var hash []byte
	var policies, result string
	var input sql.NullString
	err := a.read.QueryRowContext(ctx, "select at, trace, action, allow, code, policies, input_hash, input, result from decisions "+
		"where tenant_uid = $1 and id = $2 and at between $3 and $4",
		t.String(), decision, made.Add(-around).UnixMicro(), made.Add(around).UnixMicro()).
		Scan(&at, &found.Trace, &found.Action, &found.Allow, &found.Code, &policies, &hash, &input, &result)
	if errors.Is(err, sql.ErrNoRows) {
		return ledger.Decision{}, ErrNotRecorded
	}
	if err != nil {
		return ledger.Decision{}, withoutURL(err)
	}
	found.At, found.Input, found.Result = time.UnixMicro(at).UTC(), []byte(input.String), []byte(result)
	if err := digest(&found.InputHash, hash); err != nil {
		return ledger.Decision{}, err
	}
	if err := json.Unmarshal([]byte(policies), &found.Policies); err != nil {
		return ledger.Decision{}, fmt.Errorf("decision %s: %w", decision, err)
	}
	return found, nil
}

// FindDecisionEvent returns the event that a decision led to.
func (a *Audit) FindDecisionEvent(ctx context.Context, t tenant.UID, decision string) ([]AuditRow, error) {
	made, err := a.FindDecision(ctx, t, decision)
	if err != nil {
		return nil, err
	}
	rows, err := a.FindTrace(ctx, t, made.Trace)
	if err != nil {
		return nil, err
	}
	var events []AuditRow
	for _, r := range rows {
		if r.Event.Decision == decision {
			events = append(events, r)
		}
	}
	return events, nil
}
