package lifecycle

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
)

func TestRevokeHolder(t *testing.T) {
	for kind, which := range map[Kind][]string{Client: {"claude", "cli_1"}, User: {"alice", "usr_1"}, IdP: {"okta", "idp_1"}} {
		for _, one := range which {
			h := newHouse(t)
			done, err := h.RevokeHolder(t.Context(), acme, kind, one, Request{By: by, Trace: "trc_9", Reason: "stolen"})
			if err != nil || done.Kind != kind || done.UID != which[1] || done.Name != which[0] || done.Tokens != 3 || done.Families != 2 || len(h.marks) != 1 {
				t.Fatalf("%s: %+v, %v", one, done, err)
			}
			m := h.marks[0]
			if m.Holder != (Holder{kind, which[1]}) || !m.Until.After(now.Add(max(object.MaxTokenLifetime, refresh.MaxAbsolute))) || m.Event.ID != done.Event ||
				m.Event.Type != audit.TypeTokensRevoked || m.Event.Principal != by || m.Event.Trace != "trc_9" || m.Event.Detail["reason"] != "stolen" {
				t.Errorf("%s: %+v", one, m)
			}
			// The end first, then the count of what was committed before it, then its record.
			if !slices.Equal(h.order, []string{"mark", "count", "count families", "commit"}) || h.below != 42 || !slices.Equal(h.changed, []int64{42}) {
				t.Errorf("%s: %v, counted below %d, changed %v", one, h.order, h.below, h.changed)
			}
			if e := h.entries[0].Event; e.Type != audit.TypeTokensCounted || e.Detail["tokens"] != "3" || e.Detail["refresh_families"] != "2" || e.Detail["revocation"] != done.Event || e.Tenant != acme {
				t.Errorf("%s: %+v", one, e)
			}
		}
	}
}

// What is revoked is revoked, whether it could be counted or not.
func TestTheCountHoldsNothingUp(t *testing.T) {
	h := newHouse(t)
	h.failCount = errors.New("it takes too long")
	if done, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by}); err != nil || done.Tokens >= 0 || done.Event == "" || len(h.entries) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	h = newHouse(t)
	h.failCommit = ledger.ErrUnavailable
	if done, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by}); err != nil || done.Tokens != 3 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestDryRunsDoNothing(t *testing.T) {
	h := newHouse(t)
	done, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by, DryRun: true})
	if err != nil || done.Tokens != 3 || done.Event != "" || h.below != 0 || !slices.Equal(h.order, []string{"count", "count families"}) {
		t.Errorf("%+v, %v, %v", done, err, h.order)
	}
	jti := h.token(nil)
	done, err = h.RevokeToken(t.Context(), acme, jti, Request{By: by, DryRun: true})
	if err != nil || done.Tokens != 1 || len(h.entries) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	h.failCount = errors.New("no database")
	if _, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{DryRun: true}); err == nil {
		t.Error("a count that failed is no count")
	}
}

func TestNothingIsRevokedOf(t *testing.T) {
	for name, c := range map[string]struct {
		kind  Kind
		which string
		err   error
	}{
		"nobody":              {Client, "nobody", object.ErrNotFound},
		"another kind's name": {User, "claude", object.ErrNotFound},
		"another kind's uid":  {User, "cli_1", object.ErrNotFound},
		"no name":             {User, "", object.ErrNotFound},
		"a token":             {Token, "alice", ErrHolder},
		"a key":               {Key, "alice", ErrHolder},
		"what there is not":   {"policy", "notes", ErrHolder},
	} {
		h := newHouse(t)
		if _, err := h.RevokeHolder(t.Context(), acme, c.kind, c.which, Request{By: by}); !errors.Is(err, c.err) || len(h.order) != 0 {
			t.Errorf("%s: %v, %v", name, err, h.order)
		}
	}
	h := newHouse(t)
	h.failMark = ledger.ErrUnavailable
	if _, err := h.RevokeHolder(t.Context(), acme, User, "alice", Request{By: by}); !errors.Is(err, ledger.ErrUnavailable) || len(h.changed) != 0 || len(h.entries) != 0 {
		t.Errorf("%v", err)
	}
}

