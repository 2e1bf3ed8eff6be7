package connection_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// A sealed credential opens in its place and nowhere else (T68).
func TestSealIsBound(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	for name, breaks := range map[string]func(*connection.Ref, *connection.Stored){
		"tenant":     func(r *connection.Ref, _ *connection.Stored) { r.Tenant = "ten_2" },
		"connection": func(r *connection.Ref, _ *connection.Stored) { r.ID = connection.NewID(b.clock.now()) },
		"owner":      func(r *connection.Ref, _ *connection.Stored) { r.Owner.UID = "usr_eve" },
		"owner kind": func(r *connection.Ref, _ *connection.Stored) { r.Owner.Kind = connection.Client },
		"provider":   func(r *connection.Ref, _ *connection.Stored) { r.Provider = "prv_other" },
		"version":    func(_ *connection.Ref, s *connection.Stored) { s.Version = 2 },
		"content": func(_ *connection.Ref, s *connection.Stored) {
			s.Blob = append([]byte{}, s.Blob...)
			s.Blob[len(s.Blob)-1] ^= 1
		},
	} {
		ref, s := b.ref, b.first
		breaks(&ref, &s)
		if c, err := connection.Open(t.Context(), b.ring, ref, s); !errors.Is(err, vault.ErrUnopened) || c.Access.Reveal() != "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := connection.Open(t.Context(), b.ring, b.ref, b.first); err != nil || !b.fake.Works(c) {
		t.Errorf("its own: %v", err)
	}
	for name, breaks := range map[string]func(*connection.Ref, *connection.Stored){
		"no tenant":  func(r *connection.Ref, _ *connection.Stored) { r.Tenant = "" },
		"no id":      func(r *connection.Ref, _ *connection.Stored) { r.ID = "" },
		"long owner": func(r *connection.Ref, _ *connection.Stored) { r.Owner.UID = strings.Repeat("u", 257) },
		"no version": func(_ *connection.Ref, s *connection.Stored) { s.Version = 0 },
	} {
		ref, s := b.ref, b.first
		breaks(&ref, &s)
		if _, err := connection.Open(t.Context(), b.ring, ref, s); !errors.Is(err, connection.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// No two places read alike, however their parts are cut.
func TestSealPlacesDiffer(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	ref := connection.Ref{Tenant: "t", ID: "con_1", Owner: connection.Owner{Kind: connection.User, UID: "a,1:b"}, Provider: "c"}
	s, err := connection.Seal(t.Context(), b.ring, ref, 1, b.fake.Connect(), b.clock.now())
	must(t, err)
	ref.Owner.UID, ref.Provider = "a", "b,1:c"
	if _, err := connection.Open(t.Context(), b.ring, ref, connection.Stored{Connection: connection.Connection{Version: 1}, Blob: s.Blob}); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("%v", err)
	}
}

// Somebody with the database exchanges two people's credentials, or puts an older one back: nothing opens, and somebody
// hears of it.
func TestSwappedRows(t *testing.T) {
	for name, breaks := range map[string]func(t *testing.T, b *bench, eve connection.Ref){
		"two people's": func(t *testing.T, b *bench, eve connection.Ref) {
			t.Helper()
			other, err := b.memory.Load(t.Context(), eve.Tenant, eve.ID)
			must(t, err)
			must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) { s.Blob = other.Blob }))
		},
		"an older one": func(t *testing.T, b *bench, _ connection.Ref) {
			t.Helper()
			b.clock.add(time.Hour)
			b.works(t, 2)
			must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) { s.Blob = b.first.Blob }))
		},
		"no blob": func(t *testing.T, b *bench, _ connection.Ref) {
			t.Helper()
			must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) { s.Blob = []byte("gho_plain") }))
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, provider.SingleUse)
			breaks(t, b, connectionOf(t, b, "usr_eve"))
			if _, err := b.fresh(t); !errors.Is(err, vault.ErrUnopened) && !errors.Is(err, vault.ErrMalformed) {
				t.Errorf("%v", err)
			}
			b.alerted(t, connection.AlertUnopened)
			calls := b.fake.Calls()
			b.clock.add(time.Hour)
			if _, err := b.fresh(t); err == nil {
				t.Error("refreshed what does not open")
			}
			b.calls(t, calls)
		})
	}
	// A row that is made another owner's does not open for that one either.
	b := newBench(t, provider.SingleUse)
	eve := b.ref
	eve.Owner.UID = "usr_eve"
	must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) { s.Owner = eve.Owner }))
	if _, err := b.keeper.Fresh(t.Context(), eve, connection.Want{}); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("%v", err)
	}
}

func TestNothingPrints(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	live := b.works(t, 1)
	secret := live.Credential.Access.Reveal()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{live, &live, b.first} {
			if printed := fmt.Sprintf(format, v); strings.Contains(printed, secret) || strings.Contains(printed, live.Credential.Refresh.Reveal()) {
				t.Errorf("%s prints it: %s", format, printed)
			}
		}
	}
}

func TestNewID(t *testing.T) {
	now := time.Now()
	one, two := connection.NewID(now), connection.NewID(now.Add(time.Millisecond))
	if !strings.HasPrefix(one, connection.Prefix) || one >= two || len(one) != 30 {
		t.Errorf("%s %s", one, two)
	}
}

func TestStoredIsWhole(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	must(t, b.first.Validate())
	for name, breaks := range map[string]func(*connection.Stored){
		"no blob":    func(s *connection.Stored) { s.Blob = nil },
		"no key":     func(s *connection.Stored) { s.KeyID = "" },
		"no version": func(s *connection.Stored) { s.Version = 0 },
		"no status":  func(s *connection.Stored) { s.Status = "" },
		"no time":    func(s *connection.Stored) { s.SealedAt = time.Time{} },
		"no owner":   func(s *connection.Stored) { s.Owner.UID = "" },
		"no prefix":  func(s *connection.Stored) { s.ID = "01" },
	} {
		s := b.first
		breaks(&s)
		if err := s.Validate(); !errors.Is(err, connection.ErrIncomplete) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := connection.Seal(t.Context(), connectiontest.Keyring(t, b.clock.now()), connection.Ref{}, 1, b.fake.Connect(), b.clock.now()); err == nil {
		t.Error("sealed for nobody")
	}
}
