package capture_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// table is the store of all replicas, in memory.
type table struct {
	mu     sync.Mutex
	rows   map[string]*row // by IdP
	events []audit.Type

	looks atomic.Int32 // how often it was asked what is armed
}

// asked waits until somebody has asked what is armed a second time.
func (s *table) asked() {
	for s.looks.Load() < 2 {
		runtime.Gosched()
	}
}

type row struct {
	arm    capture.Arm
	sealed []byte
}

func (s *table) Armed(context.Context) ([]capture.Arm, error) {
	s.looks.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	var armed []capture.Arm
	for _, r := range s.rows {
		if r.sealed == nil {
			armed = append(armed, r.arm)
		}
	}
	return armed, nil
}

func (s *table) Arm(_ context.Context, a capture.Arm, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[a.IdP], s.events = &row{arm: a}, append(s.events, e.Type)
	return nil
}

func (s *table) Record(_ context.Context, a capture.Arm, sealed []byte, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[a.IdP]
	if r == nil || r.arm.ID != a.ID || r.sealed != nil {
		return capture.ErrGone
	}
	r.sealed, s.events = sealed, append(s.events, e.Type)
	return nil
}

func (s *table) Find(_ context.Context, _ tenant.UID, idp, id string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[idp]; r != nil && r.arm.ID == id {
		return r.sealed, nil
	}
	return nil, capture.ErrGone
}

func (s *table) End(_ context.Context, _ tenant.UID, idp, id string, e audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[idp]; r == nil || r.arm.ID != id {
		return capture.ErrGone
	}
	delete(s.rows, idp)
	s.events = append(s.events, e.Type)
	return nil
}

var acme = tenant.MustParseUID("ten_01JACME0000000000000000000")