func TestRevokeToken(t *testing.T) {
	h := newHouse(t)
	jti := h.token(nil)
	done, err := h.RevokeToken(t.Context(), acme, jti, Request{By: by, Trace: "trc_9", Reason: "seen elsewhere"})
	if err != nil || done.Kind != Token || done.UID != jti || done.Tokens != 1 || len(h.entries) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	e := h.entries[0]
	key, _ := ledger.RevocationKey(jti)
	if len(e.Redemptions) != 1 || e.Redemptions[0].Key != key || !e.Redemptions[0].ExpiresAt.Equal(h.issued[jti].ExpiresAt) || e.Event.ID != done.Event ||
		e.Event.Type != audit.TypeTokenRevoked || e.Event.TokenID != jti || e.Event.OnBehalf != "usr_1" || e.Event.Detail["reason"] != "seen elsewhere" {
		t.Errorf("%+v", e)
	}
	if len(h.changed) != 0 {
		t.Error("one token's end is no new version: others would be decided again for nothing")
	}
	// Somebody else was first.
	h.commit = func(e ledger.Entry) error {
		if second := e.Conflict(e.Redemptions[0]); second.Detail["already"] != "true" || second.Type != audit.TypeTokenRevoked || e.Event.Detail["tokens"] != "1" {
			t.Errorf("of the second is recorded %+v", second)
		}
		return &ledger.Conflict{Lost: e.Redemptions[0]}
	}
	if done, err = h.RevokeToken(t.Context(), acme, jti, Request{By: by}); err != nil || done.Tokens != 0 || done.Event != "" {
		t.Errorf("%+v, %v", done, err)
	}
	h.commit = func(ledger.Entry) error { return ledger.ErrUnavailable }
	if _, err = h.RevokeToken(t.Context(), acme, jti, Request{By: by}); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

func TestWhatIsDeadDoesNotDie(t *testing.T) {
	h := newHouse(t)
	for name, jti := range map[string]string{
		"expired": h.token(func(i *Issued) { i.ExpiresAt = now.Add(-Apart) }),
		"revoked": h.token(func(i *Issued) { i.End = &End{By: User} }),
	} {
		if done, err := h.RevokeToken(t.Context(), acme, jti, Request{By: by}); err != nil || done.Tokens != 0 || len(h.order) != 0 {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
	}
	if _, err := h.RevokeToken(t.Context(), acme, id.New(id.Token, now), Request{By: by}); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

// A replica whose clock is behind ours still calls it active: its end is recorded, and nobody is told that a live one died.
func TestRevokeTokenThatExpiresElsewhereLater(t *testing.T) {
	h := newHouse(t)
	jti := h.token(func(i *Issued) { i.ExpiresAt = now })
	if done, err := h.RevokeToken(t.Context(), acme, jti, Request{By: by, DryRun: true}); err != nil || done.Tokens != 0 || len(h.entries) != 0 {
		t.Errorf("%+v, %v", done, err)
	}
	done, err := h.RevokeToken(t.Context(), acme, jti, Request{By: by})
	if err != nil || done.Tokens != 0 || done.Event == "" || len(h.entries) != 1 || h.entries[0].Event.Detail["tokens"] != "0" {
		t.Errorf("%+v, %v, %+v", done, err, h.entries)
	}
}

func TestLineage(t *testing.T) {
	h := newHouse(t)
	jti := h.token(nil)
	h.events = []audit.Event{
		{Type: audit.TypeTokenRefused, AssertionID: "other"},
		{Type: audit.TypeTokenIssued, TokenID: jti, AssertionID: "jti-1", AssertionBy: "https://acme.okta.com"},
	}
	told, err := h.Lineage(t.Context(), acme, jti)
	want := Lineage{
		ID: jti, State: Live, IssuedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Minute), GrantType: "g", Subject: Party{"usr_1", "alice"},
		Client: Party{"cli_1", "claude"}, IdP: &Party{"idp_1", "okta"}, Resource: Party{"res_1", "notes"}, Audience: "https://mcp.acme.com/notes",
		Scope: "notes:read", Thumbprint: "jkt", KeyID: "kid", Decision: "dec_1", Trace: "trc_1", AssertionID: "jti-1", AssertionBy: "https://acme.okta.com",
	}
	if err != nil || !reflect.DeepEqual(told, want) {
		t.Errorf("told %+v, %v", told, err)
	}
	// What is gone has a uid and no name; a client for itself has no IdP; without the log the rest is told.
	jti = h.token(func(i *Issued) { i.Subject, i.IdPUID, i.ResourceID = "claude", "", "res_gone" })
	h.failEvents = errors.New("erased")
	told, err = h.Lineage(t.Context(), acme, jti)
	if err != nil || told.IdP != nil || told.Subject != (Party{"cli_1", "claude"}) || told.Resource != (Party{UID: "res_gone"}) || told.AssertionID != "" {
		t.Errorf("told %+v, %v", told, err)
	}
	h.failObjects = errors.New("no database")
	if _, err = h.Lineage(t.Context(), acme, jti); err == nil {
		t.Error("not knowing a name is not having none")
	}
	if _, err = h.Lineage(t.Context(), acme, "tok_x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestList(t *testing.T) {
	h := newHouse(t)
	h.token(nil)
	told, err := h.Revoker.List(t.Context(), acme, Query{User: "alice", LiveOnly: true, Limit: 7, After: Ref{ID: "tok_1", IssuedAt: now}})
	if err != nil || len(told) != 1 || told[0].Subject.Name != "alice" {
		t.Fatalf("%+v, %v", told, err)
	}
	want := Filter{Holder: Holder{User, "usr_1"}, LiveOnly: true, Since: now.Add(-object.MaxTokenLifetime), Limit: 7, After: Ref{ID: "tok_1", IssuedAt: now}}
	if h.filter != want {
		t.Errorf("asked %+v, want %+v", h.filter, want)
	}
	if _, err := h.Revoker.List(t.Context(), acme, Query{User: "alice", Client: "claude", Limit: 7}); !errors.Is(err, ErrQuery) {
		t.Errorf("%v", err)
	}
	if _, err := h.Revoker.List(t.Context(), acme, Query{IdP: "nobody", Limit: 7}); !errors.Is(err, object.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestPartsAreRequired(t *testing.T) {
	h := newHouse(t)
	v := reflect.ValueOf(h.Config)
	for i := range v.NumField() {
		broken, name := h.Config, v.Type().Field(i).Name
		reflect.ValueOf(&broken).Elem().Field(i).SetZero()
		if _, err := New(broken); (err == nil) != (name == "Changed" || name == "Connections") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
