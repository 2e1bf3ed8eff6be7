package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// fixed is a keyring of one key.
type fixed struct{}

func (fixed) Derive(string) ([][]byte, error) { return [][]byte{make([]byte, 32)}, nil }

// rack is a database of one family and one session.
type rack struct {
	family  refresh.Family
	session *session.Session
	fail    error
}

func (r *rack) Family(_ context.Context, _ tenant.UID, id string) (refresh.Family, error) {
	if r.fail != nil || id != r.family.ID {
		return refresh.Family{}, errors.Join(refresh.ErrUnknown, r.fail)
	}
	return r.family, nil
}

func (r *rack) Lasts(context.Context, *snapshot.Tenant, [32]byte) (*session.Session, error) {
	return r.session, nil
}

// newRack is a house whose question is about claude's own newest refresh token.
func newRack(t *testing.T, change func(h *house, r *rack, s *setup)) (*house, *rack) {
	t.Helper()
	tokens := must(refresh.NewTokens(fixed{}))
	r := &rack{}
	family := id.New(id.Family, now)
	h := newHouse(t, own(nil))
	uid := h.request.Tenant.UID
	r.family = refresh.Family{
		Family: ledger.Family{
			ID: family, Tenant: uid, Origin: "code", UserUID: h.uids["alice"], ClientUID: h.uids["claude"], IdPUID: h.uids["okta"], Issuer: "https://acme.okta.com", Session: [32]byte{1},
			Resources: []ledger.FamilyResource{{UID: h.uids["notes"], URI: notes, Scopes: []string{"notes:read"}}}, Identity: []string{"openid"},
		},
		Generation: 3, BeganAt: now.Add(-2 * time.Hour), RotatedAt: now.Add(-time.Hour), IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour * 2), Now: now,
	}
	r.session = &session.Session{Tenant: uid, UserUID: h.uids["alice"]}
	h.Endpoints.Refresh = &Refresh{Tokens: tokens, Families: r, Sessions: r, Limits: refresh.Limits{Grace: 10 * time.Second, Idle: 24 * time.Hour, Absolute: 48 * time.Hour}}
	s := &setup{basic: "claude"}
	s.form = map[string][]string{"token": {must(tokens.Issue(uid, family, 3)).Reveal()}}
	if change != nil {
		change(h, r, s)
	}
	h.request.Form = must(oauth.ParseForm([]byte(s.form.Encode())))
	h.request.Authorization = nil
	if s.basic != "" {
		h.request.Authorization = []string{basicOf(s.basic, snapshottest.Secret)}
	}
	return h, r
}

func TestIntrospectRefresh(t *testing.T) {
	h, r := newRack(t, nil)
	body, err := h.Introspect(t.Context(), h.request)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"active": true, "iss": issuer, "sub": h.uids["alice"], "client_id": "claude", "scope": "notes:read openid",
		"iat": float64(r.family.RotatedAt.Unix()), "exp": float64(r.family.IdleUntil.Unix()),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if strings.Contains(string(body), r.family.ID) {
		t.Error("the family's name is told")
	}
}

func TestRefreshIsNotActive(t *testing.T) {
	for name, change := range map[string]func(h *house, r *rack, s *setup){
		"another client's":   func(_ *house, _ *rack, s *setup) { s.basic = "other" },
		"the resource's":     func(_ *house, _ *rack, s *setup) { s.basic = "notes-server" },
		"replaced":           func(_ *house, r *rack, _ *setup) { r.family.Generation = 4 },
		"of no generation":   func(_ *house, r *rack, _ *setup) { r.family.Generation = 2 },
		"ended":              func(_ *house, r *rack, _ *setup) { r.family.End = &refresh.End{Why: "client"} },
		"idle":               func(_ *house, r *rack, _ *setup) { r.family.IdleUntil = now },
		"over":               func(_ *house, r *rack, _ *setup) { r.family.ExpiresAt = now },
		"over by new limits": func(h *house, _ *rack, _ *setup) { h.Endpoints.Refresh.Limits.Absolute = time.Hour },
		"gone":               func(_ *house, r *rack, _ *setup) { r.family.ID = id.New(id.Family, now) },
		"nobody's session":   func(_ *house, r *rack, _ *setup) { r.session = nil },
		"another's session":  func(_ *house, r *rack, _ *setup) { r.session.UserUID = "usr_other" },
		"no user":            func(_ *house, r *rack, _ *setup) { r.family.UserUID = "usr_gone"; r.session.UserUID = "usr_gone" },
		"an IdP elsewhere":   func(_ *house, r *rack, _ *setup) { r.family.Issuer = "https://elsewhere.okta.com" },
		"no IdP":             func(_ *house, r *rack, _ *setup) { r.family.IdPUID = "idp_gone" },
		"changed": func(_ *house, _ *rack, s *setup) {
			text := []byte(s.form.Get("token"))
			text[10] ^= 1
			s.form.Set("token", string(text))
		},
		"not served": func(h *house, _ *rack, _ *setup) { h.Endpoints.Refresh = nil },
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := newRack(t, change)
			body, err := h.Introspect(t.Context(), h.request)
			if err != nil || string(body) != Inactive {
				t.Errorf("%s, %v", body, err)
			}
		})
	}
	t.Run("offline, no session", func(t *testing.T) {
		h, _ := newRack(t, func(_ *house, r *rack, _ *setup) { r.session, r.family.Offline = nil, true })
		if body, err := h.Introspect(t.Context(), h.request); err != nil || string(body) == Inactive {
			t.Errorf("%s, %v", body, err)
		}
	})
	t.Run("not known", func(t *testing.T) {
		h, _ := newRack(t, func(_ *house, r *rack, _ *setup) { r.family.ID, r.fail = "", errors.New("no database") })
		h.Endpoints.Refresh.Families = failing{}
		if _, err := h.Introspect(t.Context(), h.request); oauth.AsError(err).Code != oauth.CodeTenantUnavailable {
			t.Errorf("%v", err)
		}
	})
}

type failing struct{}

func (failing) Family(context.Context, tenant.UID, string) (refresh.Family, error) {
	return refresh.Family{}, errors.New("no database")
}

func TestRevokeRefresh(t *testing.T) {
	for name, generation := range map[string]int64{"newest": 3, "replaced": 9} {
		h, r := newRack(t, func(_ *house, r *rack, _ *setup) { r.family.Generation = generation })
		if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries) != 1 {
			t.Fatalf("%s: %v, %d entries", name, err, len(h.entries))
		}
		e := h.entries[0]
		if e.Ending == nil || *e.Ending != (ledger.Ending{Origin: "code", Why: ledger.EndedByClient}) || e.Event.Type != audit.TypeFamilyEnded ||
			e.Event.OnBehalf != h.uids["alice"] || e.Event.Detail["refresh_family"] != r.family.ID || len(e.Pictures) == 0 {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for name, change := range map[string]func(h *house, r *rack, s *setup){
		"another client's": func(_ *house, _ *rack, s *setup) { s.basic = "other" },
		"ended":            func(_ *house, r *rack, _ *setup) { r.family.End = &refresh.End{Why: "client"} },
		"gone":             func(_ *house, r *rack, _ *setup) { r.family.ID = id.New(id.Family, now) },
		"no token of ours": func(_ *house, _ *rack, s *setup) { s.form.Set("token", "rft_x") },
	} {
		h, _ := newRack(t, change)
		if err := h.Revoke(t.Context(), h.request); err != nil || len(h.entries)+len(h.lane) != 0 {
			t.Errorf("%s: %v, %d entries", name, err, len(h.entries))
		}
	}
}
