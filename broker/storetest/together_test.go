package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

type allows struct{}

func (allows) CheckPolicy(context.Context, string, *object.PolicySpec) []object.Problem { return nil }

func newPath(t *testing.T, objects *store.Objects) *object.Path {
	t.Helper()
	path, err := object.NewPath(object.Config{Store: objects, Keys: objects, Secrets: objects, Checker: allows{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Two replicas apply grant policies that exclude each other: never both come in.
func TestConflictingPolicies(t *testing.T) {
	const rounds = 50
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		second := d.Store // SQLite takes one process only; there, two paths of it
		if d.Role != "" {
			second = d.Open(t)
		}
		paths := []*object.Path{newPath(t, d.Objects(t)), newPath(t, d.ObjectsOf(t, second))}
		request := object.Request{Manager: "apply", By: audit.Principal{Kind: "token", Name: "test"}}
		for round := range rounds {
			var wg sync.WaitGroup
			errs := make([]error, len(paths))
			for i, path := range paths {
				text := fmt.Sprintf("apiVersion: chancery/v1\nkind: Policy\nmetadata: {name: p%d}\n"+
					"spec: {role: grant, applies_to: {resources: [r%d]}, template: group-scopes}\n", 2*round+i, round)
				objects, err := object.Decode(strings.NewReader(text), object.Options{})
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() { _, errs[i] = path.Apply(t.Context(), tenant.DefaultName, objects, request) })
			}
			wg.Wait()
			won := 0
			for _, err := range errs {
				invalid, refused := errors.AsType[*object.Invalid](err)
				switch {
				case err == nil:
					won++
				case !refused || len(invalid.Problems) != 1 || invalid.Problems[0].Code != "policy_conflict":
					t.Fatalf("round %d: the loser was told %v, want policy_conflict", round, err)
				}
			}
			if won != 1 {
				t.Fatalf("round %d: %d grant policies for one request", round, won)
			}
		}
	})
}

func TestExpectedVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		quiet := storetest.New(d.Default, object.KindClient, "claude", spec)
		loud := storetest.New(d.Default, object.KindResource, "notes", spec)
		for name, c := range map[string]object.Change{"a change that raises": loud, "one that does not": quiet} {
			for _, expect := range []int64{2, 7} {
				w := object.Write{Tenant: d.Default, Expect: expect, Changes: []object.Change{c}, Events: events(d.Default)}
				if _, err := objects.Apply(t.Context(), w); !errors.Is(err, object.ErrMoved) || !errors.Is(err, object.ErrConflict) {
					t.Errorf("%s, planned at %d: %v, want ErrMoved", name, expect, err)
				}
			}
		}
		for i, c := range []object.Change{quiet, loud} {
			w := object.Write{Tenant: d.Default, Expect: 1, Changes: []object.Change{c}, Events: events(d.Default)}
			if v, err := objects.Apply(t.Context(), w); err != nil || v != int64(2*i) {
				t.Fatalf("%s: %d, %v", c.Name, v, err)
			}
		}
		if v, err := objects.Version(t.Context(), d.Default); err != nil || v != 2 {
			t.Fatalf("version %d, %v", v, err)
		}
	})
}

// A client and its secret are made, or neither is.
func TestSecretsBesideChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		objects := d.Objects(t)
		var told []store.Applied
		objects.After(func(_ context.Context, a store.Applied) { told = append(told, a) })
		made := storetest.New(d.Default, object.KindClient, "claude", spec)
		secret := func(id string) object.SecretChange {
			now := time.Now()
			return object.SecretChange{ClientUID: made.UID, At: now, Add: &object.Secret{
				ID: id, ClientUID: made.UID, Scheme: "sha256", Digest: []byte(id), CreatedAt: now,
			}}
		}
		write := object.Write{
			Tenant: d.Default, Expect: 1, Changes: []object.Change{made}, Secrets: []object.SecretChange{secret("sec_1")}, Events: events(d.Default),
		}
		live := func() string {
			found, err := objects.Secrets(t.Context(), d.Default, made.UID)
			if err != nil {
				t.Fatal(err)
			}
			var ids []string
			for _, s := range found {
				ids = append(ids, s.ID)
			}
			return strings.Join(ids, " ")
		}
		for name, test := range map[string]struct {
			change object.SecretChange
			want   error
		}{
			"a client of nobody":    {object.SecretChange{ClientUID: "cli_none", Revoke: "sec_1", At: time.Now()}, object.ErrNotFound},
			"a secret of nobody":    {object.SecretChange{ClientUID: made.UID, Revoke: "sec_9", At: time.Now()}, object.ErrNotFound},
			"neither old nor new":   {object.SecretChange{ClientUID: made.UID, At: time.Now()}, nil},
			"no time":               {object.SecretChange{ClientUID: made.UID, Revoke: "sec_1"}, nil},
			"another client's":      {object.SecretChange{ClientUID: made.UID, At: time.Now(), Add: &object.Secret{ID: "a", ClientUID: "cli_b", Scheme: "s", Digest: []byte("d"), CreatedAt: time.Now()}}, nil},
			"a digest is not there": {object.SecretChange{ClientUID: made.UID, At: time.Now(), Add: &object.Secret{ID: "a", ClientUID: made.UID, Scheme: "s", CreatedAt: time.Now()}}, nil},
		} {
			broken := write
			broken.Secrets = append(broken.Secrets[:1:1], test.change)
			if _, err := objects.Apply(t.Context(), broken); err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", name, err, test.want)
			}
		}
		if _, err := objects.Get(t.Context(), d.Default, object.KindClient, "claude"); !errors.Is(err, object.ErrNotFound) || live() != "" || len(told) != 0 {
			t.Fatalf("half of it was written: %v, %q, %v", err, live(), told)
		}
		if v, err := objects.Apply(t.Context(), write); err != nil || v != 2 || live() != "sec_1" {
			t.Fatalf("%d, %v, %q", v, err, live())
		}
		changed, _, complete, err := d.Store.Changes(t.Context(), d.Default, 1)
		if err != nil || !complete || len(changed) != 1 || changed[0].UID != made.UID {
			t.Fatalf("the version names %v, %v", changed, err)
		}
		// The old one ends and the new one begins at once, with nothing else.
		swap := object.Write{Tenant: d.Default, Expect: 2, Events: events(d.Default), Secrets: []object.SecretChange{
			{ClientUID: made.UID, Revoke: "sec_1", At: time.Now()}, secret("sec_2"),
		}}
		if v, err := objects.Apply(t.Context(), swap); err != nil || v != 3 || live() != "sec_2" {
			t.Fatalf("%d, %v, %q", v, err, live())
		}
		if last := told[len(told)-1]; last.Version != 3 || last.Changes[0].UID != made.UID {
			t.Fatalf("%+v", last)
		}
	})
}
