package samlmetadata

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// ErrNoAddress is returned for an entry that has no metadata_url: what is written into it changes by applying it.
var ErrNoAddress = errors.New("the entry has no saml.metadata_url")

// Preview tells what a document would change, if the IdP's address said it. Nothing is kept, and it cannot be accepted
// from here. A document that cannot be used is a *federation.Refusal.
func (k *Keeper) Preview(ctx context.Context, e Entry, raw []byte) (State, error) {
	document, err := saml.ParseMetadata(raw, e.expected(), k.config.Now())
	if err != nil {
		return State{}, err
	}
	state := State{InUse: e.Pinned}
	if e.Pinned == nil {
		if state, err = k.State(ctx, e.Tenant, e.IdPUID); err != nil && !errors.Is(err, ErrNone) {
			return State{}, fmt.Errorf("load metadata: %w", err)
		}
	}
	state.Pending, state.PendingSince = &document, time.Time{}
	if state.PendingDigest, err = Digest(document); err != nil {
		return State{}, err
	}
	state.Changes = inUseChanges(state.InUse, &document)
	return state, nil
}

// Shown is a State as people and programs read it.
type Shown struct {
	Source        string        `json:"source,omitempty"`
	InUse         *ShownIdP     `json:"in_use,omitempty"`
	Digest        string        `json:"digest,omitempty"`
	AcceptedAt    *time.Time    `json:"accepted_at,omitempty"`
	Pending       *ShownIdP     `json:"pending,omitempty"`
	PendingDigest string        `json:"pending_digest,omitempty"`
	PendingSince  *time.Time    `json:"pending_since,omitempty"`
	Changes       []ShownChange `json:"changes,omitempty"`
	CheckedAt     *time.Time    `json:"checked_at,omitempty"`
	DueAt         *time.Time    `json:"due_at,omitempty"`
	Failure       string        `json:"failure,omitempty"`
}

// ShownIdP is a document.
type ShownIdP struct {
	EntityID      string             `json:"entity_id"`
	Certificates  []ShownCertificate `json:"certificates"`
	SignOn        []ShownEndpoint    `json:"sign_on"`
	Logout        []ShownEndpoint    `json:"logout,omitempty"`
	NameIDFormats []string           `json:"name_id_formats,omitempty"`
	WantsSigned   bool               `json:"wants_signed"`
	ValidUntil    *time.Time         `json:"valid_until,omitempty"`
	Ignored       []string           `json:"ignored,omitempty"`
}

// ShownCertificate is one of a document's.
type ShownCertificate struct {
	Fingerprint string    `json:"fingerprint"` // SHA-256
	Subject     string    `json:"subject"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// ShownEndpoint is where a browser is sent.
type ShownEndpoint struct {
	Binding  string `json:"binding"`
	Location string `json:"location"`
}

// ShownChange is one difference; one of trust waits for an administrator.
type ShownChange struct {
	Field  string `json:"field"`
	Before string `json:"before"`
	After  string `json:"after"`
	Trust  bool   `json:"trust"`
}

// Show makes a State fit to be shown.
func Show(s State) Shown {
	shown := Shown{
		Source: s.Source, InUse: ShowIdP(s.InUse), Digest: s.Digest, AcceptedAt: at(s.AcceptedAt), Pending: ShowIdP(s.Pending),
		PendingDigest: s.PendingDigest, PendingSince: at(s.PendingSince), CheckedAt: at(s.CheckedAt), DueAt: at(s.DueAt), Failure: s.Failure,
	}
	for _, c := range s.Changes {
		shown.Changes = append(shown.Changes, ShownChange(c))
	}
	return shown
}

// ShowIdP makes a document fit to be shown; nil stays nil.
func ShowIdP(m *saml.Metadata) *ShownIdP {
	if m == nil {
		return nil
	}
	shown := &ShownIdP{
		EntityID: m.EntityID, NameIDFormats: m.NameIDFormats, WantsSigned: m.WantsSigned, ValidUntil: at(m.ValidUntil), Ignored: m.Ignored,
		SignOn: showEndpoints(m.SignOn), Logout: showEndpoints(m.Logout),
	}
	for _, c := range m.Certificates {
		shown.Certificates = append(shown.Certificates, ShownCertificate{saml.Fingerprint(c), federation.Clip(c.Subject.String()), c.NotBefore.UTC(), c.NotAfter.UTC()})
	}
	return shown
}

func showEndpoints(from []saml.Endpoint) []ShownEndpoint {
	list := make([]ShownEndpoint, len(from))
	for i, e := range from {
		list[i] = ShownEndpoint{e.Binding, e.Location}
	}
	return list
}

func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
