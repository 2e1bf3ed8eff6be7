package samlmetadata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/federation/saml"
)

func system() audit.Principal { return audit.Principal{Kind: "system", Name: "samlmetadata"} }

// record takes a document that was just read.
func (k *Keeper) record(ctx context.Context, e Entry, row Row, document saml.Metadata, by audit.Principal) (Row, error) {
	now := k.config.Now()
	current, err := read(row.Document)
	if err != nil {
		return Row{}, err
	}
	digest, err := Digest(document)
	if err != nil {
		return Row{}, err
	}
	t := take(current, row.Digest, digest, document)
	next := row
	next.CheckedAt, next.DueAt, next.Failure = now, due(now, document.ValidUntil), ""
	if next.Document, next.Digest, err = kept(t.inUse, row.Digest); err != nil {
		return Row{}, err
	}
	if next.Pending, next.PendingDigest, err = kept(t.pending, ""); err != nil {
		return Row{}, err
	}
	switch {
	case next.Pending == nil:
		next.PendingSince = time.Time{}
	case next.PendingDigest != row.PendingDigest:
		next.PendingSince = now
	}
	raise := !bytes.Equal(next.Document, row.Document)
	var events []audit.Event
	if raise {
		kind, detail := audit.TypeMetadataChanged, map[string]string{"digest": next.Digest, "changes": summary(inUseChanges(current, t.inUse))}
		if row.AcceptedAt.IsZero() && next.Document != nil {
			kind, detail, next.AcceptedAt = audit.TypeMetadataAccepted, map[string]string{"digest": next.Digest, "reason": "first", "entity_id": document.EntityID}, now
		}
		events = append(events, k.event(e, kind, by, detail))
	}
	if next.PendingDigest != row.PendingDigest {
		kind, detail := audit.TypeMetadataPending, map[string]string{"digest": next.PendingDigest, "changes": summary(t.changes)}
		if next.Pending == nil {
			kind, detail = audit.TypeMetadataChanged, map[string]string{"digest": next.Digest, "reason": "withdrawn"}
		} else {
			k.config.Log.WarnContext(ctx, "an IdP's metadata changed and waits for an administrator", "tenant", e.TenantName, "idp", e.Name,
				"digest", next.PendingDigest, "changes", summary(t.changes), "do", "chancery idp metadata "+e.Name)
		}
		events = append(events, k.event(e, kind, by, detail))
	}
	if len(events) == 0 {
		return next, k.note(ctx, e, next)
	}
	return next, k.change(ctx, Change{Tenant: e.Tenant, Before: row.mark(), Row: next, Raise: raise, Events: events})
}

// due is when an IdP that answered is asked again: in time for what it said to be replaced before its end.
func due(now, validUntil time.Time) time.Time {
	wait := Every
	if !validUntil.IsZero() {
		wait = max(RetryFirst, min(wait, validUntil.Sub(now)/2))
	}
	return now.Add(wait)
}

// kept writes what is in use, or waits; without one, digest is what it was.
func kept(m *saml.Metadata, digest string) ([]byte, string, error) {
	if m == nil {
		return nil, digest, nil
	}
	document, err := Write(*m)
	if err != nil {
		return nil, "", err
	}
	digest, err = Digest(*m)
	return document, digest, err
}

func inUseChanges(before, after *saml.Metadata) []saml.Change {
	var from, to saml.Metadata
	if before != nil {
		from = *before
	}
	if after != nil {
		to = *after
	}
	return saml.Diff(from, to)
}

// ErrNotPending says that there is nothing that waits, or it is not what the administrator saw.
var ErrNotPending = errors.New("no metadata with this digest waits")

// Accept puts what waits into use, if it is what was seen.
func (k *Keeper) Accept(ctx context.Context, e Entry, digest string, by audit.Principal) (State, error) {
	if err := e.Tenant.Check(); err != nil {
		return State{}, err
	}
	row, err := k.config.Store.Metadata(ctx, e.Tenant, e.IdPUID)
	if errors.Is(err, ErrNone) {
		return State{}, ErrNotPending
	}
	if err != nil {
		return State{}, fmt.Errorf("load metadata: %w", err)
	}
	if row.Source != e.source() || row.Pending == nil || digest == "" || row.PendingDigest != digest {
		return State{}, ErrNotPending
	}
	now := k.config.Now()
	pending, err := read(row.Pending)
	if err != nil {
		return State{}, err
	}
	if isOver(pending, now) {
		return State{}, fmt.Errorf("%w: it ended at %s; ask the IdP again", ErrNotPending, pending.ValidUntil.UTC().Format(time.RFC3339))
	}
	current, err := read(row.Document)
	if err != nil {
		return State{}, err
	}
	next := row
	next.Document, next.Digest, next.AcceptedAt = row.Pending, row.PendingDigest, now
	next.Pending, next.PendingDigest, next.PendingSince = nil, "", time.Time{}
	err = k.change(ctx, Change{
		Tenant: e.Tenant, Before: row.mark(), Row: next, Raise: true,
		Events: []audit.Event{k.event(e, audit.TypeMetadataAccepted, by, map[string]string{"digest": digest, "changes": summary(inUseChanges(current, pending))})},
	})
	if errors.Is(err, ErrConflict) {
		return State{}, ErrNotPending
	}
	if err != nil {
		return State{}, err
	}
	return k.state(next)
}

// forgetOther removes what another address said.
func (k *Keeper) forgetOther(ctx context.Context, e Entry, by audit.Principal) error {
	row, err := k.config.Store.Metadata(ctx, e.Tenant, e.IdPUID)
	if errors.Is(err, ErrNone) || err == nil && row.Source == e.source() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load metadata: %w", err)
	}
	err = k.change(ctx, Change{
		Tenant: e.Tenant, Before: row.mark(), Row: row, Delete: true, Raise: row.Document != nil,
		Events: []audit.Event{k.event(e, audit.TypeMetadataChanged, by, map[string]string{"digest": row.Digest, "reason": "source changed"})},
	})
	if errors.Is(err, ErrConflict) { // somebody else did
		return nil
	}
	return err
}

func (k *Keeper) event(e Entry, kind audit.Type, by audit.Principal, detail map[string]string) audit.Event {
	now := k.config.Now()
	detail["idp"], detail["idp_uid"], detail["url"] = e.Name, e.IdPUID, e.URL
	return audit.Event{ID: id.New(id.Event, now), At: now, Tenant: e.Tenant, Type: kind, Outcome: audit.Changed, Principal: by, Detail: detail}
}

// summary names what changed; the values are shown to who asks.
func summary(changes []saml.Change) string {
	fields := make([]string, len(changes))
	for i, c := range changes {
		fields[i] = c.Field
	}
	return strings.Join(fields, ",")
}
