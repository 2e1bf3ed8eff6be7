package keys

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/vault"
)

const (
	secretSize = 32
	// purposeInstallation separates what Derive gives from everything else that is made of the secret.
	purposeInstallation = "chancery installation v1: derive"
	leastPurpose        = 8
)

// SecretRow is one version of the installation's secret as it rests (table installation_secrets).
type SecretRow struct {
	Version   int
	Sealed    []byte
	CreatedAt time.Time
	ActiveAt  time.Time
}

// SecretStore keeps the installation's secret. Versions are never deleted while something that was made with them may live.
type SecretStore interface {
	InstallationSecrets(ctx context.Context) ([]SecretRow, error)
	// AddInstallationSecret inserts a version and the event of its making, or answers ErrConflict if there is one of its
	// number.
	AddInstallationSecret(ctx context.Context, row SecretRow, made audit.Event) error
}

// InstallationSecret is what keys are derived from where the keys that seal never leave their server. It is read when a
// server starts; what is derived of it needs that server no more.
type InstallationSecret struct {
	now      func() time.Time
	versions []secretVersion // the newest first
}

type secretVersion struct {
	activeAt time.Time
	deriver  []byte
}

// LoadInstallationSecret opens every version there is; the first start of an installation makes one. made is completed to
// the event of its making. Of several first starts one makes it, and all have the same.
//
// A version that does not open is an error, and so is a secret that is gone while others' tokens may rest on it: to make
// another instead would end them without a word.
func LoadInstallationSecret(ctx context.Context, store SecretStore, sealer vault.Sealer, now func() time.Time, made audit.Event) (*InstallationSecret, error) {
	if store == nil || sealer == nil || now == nil {
		return nil, errors.New("keys: store, sealer and clock are required")
	}
	for range attempts {
		rows, err := store.InstallationSecrets(ctx)
		if err != nil {
			return nil, fmt.Errorf("load the installation's secret: %w", err)
		}
		if len(rows) > 0 {
			return openSecret(ctx, sealer, rows, now)
		}
		err = addSecret(ctx, store, sealer, 1, now(), now(), made)
		if err != nil && !errors.Is(err, ErrConflict) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("add the installation's secret: %w", ErrConflict)
}

// AddInstallationSecret prepares a further version. It is recognised wherever it was read, and made with from activeAt on:
// when every replica has started again since.
func AddInstallationSecret(ctx context.Context, store SecretStore, sealer vault.Sealer, now, activeAt time.Time, made audit.Event) error {
	rows, err := store.InstallationSecrets(ctx)
	if err != nil {
		return fmt.Errorf("load the installation's secret: %w", err)
	}
	newest := 0
	for _, row := range rows {
		newest = max(newest, row.Version)
	}
	return addSecret(ctx, store, sealer, newest+1, now, activeAt, made)
}

func addSecret(ctx context.Context, store SecretStore, sealer vault.Sealer, version int, now, activeAt time.Time, made audit.Event) error {
	var secret [secretSize]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand crashes the program first
	defer clear(secret[:])
	sealed, err := sealer.Seal(ctx, secret[:], SecretPlace(version))
	if err != nil {
		return fmt.Errorf("seal the installation's secret: %w", err)
	}
	made.Detail = map[string]string{"version": strconv.Itoa(version)}
	if err := store.AddInstallationSecret(ctx, SecretRow{Version: version, Sealed: sealed, CreatedAt: now, ActiveAt: activeAt}, made); err != nil {
		return fmt.Errorf("add the installation's secret: %w", err)
	}
	return nil
}

func openSecret(ctx context.Context, sealer vault.Sealer, rows []SecretRow, now func() time.Time) (*InstallationSecret, error) {
	slices.SortFunc(rows, func(a, b SecretRow) int { return cmp.Compare(b.Version, a.Version) })
	s := &InstallationSecret{now: now}
	for _, row := range rows {
		secret, err := sealer.Open(ctx, row.Sealed, SecretPlace(row.Version))
		if err != nil {
			return nil, fmt.Errorf("open version %d of the installation's secret: %w", row.Version, err)
		}
		if len(secret) != secretSize {
			return nil, fmt.Errorf("version %d of the installation's secret has %d bytes", row.Version, len(secret))
		}
		deriver, err := hkdf.Key(sha256.New, secret, nil, purposeInstallation, secretSize)
		clear(secret)
		if err != nil {
			return nil, fmt.Errorf("derive keys: %w", err)
		}
		s.versions = append(s.versions, secretVersion{activeAt: row.ActiveAt, deriver: deriver})
	}
	return s, nil
}

// SecretPlace is where a version rests.
func SecretPlace(version int) vault.AAD {
	return vault.AAD{Tenant: vault.Installation, Table: "installation_secrets", UID: strconv.Itoa(version), Column: "sealed"}
}

// Derive gives a key of 32 bytes for a purpose from each version: that of the newest whose time has come first, then the
// others. What is made with the first must be accepted under each of them. A purpose is a constant of the caller, never
// something from outside.
func (s *InstallationSecret) Derive(purpose string) ([][]byte, error) {
	if len(purpose) < leastPurpose {
		return nil, errors.New("a key is derived for a named purpose")
	}
	var keys, waiting [][]byte
	now := s.now()
	for _, v := range s.versions {
		key, err := hkdf.Expand(sha256.New, v.deriver, purpose, secretSize)
		if err != nil {
			return nil, fmt.Errorf("derive key: %w", err)
		}
		if now.Before(v.activeAt) {
			waiting = append(waiting, key)
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no version of the installation's secret is in use yet: the clock went back")
	}
	return append(keys, waiting...), nil
}

// String implements fmt.Stringer: never the secret.
func (s *InstallationSecret) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer, for %#v.
func (s *InstallationSecret) GoString() string { return "[redacted]" }
