// Package snapshottest makes pictures of tenants from objects as an administrator
// writes them, in memory: for tests of what decides on pictures. It knows no
// database and is for tests only.
package snapshottest

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Secret is what every reference to a client's secret resolves to.
const Secret = "a-supplied-secret-of-enough-characters" //nolint:gosec // a test's own

// Shelf is a store of objects in memory with the versions that a test says.
type Shelf struct {
	*objecttest.Memory
	Newer int64 // added to every tenant's version: what changed the objects must raise it
	Fail  error // what looking people up by their identity answers
}

// New applies objects, as the configuration does, and gives a source of pictures of them. Every reference to a secret
// resolves; what else sign-in needs is the options' to say.
func New(t testing.TB, publicURL string, now func() time.Time, objects string, options ...func(*snapshot.Config)) (*Shelf, *snapshot.Source) {
	t.Helper()
	s := &Shelf{Memory: objecttest.New()}
	path, err := object.NewPath(object.Config{
		Store: s.Memory, Keys: s.Memory, Secrets: s.Memory, Checker: regocheck.Checker{}, Now: now,
		Resolve: func(object.SecretRef) (secret.Text, error) { return secret.New(Secret), nil },
	})
	must(t, err)
	must(t, path.Bootstrap(t.Context()))
	parsed, err := object.Decode(strings.NewReader(objects), object.Options{})
	must(t, err)
	_, err = path.ApplyAll(t.Context(), parsed, object.Request{Manager: object.ManagerConfig, By: audit.Principal{Kind: "system"}})
	must(t, err)
	config := snapshot.Config{Store: s, Versions: s, PublicURL: publicURL, Now: now, Log: slog.New(slog.DiscardHandler)}
	config.ResolveSecret = func(object.SecretRef) (secret.Text, error) { return secret.New(Secret), nil }
	for _, option := range options {
		option(&config)
	}
	source, err := snapshot.New(config)
	must(t, err)
	return s, source
}

// ByUID implements snapshot.Store.
func (s *Shelf) ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error) {
	found, err := s.List(ctx, t, kind, "", 1000)
	if err != nil {
		return object.Stored{}, err
	}
	for _, stored := range found {
		if stored.UID == uid {
			return stored, nil
		}
	}
	return object.Stored{}, object.ErrNotFound
}

// FindByKey implements snapshot.Store.
func (s *Shelf) FindByKey(ctx context.Context, t tenant.UID, space, value string) ([]object.Stored, error) {
	if s.Fail != nil && space == object.SpaceIdentity {
		return nil, s.Fail
	}
	return s.Memory.FindByKey(ctx, t, space, value)
}

// Versions implements snapshot.Versions.
func (s *Shelf) Versions(context.Context) (map[tenant.UID]int64, error) { return nil, nil }

// Version implements snapshot.Versions.
func (s *Shelf) Version(context.Context, tenant.UID) (int64, error) { return s.Newer + 1, nil }

// Changes implements snapshot.Versions: it is never known what changed.
func (s *Shelf) Changes(context.Context, tenant.UID, int64) ([]ledger.ChangedObject, int64, bool, error) {
	return nil, 0, false, nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
