package registration_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// shelf keeps registrations in memory, as a store does.
type shelf struct {
	mu       sync.Mutex
	clients  map[string]registration.Record
	initials map[string]registration.Initial
	events   []audit.Event
	version  int64
	now      func() time.Time
	err      error
	touched  []string
}

var _ registration.Store = (*shelf)(nil)

func (s *shelf) Add(_ context.Context, r registration.Record, most int, initial *registration.Digest, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if initial != nil {
		found := ""
		for id, i := range s.initials {
			if i.Digest == *initial && i.UsesLeft > 0 && s.now().Before(i.ExpiresAt) {
				found = id
			}
		}
		if found == "" {
			return registration.ErrToken
		}
		if len(s.clients) >= most {
			return registration.ErrFull
		}
		i := s.initials[found]
		i.UsesLeft--
		s.initials[found] = i
		r.TokenID = found
	}
	if len(s.clients) >= most {
		return registration.ErrFull
	}
	s.clients[r.ClientID] = r
	s.events = append(s.events, e)
	return nil
}

func (s *shelf) Find(_ context.Context, t tenant.UID, clientID string) (registration.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return registration.Record{}, s.err
	}
	r, ok := s.clients[clientID]
	if !ok || r.Tenant != t {
		return registration.Record{}, registration.ErrUnknown
	}
	return r, nil
}

func (s *shelf) List(_ context.Context, t tenant.UID, after string, limit int) ([]registration.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []registration.Record
	for _, id := range slices.Sorted(maps.Keys(s.clients)) {
		if r := s.clients[id]; r.Tenant == t && id > after && len(all) < limit {
			all = append(all, r)
		}
	}
	return all, nil
}

func (s *shelf) Replace(_ context.Context, r registration.Record, e audit.Event) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[r.ClientID].Revision != r.Revision-1 {
		return 0, registration.ErrMoved
	}
	s.clients[r.ClientID] = r
	s.events = append(s.events, e)
	s.version++
	return s.version, nil
}

func (s *shelf) Remove(_ context.Context, _ tenant.UID, ids []string, unused, _ time.Time, e func([]string) audit.Event) ([]string, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var gone []string
	for _, id := range ids {
		r, ok := s.clients[id]
		if ok && (unused.IsZero() || r.UsedAt.Before(unused)) {
			delete(s.clients, id)
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return nil, 0, nil
	}
	s.events = append(s.events, e(gone))
	s.version++
	return gone, s.version, nil
}

func (s *shelf) Unused(_ context.Context, _ tenant.UID, since time.Time, limit int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for id, r := range s.clients {
		if r.UsedAt.Before(since) && len(all) < limit {
			all = append(all, id)
		}
	}
	return all, nil
}

func (s *shelf) Touch(_ context.Context, _ tenant.UID, clientID string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.clients[clientID]
	r.UsedAt = at
	s.clients[clientID] = r
	s.touched = append(s.touched, clientID)
	return nil
}

func (s *shelf) AddInitial(_ context.Context, i registration.Initial, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initials[i.ID] = i
	s.events = append(s.events, e)
	return nil
}

func (s *shelf) Initials(context.Context, tenant.UID) ([]registration.Initial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.initials)), nil
}

func (s *shelf) RemoveInitial(_ context.Context, _ tenant.UID, id string, _ audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.initials[id]; !ok {
		return registration.ErrUnknown
	}
	delete(s.initials, id)
	return nil
}

func (s *shelf) DropInitials(_ context.Context, _ tenant.UID, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.initials, func(_ string, i registration.Initial) bool { return i.ExpiresAt.Before(before) })
	return nil
}

// lane keeps refusals.
type lane struct{ events []audit.Event }

func (l *lane) Add(e audit.Event, _ string) { l.events = append(l.events, e) }

type budget struct{ left int }

func (b *budget) Take(netip.Prefix) (time.Duration, bool) {
	b.left--
	return time.Minute, b.left >= 0
}

// office is a desk with all that is around it.
type office struct {
	*registration.Desk
	shelf   *shelf
	lane    *lane
	budget  *budget
	tenant  *snapshot.Tenant
	at      time.Time
	changed []string
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{lane: &lane{}, budget: &budget{left: 1000}, at: time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return o.at }
	o.shelf = &shelf{clients: map[string]registration.Record{}, initials: map[string]registration.Initial{}, now: now}
	uid, err := tenant.ParseUID("ten_01JZ8Q0V9V2B7T5D4N3M2K1H0G")
	if err != nil {
		t.Fatal(err)
	}
	o.tenant = &snapshot.Tenant{
		UID: uid, Name: "acme", Issuer: "https://id.acme.com", Version: 7,
		Registration: snapshot.Registration{Dynamic: snapshot.Dynamic{
			Mode: snapshot.DynamicOpen, MaxClients: 10, Lifetime: 90 * 24 * time.Hour, Scopes: []string{"notes:read"}, Resources: []string{"notes"},
			Hosts: []string{"claude.ai", "vscode.dev", "insiders.vscode.dev", "www.cursor.com"},
		}},
	}
	o.Desk, err = registration.New(registration.Config{
		Store: o.shelf, Lane: o.lane, Budget: o.budget, Now: now, Log: slog.New(slog.DiscardHandler),
		Changed: func(_ tenant.UID, _ int64, uids ...string) { o.changed = append(o.changed, uids...) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

type members = map[string]any

// said is what a client says that is fine.
func said() members {
	return members{
		"client_name": "Notes agent", "redirect_uris": []any{"http://127.0.0.1:33418/callback", "https://claude.ai/api/mcp/auth_callback"},
		"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "token_endpoint_auth_method": "none",
	}
}

func with(m members, name string, value any) members {
	m = maps.Clone(m)
	m[name] = value
	return m
}

func without(m members, name string) members {
	m = maps.Clone(m)
	delete(m, name)
	return m
}

func (o *office) request(t *testing.T, m members) registration.Request {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return registration.Request{Tenant: o.tenant, Trace: "trc_1", Remote: "192.0.2.7", Body: body}
}

// come registers, which must succeed.
func (o *office) come(t *testing.T, m members) members {
	t.Helper()
	body, err := o.Register(t.Context(), o.request(t, m))
	return decoded(t, body, err)
}

func decoded(t *testing.T, body []byte, err error) members {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var m members
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func text(t *testing.T, m members, name string) string {
	t.Helper()
	s, _ := m[name].(string)
	if s == "" {
		t.Fatalf("no %s in %v", name, m)
	}
	return s
}

func wantCode(t *testing.T, err error, code oauth.Code) {
	t.Helper()
	refusal, ok := errors.AsType[*oauth.Error](err)
	if !ok || refusal.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// own is a request about a registration, with its credential.
func (o *office) own(t *testing.T, m, made members) registration.Request {
	t.Helper()
	r := o.request(t, m)
	r.ClientID, r.Bearer = text(t, made, "client_id"), text(t, made, "registration_access_token")
	return r
}

func contains(events []audit.Event, kind audit.Type) bool {
	return slices.ContainsFunc(events, func(e audit.Event) bool { return e.Type == kind })
}

func leaks(t *testing.T, o *office, secrets ...string) {
	t.Helper()
	raw, err := json.Marshal(struct{ A, B any }{o.shelf.events, o.lane.events})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(raw), s) {
			t.Errorf("an event holds %q", s)
		}
	}
}
