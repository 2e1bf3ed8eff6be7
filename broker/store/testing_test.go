package store_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/migrations"
)

var acme = tenant.MustParseUID("ten_01JACME0000000000000000000")

// engines runs a test on an empty, migrated database of each engine.
func engines(t *testing.T, test func(t *testing.T, url string, s *store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		url := "sqlite://" + filepath.Join(t.TempDir(), "chancery.db")
		test(t, url, openStore(t, url))
	})
	t.Run("postgres", func(t *testing.T) {
		url := postgresDatabase(t)
		test(t, url, openStore(t, url))
	})
}

var databases atomic.Int64

// postgresDatabase makes a fresh database on the server that the tests were given.
func postgresDatabase(t testing.TB) string {
	t.Helper()
	server := os.Getenv("CHANCERY_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("CHANCERY_TEST_POSTGRES_URL is not set: deploy/ci/postgres.sh run -- go test …")
	}
	name := fmt.Sprintf("ledger_%d_%d_%d", os.Getpid(), time.Now().UnixNano(), databases.Add(1))
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create database "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return // the server went first
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, "drop database "+name+" with (force)"); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// openStore opens, migrates and lays a tenant at version 1.
func openStore(t testing.TB, url string) *store.Store {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(ctx, s.SQL(), migrations.Dialect(s.Dialect())); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"insert into tenants (uid, name, revision, managed_by, labels, spec, created_at, updated_at) values ($1, 'acme', 1, 'test', '{}', '{}', 0, 0) on conflict do nothing",
		"insert into tenant_versions (tenant_uid, version) values ($1, 1) on conflict do nothing",
	} {
		if _, err := s.SQL().Exec(q, acme.String()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newSigner(t testing.TB) *audit.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// openLedger starts a ledger whose checkpoints come only at its end.
func openLedger(t testing.TB, s *store.Store, journal ledger.Journal) *ledger.Ledger {
	t.Helper()
	l, err := ledger.New(ledger.Config{
		Journal: journal, Checkpoints: s.Checkpoints(), Signer: newSigner(t), Every: time.Hour,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return l
}

// issue is a valid entry: one assertion, one decision, one token.
func issue(jti string) ledger.Entry {
	now := time.Now()
	token, decision := id.New(id.Token, now), id.New(id.Decision, now)
	return ledger.Entry{
		Tenant:      acme,
		Pictures:    []ledger.Picture{{Tenant: acme, Version: 1}},
		Redemptions: []ledger.Redemption{redeem(ledger.SpaceAssertion, jti)},
		Decision: &ledger.Decision{
			ID: decision, At: now, Tenant: acme, Trace: id.New(id.Trace, now), Action: "issue", Allow: true,
			Input: []byte(`{"version":1,"user":{"groups":["notes-editors"]}}`), Result: []byte(`{"allow":true}`),
			Policies: []audit.PolicyRef{{Name: "notes", Revision: 3, Role: "grant", UID: "pol_1"}},
		},
		Token: &ledger.IssuedToken{
			ID: token, Tenant: acme, IssuedAt: now, ExpiresAt: now.Add(10 * time.Minute), KeyID: "k", Subject: "usr_1",
			GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer", ClientUID: "cli_1", IdPUID: "idp_1", ResourceID: "res_1",
			Audience: "https://mcp.acme.com/notes", Scope: "notes:read", DecisionID: decision,
		},
		Event: audit.Event{
			ID: id.New(id.Event, now), At: now, Tenant: acme, Trace: id.New(id.Trace, now), Type: audit.TypeTokenIssued,
			Outcome: audit.Allowed, Principal: audit.Principal{Kind: "client", ID: "cli_1", Name: "claude"}, Client: "claude",
			IdP: "okta", Resource: "notes", Scope: "notes:read", TokenID: token, AssertionID: jti, Decision: decision,
			AssertionBy: "https://acme.okta.com", Remote: "192.0.2.7", GrantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
			Checks: []audit.Check{{Name: "signature", OK: true}, {Name: "aud", OK: true, Received: "https://as", Expected: "https://as"}},
		},
	}
}

func redeem(space ledger.Space, key string) ledger.Redemption {
	return ledger.Redemption{
		Tenant: acme, Space: space, Key: sha256.Sum256([]byte(key)), ExpiresAt: time.Now().Add(5 * time.Minute),
		Always: space != ledger.SpaceAssertion, Code: string(space) + "_replayed",
	}
}

func count(t testing.TB, s *store.Store, query string, args ...any) int {
	t.Helper()
	var n int
	if err := s.SQL().QueryRow(query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// isSQLite is for the few facts that differ.
func isSQLite(url string) bool { return strings.HasPrefix(url, "sqlite:") }
