package keys

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/keyring"
)

const secretPurpose = "chancery test v1: one"

// secretShelf keeps versions in memory, as the database does.
type secretShelf struct {
	mu     sync.Mutex
	rows   []SecretRow
	events []audit.Event
}

func (s *secretShelf) InstallationSecrets(context.Context) ([]SecretRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rows), nil
}

func (s *secretShelf) AddInstallationSecret(_ context.Context, row SecretRow, made audit.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.rows, func(r SecretRow) bool { return r.Version == row.Version }) {
		return ErrConflict
	}
	s.rows, s.events = append(s.rows, row), append(s.events, made)
	return nil
}

type secretHouse struct {
	shelf  *secretShelf
	sealer *keyring.Keyring
	now    time.Time
}

func newSecretHouse(t *testing.T) *secretHouse {
	t.Helper()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	sealer, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), now)
	if err != nil {
		t.Fatal(err)
	}
	return &secretHouse{shelf: &secretShelf{}, sealer: sealer, now: now}
}

func (h *secretHouse) load(t *testing.T) *InstallationSecret {
	t.Helper()
	s, err := LoadInstallationSecret(t.Context(), h.shelf, h.sealer, func() time.Time { return h.now }, audit.Event{Type: audit.TypeInstallationSecretMade})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func derived(t *testing.T, s *InstallationSecret) [][]byte {
	t.Helper()
	keys, err := s.Derive(secretPurpose)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Fifty first starts make one secret, and all derive the same keys.
func TestInstallationSecretIsMadeOnce(t *testing.T) {
	h := newSecretHouse(t)
	all := make([][][]byte, 50)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i] = derived(t, h.load(t)) })
	}
	wg.Wait()
	if len(h.shelf.rows) != 1 || len(h.shelf.events) != 1 || h.shelf.events[0].Detail["version"] != "1" {
		t.Fatalf("%d secrets, events %v", len(h.shelf.rows), h.shelf.events)
	}
	for _, keys := range all {
		if len(keys) != 1 || len(keys[0]) != 32 || !bytes.Equal(keys[0], all[0][0]) {
			t.Fatal("two replicas derive two keys")
		}
	}
	if other, err := h.load(t).Derive("chancery test v1: two"); err != nil || bytes.Equal(other[0], all[0][0]) {
		t.Errorf("two purposes have one key: %v", err)
	}
	if _, err := h.load(t).Derive("x"); err == nil {
		t.Error("a key without a purpose")
	}
}

// A version is recognised at once, and made with when its hour has come.
func TestInstallationSecretVersions(t *testing.T) {
	h := newSecretHouse(t)
	old := derived(t, h.load(t))[0]
	if err := AddInstallationSecret(t.Context(), h.shelf, h.sealer, h.now, h.now.Add(time.Hour), audit.Event{}); err != nil {
		t.Fatal(err)
	}
	s := h.load(t)
	before := derived(t, s)
	if len(before) != 2 || !bytes.Equal(before[0], old) || bytes.Equal(before[1], old) {
		t.Fatal("the new version is made with before its hour, or not recognised")
	}
	h.now = h.now.Add(time.Hour)
	if after := derived(t, s); len(after) != 2 || !bytes.Equal(after[0], before[1]) || !bytes.Equal(after[1], old) {
		t.Fatal("the new version is not made with at its hour, or the old one not recognised")
	}
	h.now = h.now.Add(-48 * time.Hour) // a clock that went back: there is nothing to make with
	if _, err := s.Derive(secretPurpose); err == nil {
		t.Error("made with a secret whose hour has not come")
	}
}

// A secret that does not open stops the start, and no other is made in its place.
func TestInstallationSecretThatDoesNotOpen(t *testing.T) {
	for name, spoil := range map[string]func(*secretHouse, *SecretRow){
		"another keyring": func(h *secretHouse, _ *SecretRow) { h.sealer = newSecretHouse(t).sealer },
		"another version": func(_ *secretHouse, r *SecretRow) { r.Version = 2 },
		"altered":         func(_ *secretHouse, r *SecretRow) { r.Sealed[len(r.Sealed)-1] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			h := newSecretHouse(t)
			h.load(t)
			spoil(h, &h.shelf.rows[0])
			_, err := LoadInstallationSecret(t.Context(), h.shelf, h.sealer, func() time.Time { return h.now }, audit.Event{})
			if !errors.Is(err, vault.ErrUnopened) || len(h.shelf.rows) != 1 {
				t.Fatalf("%v, %d secrets", err, len(h.shelf.rows))
			}
		})
	}
}

// away is a sealer whose keys cannot be asked.
type away struct{ vault.Sealer }

func (away) Seal(context.Context, []byte, vault.AAD) ([]byte, error) {
	return nil, vault.ErrUnavailable
}

func (away) Open(context.Context, []byte, vault.AAD) ([]byte, error) {
	return nil, vault.ErrUnavailable
}

func TestInstallationSecretWithoutItsKeys(t *testing.T) {
	h := newSecretHouse(t)
	now := func() time.Time { return h.now }
	if _, err := LoadInstallationSecret(t.Context(), h.shelf, away{}, now, audit.Event{}); !errors.Is(err, vault.ErrUnavailable) || len(h.shelf.rows) != 0 {
		t.Errorf("%v", err)
	}
	h.load(t)
	if _, err := LoadInstallationSecret(t.Context(), h.shelf, away{}, now, audit.Event{}); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := LoadInstallationSecret(t.Context(), nil, h.sealer, now, audit.Event{}); err == nil {
		t.Error("without a store")
	}
}

// Keys that are open stay while those that seal are away, a rewrapped one too; what is new does not open, and what is broken is
// told from what is away.
func TestOpenedKeys(t *testing.T) {
	h := newSecretHouse(t)
	p, err := generate(ES256)
	if err != nil {
		t.Fatal(err)
	}
	at := place("ten_1", p.id)
	sealed, err := p.seal(t.Context(), h.sealer, at)
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.seal(t.Context(), h.sealer, at)
	if err != nil {
		t.Fatal(err)
	}
	var o opened
	if _, err := o.open(t.Context(), away{}, at, ES256, sealed); !errors.Is(err, vault.ErrUnavailable) {
		t.Fatalf("before it was opened: %v", err)
	}
	if _, err := o.open(t.Context(), h.sealer, at, ES256, sealed); err != nil {
		t.Fatal(err)
	}
	for name, blob := range map[string][]byte{"as it was": sealed, "rewrapped": again} {
		if got, err := o.open(t.Context(), away{}, at, ES256, blob); err != nil || got.id != p.id {
			t.Errorf("%s: %v", name, err)
		}
	}
	again[len(again)-1] ^= 1
	if _, err := o.open(t.Context(), h.sealer, at, ES256, again); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("an altered row opens: %v", err)
	}
	if _, err := o.open(t.Context(), away{}, place("ten_2", p.id), ES256, sealed); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("another tenant's: %v", err)
	}
	o.only(nil)
	if _, err := o.open(t.Context(), away{}, at, ES256, sealed); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("a key that is gone is still known: %v", err)
	}
}
