package snapshot_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const publicURL = "https://as.example.com"

// clock is moved by tests.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Unix(1_800_000_000, 0).Add(time.Duration(c.offset.Load()))
}
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// replica is one process: a source over a real database.
type replica struct {
	*snapshot.Source
	clock *clock
	built atomic.Int64
}

func newReplica(t *testing.T, objects snapshot.Store, versions snapshot.Versions) *replica {
	t.Helper()
	r := &replica{clock: &clock{}}
	source, err := snapshot.New(snapshot.Config{
		Store: objects, Versions: versions, PublicURL: publicURL, Now: r.clock.now, Log: discard(),
		Built: func(string, time.Duration, error) { r.built.Add(1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.Source = source
	return r
}

// world is a database with two replicas; changes are made through the first.
type world struct {
	*storetest.Database
	objects *store.Objects
	a, b    *replica
}

func each(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		w := &world{Database: d, objects: objects, a: newReplica(t, objects, d.Store), b: newReplica(t, objects, d.Store)}
		objects.After(func(_ context.Context, applied store.Applied) {
			uids := make([]string, len(applied.Changes))
			for i, c := range applied.Changes {
				uids[i] = c.UID
			}
			w.a.Changed(applied.Tenant, applied.Version, uids...)
		})
		test(t, w)
	})
}

func (w *world) make(t *testing.T, uid tenant.UID, name string, spec object.Spec) object.Stored {
	t.Helper()
	c := storetest.New(uid, kindOf(t, spec), name, text(t, spec), w.keys(t, uid, spec)...)
	storetest.Apply(t, w.objects, c)
	return c.Stored
}

func (w *world) change(t *testing.T, stored object.Stored, spec object.Spec) object.Stored {
	t.Helper()
	c := storetest.Next(stored, text(t, spec), w.keys(t, stored.Tenant, spec)...)
	storetest.Apply(t, w.objects, c)
	return c.Stored
}

// keys are a spec's, as an apply would give them.
func (w *world) keys(t *testing.T, uid tenant.UID, spec object.Spec) []object.Key {
	t.Helper()
	user, ok := spec.(*object.UserSpec)
	if !ok {
		return spec.Keys()
	}
	return append(user.Links(func(name string) (string, bool) {
		idp, err := w.objects.Get(t.Context(), uid, object.KindIdentityProvider, name)
		if err != nil {
			return "", false
		}
		parsed, err := object.ParseSpec(idp.Kind, idp.Spec)
		if err != nil {
			t.Fatal(err)
		}
		entry, ok := parsed.(*object.IdentityProviderSpec)
		return object.Link(idp.UID, entry.Issuer), ok
	}), spec.Keys()...)
}

func kindOf(t *testing.T, spec object.Spec) object.Kind {
	t.Helper()
	switch spec.(type) {
	case *object.TenantSpec:
		return object.KindTenant
	case *object.IdentityProviderSpec:
		return object.KindIdentityProvider
	case *object.ClientSpec:
		return object.KindClient
	case *object.ResourceSpec:
		return object.KindResource
	case *object.UserSpec:
		return object.KindUser
	case *object.WorkloadSpec:
		return object.KindWorkload
	case *object.PolicySpec:
		return object.KindPolicy
	}
	t.Fatalf("%T is no spec", spec)
	return ""
}

func text(t *testing.T, spec object.Spec) string {
	t.Helper()
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func get(t *testing.T, r *replica, name string) *snapshot.Tenant {
	t.Helper()
	p, err := r.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("picture of %s: %v", name, err)
	}
	return p
}

func poll(t *testing.T, r *replica) {
	t.Helper()
	if err := r.Poll(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func wantUnknown(t *testing.T, r *replica, name string) {
	t.Helper()
	if _, err := r.Get(t.Context(), name); !errors.Is(err, snapshot.ErrUnknownTenant) {
		t.Fatalf("picture of %s: %v, want ErrUnknownTenant", name, err)
	}
}

// stands tells what the ledger would: is a picture still what the database holds?
func (w *world) stands(t *testing.T, p *snapshot.Tenant) bool {
	t.Helper()
	now, err := w.Store.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range p.Pictures() {
		if now[own.Tenant] != own.Version {
			return false
		}
	}
	return len(p.Pictures()) > 0
}

func resource(uri string) *object.ResourceSpec {
	return &object.ResourceSpec{URI: uri, Scopes: map[string]object.Scope{"read": {}}}
}

func guard(binds string) *object.PolicySpec {
	return &object.PolicySpec{
		Role: object.RoleGuard, Binds: binds,
		Modules: map[string]string{"g.rego": "package chancery.authz\n\nimport rego.v1\n\ndecision := {\"allow\": true}\n"},
	}
}

var _ snapshot.Versions = (*store.Store)(nil)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
