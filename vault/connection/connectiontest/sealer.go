package connectiontest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Keyring makes a sealer of its own.
func Keyring(t testing.TB, now time.Time) *keyring.Keyring {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyring.json")
	k, err := keyring.Create(path, now)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Ref is a person's connection that nobody else has.
func Ref(tenant string, now time.Time) connection.Ref {
	return connection.Ref{
		Tenant: tenant, ID: connection.NewID(now), Owner: connection.Owner{Kind: connection.User, UID: "usr_alice"}, Provider: "prv_github",
	}
}

// New seals a credential as a connection's first.
func New(t testing.TB, sealer vault.Sealer, ref connection.Ref, c provider.Credential, now time.Time) connection.Stored {
	t.Helper()
	now = now.UTC().Truncate(time.Microsecond)
	s, err := connection.Seal(t.Context(), sealer, ref, 1, c, now)
	if err != nil {
		t.Fatal(err)
	}
	return connection.Stored{
		Connection: connection.Connection{
			Ref: ref, Account: provider.Account{ID: "1", Label: "alice"}, Scopes: s.Scopes, Status: connection.Connected, Version: 1, KeyID: s.KeyID, SealedAt: s.SealedAt,
			ExpiresAt: s.ExpiresAt, RefreshAt: s.RefreshAt, Flight: connection.Flight{State: connection.Idle}, CreatedAt: now, UpdatedAt: now,
		},
		Blob: s.Blob,
	}
}
