package device_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const issuer = "https://auth.acme.com"

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const objects = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {}, "notes:write": {}}, default_scopes: ["notes:read"]}
`

// shelf is a device.Store in memory.
type shelf struct {
	mu     sync.Mutex
	rows   map[device.Handle]device.Authorization
	events []audit.Event
	fail   error
	taken  int // how many codes are taken before one is free
}

func (s *shelf) Begin(_ context.Context, _ tenant.UID, a device.Authorization, _ int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken > 0 {
		s.taken--
		return device.ErrTaken
	}
	if s.fail == nil {
		s.rows[a.Handle] = a
	}
	return s.fail
}

func (s *shelf) ByCode(_ context.Context, _ tenant.UID, codes [][sha256.Size]byte, now time.Time) (device.Authorization, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.rows {
		if slices.Contains(codes, a.UserCode) && a.State == device.Waiting && a.Alive(now) {
			return a, s.fail
		}
	}
	return device.Authorization{}, errors.Join(device.ErrUnknown, s.fail)
}

func (s *shelf) Answer(_ context.Context, _ tenant.UID, h device.Handle, to device.State, x device.Answer, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.rows[h]
	if !ok || a.State != device.Waiting || !a.Alive(x.At) {
		return device.ErrUnknown
	}
	a.State, a.Answer = to, x
	s.rows[h], s.events = a, append(s.events, e)
	return s.fail
}

func (s *shelf) Ask(_ context.Context, _ tenant.UID, h device.Handle, now time.Time, p *device.Pace) (device.Asked, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.rows[h]
	if !ok {
		return device.Asked{}, device.ErrUnknown
	}
	asked := device.Asked{Authorization: a}
	if p != nil && a.State == device.Waiting {
		asked.Early, asked.Wait = p.Next(a, now)
		asked.AskedAt = now
		s.rows[h] = asked.Authorization
	}
	return asked, s.fail
}

// ring derives keys, the newest first.
type ring [][]byte

func (r *ring) Derive(purpose string) ([][]byte, error) {
	all := make([][]byte, len(*r))
	for i, key := range *r {
		all[i] = append(bytes.Clone(key), purpose...)
	}
	return all, nil
}

// clients is a registry of one.
type clients struct {
	client *client.Client
	fail   error
}

func (c *clients) Lookup(_ context.Context, _ tenant.UID, clientID string) (*client.Client, error) {
	if c.fail != nil {
		return nil, c.fail
	}
	if c.client == nil || c.client.ClientID != clientID {
		return nil, client.ErrUnknown
	}
	return c.client, nil
}

func (c *clients) Named(context.Context, tenant.UID, string) (*client.Client, error) {
	return nil, client.ErrUnknown
}

type house struct {
	*device.Authorizations
	shelf   *shelf
	keys    *ring
	clients *clients
	tenant  *snapshot.Tenant
	now     time.Time
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{shelf: &shelf{rows: map[device.Handle]device.Authorization{}}, keys: &ring{[]byte("first")}, now: noon}
	clock := func() time.Time { return h.now }
	_, source := snapshottest.New(t, issuer, clock, objects)
	var err error
	if h.tenant, err = source.Get(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	h.clients = &clients{client: &client.Client{
		UID: "cli_1", Name: "tv", ClientID: "tv", Type: client.Public, GrantTypes: []string{oauth.GrantTypeDeviceCode},
		Scopes: []string{"notes:read", "notes:write"}, Resources: []string{"notes"},
	}}
	if h.Authorizations, err = device.New(h.shelf, h.keys, clock); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) begin(t *testing.T) device.Begun {
	t.Helper()
	begun, err := h.Begin(t.Context(), h.tenant.UID, device.Beginning{
		ClientUID: "cli_1", ClientID: "tv", Parameters: "client_id=tv&nonce=n1&scope=notes%3Aread+notes%3Awrite+openid", Thumbprint: "",
	})
	if err != nil {
		t.Fatal(err)
	}
	return begun
}

// by is a person who is signed in; each session is another handle.
func (h *house) by(handle byte) device.By {
	return device.By{
		Session: session.Session{Handle: [32]byte{handle}, Tenant: h.tenant.UID, UserUID: "usr_1", IdPUID: "idp_1"}, Remote: "192.0.2.1", Trace: "trc_1",
	}
}

func (h *house) granted(by device.By) code.Grant {
	return code.Grant{
		ClientUID: "cli_1", UserUID: by.Session.UserUID, IdPUID: by.Session.IdPUID, Session: by.Session.Handle,
		Resources: []code.Resource{{UID: "res_1", URI: "https://mcp.acme.com/notes", Scopes: []string{"notes:read"}}}, DecisionID: "dec_1",
	}
}

func refused(t *testing.T, err error, want oauth.Code) {
	t.Helper()
	if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
