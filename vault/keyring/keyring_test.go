package keyring

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

var (
	now  = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	row  = vault.AAD{Tenant: "ten_1", Table: "connections", UID: "con_1", Column: "refresh_token"}
	text = []byte("a refresh token")
)

func create(t *testing.T) (*Keyring, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring")
	k, err := Create(path, now)
	if err != nil {
		t.Fatal(err)
	}
	return k, path
}

func seal(t *testing.T, k *Keyring) []byte {
	t.Helper()
	blob, err := k.Seal(t.Context(), text, row)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func TestSealedBlobOpens(t *testing.T) {
	k, path := create(t)
	blob := seal(t, k)
	if bytes.Contains(blob, text) {
		t.Fatal("the plaintext is in the blob")
	}
	again, err := Load(path) // after a restart
	if err != nil {
		t.Fatal(err)
	}
	got, err := again.Open(t.Context(), blob, row)
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("got %q, %v", got, err)
	}
	if other := seal(t, k); bytes.Equal(other, blob) {
		t.Fatal("two seals of one text are equal")
	}
	empty, err := k.Seal(t.Context(), nil, row)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(t.Context(), empty, row); err != nil || len(got) != 0 {
		t.Fatalf("empty text: %q, %v", got, err)
	}
}

// T68: a blob that is copied into another row does not open there.
func TestBlobOfAnotherRowDoesNotOpen(t *testing.T) {
	k, _ := create(t)
	blob := seal(t, k)
	for name, change := range map[string]func(*vault.AAD){
		"tenant": func(a *vault.AAD) { a.Tenant = "ten_2" },
		"table":  func(a *vault.AAD) { a.Table = "signing_keys" },
		"uid":    func(a *vault.AAD) { a.UID = "con_2" },
		"column": func(a *vault.AAD) { a.Column = "access_token" },
		"moved boundary": func(a *vault.AAD) {
			a.Tenant, a.Table = "ten_1c", "onnections"
		},
	} {
		t.Run(name, func(t *testing.T) {
			other := row
			change(&other)
			if got, err := k.Open(t.Context(), blob, other); !errors.Is(err, vault.ErrUnopened) || got != nil {
				t.Fatalf("got %q, %v", got, err)
			}
		})
	}
	t.Run("swapped rows", func(t *testing.T) {
		other := row
		other.UID = "con_2"
		second, err := k.Seal(t.Context(), []byte("another person's"), other)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Open(t.Context(), second, row); !errors.Is(err, vault.ErrUnopened) {
			t.Fatalf("got %v", err)
		}
		if _, err := k.Open(t.Context(), blob, other); !errors.Is(err, vault.ErrUnopened) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("unbound", func(t *testing.T) {
		if _, err := k.Seal(t.Context(), text, vault.AAD{Tenant: "ten_1", Table: "connections", UID: "con_1"}); err == nil {
			t.Fatal("sealed for no column")
		}
		if _, err := k.Open(t.Context(), blob, vault.AAD{}); err == nil {
			t.Fatal("opened for no place")
		}
	})
}

func TestAlteredBlobDoesNotOpen(t *testing.T) {
	k, _ := create(t)
	blob := seal(t, k)
	refused := func(t *testing.T, b []byte) {
		t.Helper()
		_, err := k.Open(t.Context(), b, row)
		if !errors.Is(err, vault.ErrUnopened) && !errors.Is(err, vault.ErrMalformed) {
			t.Fatalf("got %v", err)
		}
	}
	for i := range blob {
		for bit := range 8 {
			altered := bytes.Clone(blob)
			altered[i] ^= 1 << bit
			refused(t, altered)
		}
	}
	for n := range blob {
		refused(t, blob[:n])
	}
	refused(t, append(bytes.Clone(blob), 0))
}

func TestBlobOfAnotherKeyringDoesNotOpen(t *testing.T) {
	k, _ := create(t)
	other, _ := create(t)
	if _, err := other.Open(t.Context(), seal(t, k), row); !errors.Is(err, vault.ErrUnopened) {
		t.Fatalf("got %v", err)
	}
}

func TestRotation(t *testing.T) {
	k, path := create(t)
	elsewhere, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	old := seal(t, k)
	fresh, err := k.Rotate(now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}

	blob := seal(t, k)
	parsed, err := vault.Parse(blob)
	if err != nil || parsed.KeyID != fresh.ID {
		t.Fatalf("sealed with %q, %v; want %q", parsed.KeyID, err, fresh.ID)
	}
	if got, err := k.Open(t.Context(), old, row); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("old version: %q, %v", got, err)
	}
	// Another process has not heard of the rotation yet.
	if got, err := elsewhere.Open(t.Context(), blob, row); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("elsewhere: %q, %v", got, err)
	}

	keys := k.Keys()
	if len(keys) != 2 || keys[0].Primary || !keys[1].Primary || keys[1].ID != fresh.ID {
		t.Fatalf("keys %+v", keys)
	}
	if mode := mustStat(t, path).Mode().Perm(); mode != 0o600 {
		t.Fatalf("mode %04o after rotation", mode)
	}
}

func TestPrintsNothing(t *testing.T) {
	k, path := create(t)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(content, &f); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "keyring", k)
	marshalled, err := json.Marshal(map[string]any{"keyring": k})
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ Ring *Keyring }{k}
	for _, printed := range []string{
		fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %x", k, k, k, k, k), fmt.Sprintf("%+v %#v", holder, holder),
		log.String(), string(marshalled),
	} {
		if strings.Contains(printed, f.Keys[0].Key) || strings.Contains(printed, "xaes") {
			t.Fatalf("printed %s", printed)
		}
	}
	if fmt.Sprint(k) != "[redacted]" {
		t.Fatalf("printed %s", k)
	}
}

func mustStat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	about, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return about
}

func BenchmarkSeal(b *testing.B) {
	k, err := Create(filepath.Join(b.TempDir(), "keyring"), now)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := k.Seal(b.Context(), text, row); err != nil {
			b.Fatal(err)
		}
	}
}
