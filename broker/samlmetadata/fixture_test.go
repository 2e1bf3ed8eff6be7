package samlmetadata_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
)

var (
	noon  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	one   = tenant.MustParseUID("ten_1")
	admin = audit.Principal{Kind: "token", Name: "admin"}
)

const address = "https://idp.test/metadata"

// shelf is a database in memory.
type shelf struct {
	mu     sync.Mutex
	now    func() time.Time
	rows   map[string]samlmetadata.Row
	events []audit.Event
	raised int
}

func (s *shelf) key(t tenant.UID, idp string) string { return t.String() + "/" + idp }

func (s *shelf) Metadata(_ context.Context, t tenant.UID, idp string) (samlmetadata.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, found := s.rows[s.key(t, idp)]
	if !found {
		return samlmetadata.Row{}, samlmetadata.ErrNone
	}
	return row, nil
}

func (s *shelf) ListMetadata(context.Context, tenant.UID) ([]samlmetadata.Row, error) {
	return nil, nil
}

func (s *shelf) ClaimMetadata(_ context.Context, t tenant.UID, idp, url string, hold time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, found := s.rows[s.key(t, idp)]
	if !found {
		row = samlmetadata.Row{IdPUID: idp, Source: url, DueAt: s.now()}
	}
	if row.Source != url || row.DueAt.After(s.now()) {
		return false, nil
	}
	row.DueAt = s.now().Add(hold)
	s.rows[s.key(t, idp)] = row
	return true, nil
}

func (s *shelf) NoteMetadata(_ context.Context, t tenant.UID, row samlmetadata.Row) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.rows[s.key(t, row.IdPUID)]
	kept.CheckedAt, kept.DueAt, kept.Failure = row.CheckedAt, row.DueAt, row.Failure
	s.rows[s.key(t, row.IdPUID)] = kept
	return nil
}

func (s *shelf) ChangeMetadata(_ context.Context, c samlmetadata.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, found := s.rows[s.key(c.Tenant, c.Row.IdPUID)]
	if before := (samlmetadata.Mark{Source: row.Source, Digest: row.Digest, PendingDigest: row.PendingDigest}); !found || before != c.Before {
		return samlmetadata.ErrConflict
	}
	if len(c.Events) == 0 {
		return errors.New("no event tells of it")
	}
	if c.Raise {
		s.raised++
	}
	s.events = append(s.events, c.Events...)
	if c.Delete {
		delete(s.rows, s.key(c.Tenant, c.Row.IdPUID))
		return nil
	}
	s.rows[s.key(c.Tenant, c.Row.IdPUID)] = c.Row
	return nil
}

// world is one IdP at its address, one entry, and any number of replicas.
type world struct {
	*shelf
	at    time.Time
	idp   *samltest.IdP
	says  []byte // at the address; nil: it does not answer
	asked int
	entry samlmetadata.Entry
	log   bytes.Buffer
	of    *samlmetadata.Keeper
}

// Get implements saml.Getter.
func (w *world) Get(_ context.Context, rawURL string, _ fetch.Network, _ fetch.Limit) (fetch.Response, error) {
	w.asked++
	if w.says == nil || rawURL != w.entry.URL {
		return fetch.Response{}, &fetch.Error{Kind: fetch.ErrTransport, Host: "idp.test"}
	}
	return fetch.Response{Status: 200, Body: w.says}, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{at: noon, idp: samltest.New(func() time.Time { return noon })}
	w.shelf = &shelf{now: w.now, rows: map[string]samlmetadata.Row{}}
	w.says = w.idp.Metadata()
	w.entry = samlmetadata.Entry{Tenant: one, TenantName: "default", IdPUID: "idp_1", Name: "corp", URL: address}
	w.of = w.replica(t)
	return w
}

func (w *world) now() time.Time { return w.at }

func (w *world) replica(t *testing.T) *samlmetadata.Keeper {
	t.Helper()
	k, err := samlmetadata.New(samlmetadata.Config{
		Store: w.shelf, Fetch: w, Now: w.now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Entries: func(context.Context) ([]samlmetadata.Entry, error) { return []samlmetadata.Entry{w.entry}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) tick(t *testing.T) samlmetadata.State {
	t.Helper()
	if err := w.of.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := w.of.State(t.Context(), one, "idp_1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// day lets one go by.
func (w *world) day(t *testing.T) samlmetadata.State {
	t.Helper()
	w.at = w.at.Add(samlmetadata.Every + time.Minute)
	return w.tick(t)
}

func (w *world) types() []audit.Type {
	var list []audit.Type
	for _, e := range w.events {
		list = append(list, e.Type)
	}
	return list
}

func (w *world) document(t *testing.T) []byte {
	t.Helper()
	raw, found, err := w.of.Document(t.Context(), one, "idp_1", w.entry.URL, w.entry.Signers)
	if err != nil || found != (raw != nil) {
		t.Fatal(found, err)
	}
	return raw
}

func certificate(number int) *x509.Certificate {
	return samltest.Certificate(samltest.RSAKey(number), noon.Add(-time.Hour), noon.AddDate(2, 0, number))
}

func wantTypes(t *testing.T, w *world, types ...audit.Type) {
	t.Helper()
	if got := w.types(); !slices.Equal(got, types) {
		t.Errorf("events %v, want %v", got, types)
	}
}

// publish makes the IdP list these certificates and no other.
func (w *world) publish(certificates ...*x509.Certificate) {
	idp := *w.idp
	idp.Certificate = certificates[0]
	w.says = idp.Metadata(certificates[1:]...)
}
