package vault_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/keyring"
)

var rewrapPlace = vault.AAD{Tenant: "ten_1", Table: "connections", UID: "con_1", Column: "credential"}

func ringOf(t *testing.T) *keyring.Keyring {
	t.Helper()
	k, err := keyring.Create(filepath.Join(t.TempDir(), "keyring"), time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t *testing.T, s vault.Sealer, place vault.AAD) []byte {
	t.Helper()
	blob, err := s.Seal(t.Context(), []byte("a secret"), place)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestReseal(t *testing.T) {
	ring := ringOf(t)
	good, other := sealed(t, ring, rewrapPlace), rewrapPlace
	other.UID = "con_2"
	newest, err := ring.Rotate(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	done, err := vault.Reseal(t.Context(), ring, []vault.Stood{{Blob: good, Place: other}, {Blob: []byte("nothing"), Place: rewrapPlace}, {Blob: good, Place: rewrapPlace}})
	if err != nil || !errors.Is(done[0].Err, vault.ErrUnopened) || !errors.Is(done[1].Err, vault.ErrMalformed) || done[2].Err != nil {
		t.Fatalf("%v %+v", err, done)
	}
	if b, err := vault.Parse(done[2].Blob); err != nil || b.KeyID != newest.ID {
		t.Errorf("%v %v", b.KeyID, err)
	}
	if opened, err := ring.Open(t.Context(), done[2].Blob, rewrapPlace); err != nil || string(opened) != "a secret" {
		t.Errorf("%q %v", opened, err)
	}
	if id, err := vault.NewestKey(t.Context(), ring); err != nil || id != newest.ID {
		t.Errorf("%q %v", id, err)
	}
	if _, err := vault.Reseal(t.Context(), unavailable{}, []vault.Stood{{Blob: good, Place: rewrapPlace}}); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

type unavailable struct{}

func (unavailable) Seal(context.Context, []byte, vault.AAD) ([]byte, error) {
	return nil, vault.ErrUnavailable
}

func (unavailable) Open(context.Context, []byte, vault.AAD) ([]byte, error) {
	return nil, vault.ErrUnavailable
}

// A blob begins with the prefix of its key, and with no other's, one whose name begins alike among them.
func TestPrefix(t *testing.T) {
	blob, err := vault.Blob{Scheme: vault.WrappedKey, KeyID: "transit:v1", Body: []byte{7}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scheme vault.Scheme
		id     string
		is     bool
	}{{vault.WrappedKey, "transit:v1", true}, {vault.WrappedKey, "transit:v", false}, {vault.WrappedKey, "transit:v10", false}, {vault.XAES256GCM, "transit:v1", false}} {
		prefix, err := vault.Prefix(c.scheme, c.id)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(blob) >= len(prefix) && string(blob[:len(prefix)]) == string(prefix); got != c.is {
			t.Errorf("%s: %t", c.id, got)
		}
	}
	if _, err := vault.Prefix(vault.WrappedKey, ""); err == nil {
		t.Error("a prefix of no key")
	}
}

// What one keyring sealed opens beside what another seals, and both move to the newest.
func TestEither(t *testing.T) {
	ring := ringOf(t)
	e := vault.Either{Seals: ring, Opens: map[vault.Scheme]vault.Sealer{vault.XAES256GCM: ring}}
	blob := sealed(t, e, rewrapPlace)
	if opened, err := e.Open(t.Context(), blob, rewrapPlace); err != nil || string(opened) != "a secret" {
		t.Fatalf("%q %v", opened, err)
	}
	foreign, err := vault.Blob{Scheme: vault.WrappedKey, KeyID: "transit:v1", Body: []byte("body")}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Open(t.Context(), foreign, rewrapPlace); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("a scheme that nobody opens: %v", err)
	}
	done, err := e.Rewrap(t.Context(), []vault.Stood{{Blob: foreign, Place: rewrapPlace}, {Blob: blob, Place: rewrapPlace}, {Blob: nil, Place: rewrapPlace}})
	if err != nil || done[0].Err == nil || done[1].Err != nil || done[2].Err == nil {
		t.Errorf("%v %+v", err, done)
	}
}