type scene struct {
	*testing.T
	store *table
	watch *capture.Watch
	idp   *idptest.IdP
	now   time.Time
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{T: t, store: &table{rows: map[string]*row{}}, now: time.Now()}
	sealer, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), s.now)
	if err != nil {
		t.Fatal(err)
	}
	if s.watch, err = capture.New(capture.Config{Store: s.store, Sealer: sealer, Now: func() time.Time { return s.now }, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	if s.idp, err = idptest.New(idptest.Options{Issuer: "https://idp.test", Clients: []idptest.Client{{ID: "agent"}}, Audiences: []idptest.Audience{{Issuer: "https://auth.test"}}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *scene) arm() capture.Arm {
	s.Helper()
	arm, err := s.watch.Arm(s.Context(), acme, "idp_1", "okta", s.idp.Issuer(), time.Minute, audit.Principal{Kind: "token", Name: "admin"}, "trc_1")
	if err != nil {
		s.Fatal(err)
	}
	return arm
}

func (s *scene) offer(options ...idptest.Option) string {
	s.Helper()
	compact, err := s.idp.IDJAG("alice", options...)
	if err != nil {
		s.Fatal(err)
	}
	s.watch.Offer(grant.Sighting{
		Tenant: &snapshot.Tenant{UID: acme, Name: "acme"}, At: s.now, Trace: "trc_2", Assertion: compact, Client: "agent", Code: "aud_not_us",
		Checks: []audit.Check{{Name: "signature", OK: true}, {Name: "aud", Received: "x", Expected: "y"}},
	})
	return compact
}

// settle ends the writes that nobody waits for.
func (s *scene) settle() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	s.watch.Run(ctx, nil)
}

func (s *scene) take(arm capture.Arm) (*capture.Seen, error) {
	return s.watch.Take(s.Context(), acme, "idp_1", "okta", arm.ID, audit.Principal{Kind: "token", Name: "admin"}, "trc_3")
}

func TestTheFirstIsShownOnce(t *testing.T) {
	s := newScene(t)
	arm := s.arm()
	if seen, err := s.take(arm); seen != nil || err != nil {
		t.Fatalf("before it came: %v %v", seen, err)
	}
	compact := s.offer(idptest.WithClaim("note", "first"))
	s.offer(idptest.WithClaim("note", "second"))
	s.settle()
	for idp, r := range s.store.rows {
		if strings.Contains(string(r.sealed), "alice") {
			t.Errorf("%s: the claims rest in the clear", idp)
		}
	}
	seen, err := s.take(arm)
	if err != nil || seen == nil {
		t.Fatal(err)
	}
	if seen.Claims["note"] != "first" || seen.Granted || seen.Code != "aud_not_us" || !seen.Verified || len(seen.Rows) != 2 || seen.Rows[1].Change == "" || seen.Client != "agent" {
		t.Errorf("%+v", seen)
	}
	text, err := json.Marshal(seen)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(compact, ".") {
		if strings.Contains(string(text), part) {
			t.Errorf("part %d of the compact form is shown", i)
		}
	}
	if _, err := s.take(arm); !errors.Is(err, capture.ErrGone) {
		t.Errorf("the second reading: %v", err)
	}
	want := []audit.Type{audit.TypeCaptureArmed, audit.TypeCaptureRecorded, audit.TypeCaptureRead}
	if len(s.store.events) != len(want) {
		t.Errorf("events %v, want %v", s.store.events, want)
	}
}

// A database that hangs while a replica looks what is armed holds up no request.
func TestOfferNeverWaits(t *testing.T) {
	s := newScene(t)
	arm := s.arm()
	s.store.mu.Lock()
	refreshed := make(chan error)
	go func() { refreshed <- s.watch.Refresh(s.Context()) }()
	s.store.asked()
	offered := make(chan struct{})
	go func() { s.offer(); close(offered) }()
	select {
	case <-offered:
	case <-time.After(5 * time.Second):
		t.Error("it waited for the database")
	}
	s.store.mu.Unlock()
	if err := <-refreshed; err != nil {
		t.Fatal(err)
	}
	<-offered
	s.settle()
	if seen, err := s.take(arm); err != nil || seen == nil {
		t.Errorf("%v %v", seen, err)
	}
}

// What is not exactly the issuer's, or comes too late, or after the wait was ended, is not kept.
func TestWhatIsNotKept(t *testing.T) {
	for name, do := range map[string]func(*scene, capture.Arm){
		"another issuer": func(s *scene, _ capture.Arm) { s.offer(idptest.WithClaim("iss", s.idp.Issuer()+"/")) },
		"another case":   func(s *scene, _ capture.Arm) { s.offer(idptest.WithClaim("iss", "https://IDP.test")) },
		"no issuer":      func(s *scene, _ capture.Arm) { s.offer(idptest.WithoutClaim("iss")) },
		"no assertion": func(s *scene, _ capture.Arm) {
			s.watch.Offer(grant.Sighting{Tenant: &snapshot.Tenant{UID: acme}, Assertion: "x.y.z"})
		},
		"too late": func(s *scene, _ capture.Arm) { s.now = s.now.Add(time.Hour); s.offer() },
		"another tenant": func(s *scene, _ capture.Arm) {
			s.watch.Offer(grant.Sighting{Tenant: &snapshot.Tenant{UID: tenant.MustParseUID("ten_01JOTHER000000000000000000")}, Assertion: s.jag()})
		},
		"after the end": func(s *scene, arm capture.Arm) { s.end(arm); s.offer() },
		"two issuers": func(s *scene, _ capture.Arm) {
			s.watch.Offer(grant.Sighting{Tenant: &snapshot.Tenant{UID: acme}, Assertion: twice})
		},
		"larger than any": func(s *scene, _ capture.Arm) {
			s.watch.Offer(grant.Sighting{Tenant: &snapshot.Tenant{UID: acme}, Assertion: s.jag() + strings.Repeat("A", 1<<15)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			arm := s.arm()
			do(s, arm)
			s.settle()
			for _, kind := range s.store.events {
				if kind == audit.TypeCaptureRecorded {
					t.Error("it was kept")
				}
			}
		})
	}
}

// twice is {"iss":"https://idp.test","iss":"https://idp.test"} between two dots: two readers could see two issuers.
const twice = "e30.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0IiwiaXNzIjoiaHR0cHM6Ly9pZHAudGVzdCJ9.AA"

func (s *scene) jag() string {
	s.Helper()
	compact, err := s.idp.IDJAG("alice")
	if err != nil {
		s.Fatal(err)
	}
	return compact
}

func (s *scene) end(arm capture.Arm) {
	s.Helper()
	if err := s.watch.Disarm(s.Context(), acme, "idp_1", "okta", arm.ID, audit.Principal{}, "trc_4"); err != nil {
		s.Fatal(err)
	}
}

func TestBounds(t *testing.T) {
	s := newScene(t)
	if _, err := s.watch.Arm(t.Context(), acme, "idp_1", "okta", s.idp.Issuer(), 2*time.Hour, audit.Principal{}, ""); !errors.Is(err, capture.ErrTooLong) {
		t.Error(err)
	}
	if _, err := capture.New(capture.Config{}); err == nil {
		t.Error("an incomplete watch was made")
	}
}

// Nobody waits: an offer allocates nothing.
func TestNobodyWaits(t *testing.T) {
	s := newScene(t)
	sighting := grant.Sighting{Tenant: &snapshot.Tenant{UID: acme}, Assertion: s.jag()}
	if n := testing.AllocsPerRun(100, func() { s.watch.Offer(sighting) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
