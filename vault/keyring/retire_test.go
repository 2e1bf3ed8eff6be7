package keyring

import (
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

func TestRetire(t *testing.T) {
	k, path := create(t)
	old := k.Keys()[0]
	blob := seal(t, k)
	if err := k.Retire(old.ID); !errors.Is(err, ErrPrimary) {
		t.Fatalf("the key that seals is gone: %v", err)
	}
	if at := k.Sealed(old.ID); !at.IsZero() {
		t.Errorf("it seals, and did until %s", at)
	}
	fresh, err := k.Rotate(now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if at := k.Sealed(old.ID); !at.Equal(fresh.CreatedAt) {
		t.Errorf("it sealed until %s", at)
	}
	if err := k.Retire("krk_0000000000000000"); !errors.Is(err, ErrUnknown) {
		t.Errorf("%v", err)
	}
	other, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Retire(old.ID); err != nil {
		t.Fatal(err)
	}
	if len(k.Keys()) != 1 || k.Keys()[0].ID != fresh.ID {
		t.Errorf("%+v", k.Keys())
	}
	if _, err := k.Open(t.Context(), blob, row); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("what it sealed opens: %v", err)
	}
	if err := other.Reload(); err != nil || len(other.Keys()) != 1 {
		t.Errorf("%v: another process keeps it after reading the file again", err)
	}
}
