package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

var (
	now  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	acme = tenant.MustParseUID("ten_acme")
	by   = audit.Principal{Kind: "token", Name: "admin.token"}
)

// house is a revoker over a database in memory.
type house struct {
	*Revoker
	issued   map[string]Issued
	live     int64
	families int64
	asked    []Holder
	below    int64
	filter   Filter
	marks    []Mark
	entries  []ledger.Entry
	changed  []int64
	events   []audit.Event
	order    []string // what was done, in its order

	failMark, failCount, failCommit, failEvents, failObjects error
	commit                                                   func(ledger.Entry) error
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{issued: map[string]Issued{}, live: 3, families: 2}
	var err error
	h.Revoker, err = New(Config{
		Tokens: h, Objects: h, Journal: h, Events: h, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Changed: func(_ tenant.UID, version int64) { h.changed = append(h.changed, version) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// token is a live token's record.
func (h *house) token(change func(*Issued)) string {
	i := Issued{IssuedToken: ledger.IssuedToken{
		ID: id.New(id.Token, now), Tenant: acme, IssuedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Minute), KeyID: "kid", GrantType: "g",
		ClientUID: "cli_1", Subject: "usr_1", IdPUID: "idp_1", ResourceID: "res_1", Audience: "https://mcp.acme.com/notes", Scope: "notes:read",
		Thumbprint: "jkt", DecisionID: "dec_1", Trace: "trc_1",
	}}
	if change != nil {
		change(&i)
	}
	h.issued[i.ID] = i
	return i.ID
}

func (h *house) Find(_ context.Context, t tenant.UID, jti string) (Issued, error) {
	if i, ok := h.issued[jti]; ok && t == acme {
		return i, nil
	}
	return Issued{}, ErrUnknown
}

func (h *house) List(_ context.Context, _ tenant.UID, f Filter) ([]Issued, error) {
	h.filter = f
	var all []Issued
	for _, i := range h.issued {
		all = append(all, i)
	}
	return all, nil
}

func (h *house) Count(_ context.Context, _ tenant.UID, holder Holder, below int64) (int64, error) {
	h.order = append(h.order, "count")
	h.asked, h.below = append(h.asked, holder), below
	return h.live, h.failCount
}

func (h *house) CountFamilies(_ context.Context, _ tenant.UID, holder Holder, below int64) (int64, error) {
	h.order = append(h.order, "count families")
	h.asked, h.below = append(h.asked, holder), below
	return h.families, h.failCount
}

func (h *house) Mark(_ context.Context, _ tenant.UID, m Mark) (int64, error) {
	h.order = append(h.order, "mark")
	if h.failMark == nil {
		h.marks = append(h.marks, m)
	}
	return 42, h.failMark
}

func (h *house) Commit(_ context.Context, e ledger.Entry) error {
	h.order = append(h.order, "commit")
	if h.commit != nil {
		return h.commit(e)
	}
	if h.failCommit == nil {
		h.entries = append(h.entries, e)
	}
	return h.failCommit
}

func (h *house) FindTrace(context.Context, tenant.UID, string) ([]audit.Event, error) {
	return h.events, h.failEvents
}

var stored = map[string]object.Stored{
	"claude": {UID: "cli_1", Kind: object.KindClient, Name: "claude"}, "alice": {UID: "usr_1", Kind: object.KindUser, Name: "alice"},
	"okta": {UID: "idp_1", Kind: object.KindIdentityProvider, Name: "okta"}, "notes": {UID: "res_1", Kind: object.KindResource, Name: "notes"},
}

func (h *house) Get(_ context.Context, _ tenant.UID, kind object.Kind, name string) (object.Stored, error) {
	if s, ok := stored[name]; ok && s.Kind == kind {
		return s, nil
	}
	return object.Stored{}, errors.Join(object.ErrNotFound, h.failObjects)
}

func (h *house) ByUID(_ context.Context, _ tenant.UID, kind object.Kind, uid string) (object.Stored, error) {
	if h.failObjects != nil {
		return object.Stored{}, h.failObjects
	}
	for _, s := range stored {
		if s.UID == uid && s.Kind == kind {
			return s, nil
		}
	}
	return object.Stored{}, object.ErrNotFound
}
