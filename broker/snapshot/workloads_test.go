package snapshot_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const workloadDocs = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: build}
spec: {client_id: build-robot, auth: {method: workload}, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: actions}
spec:
  preset: github-actions
  issuer: https://token.actions.githubusercontent.com
  assertions: {profiles: [workload], clients: [build], resources: [notes], scopes: ["notes:read"], audiences: ["https://github.com/acme"]}
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: build}
spec: {idp: actions, match: {sub: "repo:acme/app:ref:refs/heads/main", claims.run: 7}, client: build, resources: [notes], scopes: ["notes:read"]}
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: off}
spec: {disabled: true, idp: actions, match: {sub: "repo:acme/off:ref:refs/heads/main"}, client: build, resources: [notes], scopes: ["notes:read"]}
---
apiVersion: chancery/v1
kind: Workload
metadata: {name: nowhere}
spec: {idp: gone, match: {sub: "repo:acme/app:ref:refs/heads/main"}, client: build, resources: [notes], scopes: ["notes:read"]}
`

func TestWorkloads(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := newApplier(t, w)
		a.apply(t, workloadDocs)
		p := get(t, w.a, tenant.DefaultName)
		idp, _ := p.Registry.Named("actions")
		if idp == nil || len(p.Workloads) != 1 || len(p.Workloads[idp.UID]) != 1 {
			t.Fatalf("%+v", p.Workloads)
		}
		rule := p.Workloads[idp.UID][0]
		if rule.Name != "build" || rule.IdPUID != idp.UID || rule.ClientName != "build" || len(rule.Match) != 2 || rule.Match[0].Value != "7" ||
			rule.Match[1].String() != "sub" || rule.Scopes[0] != "notes:read" || rule.Resources[0] != "notes" || !strings.HasPrefix(rule.UID, "wkl_") {
			t.Fatalf("%+v", rule)
		}
		if got := idp.Assertions.Audiences; len(got) != 1 || got[0] != "https://github.com/acme" {
			t.Errorf("audiences %v", got)
		}
		// What takes a workload away raises the version: nothing that was decided before it commits after it.
		for name, take := range map[string]func(){
			"disabled": func() {
				a.apply(t, strings.Replace(workloadDocs, "spec: {idp: actions", "spec: {disabled: true, idp: actions", 1))
			},
			"IdP disabled":  func() { a.apply(t, strings.Replace(workloadDocs, "  preset:", "  disabled: true\n  preset:", 1)) },
			"another claim": func() { a.apply(t, strings.Replace(workloadDocs, "claims.run: 7", "claims.run: 8", 1)) },
			"deleted":       func() { a.delete(t, object.KindWorkload, "build") },
			"client gone":   func() { a.delete(t, object.KindClient, "build") },
			"IdP gone":      func() { a.delete(t, object.KindIdentityProvider, "actions") },
		} {
			a.apply(t, workloadDocs)
			before := get(t, w.a, tenant.DefaultName)
			take()
			if w.stands(t, before) {
				t.Errorf("%s: the version is the same", name)
			}
			after := get(t, w.a, tenant.DefaultName)
			poll(t, w.b)
			if elsewhere := get(t, w.b, tenant.DefaultName); elsewhere.Version != after.Version {
				t.Errorf("%s: elsewhere %d, here %d", name, elsewhere.Version, after.Version)
			}
			n := 0
			for _, rules := range after.Workloads {
				n += len(rules)
			}
			if gone := name == "disabled" || name == "deleted" || name == "IdP gone"; gone != (n == 0) {
				t.Errorf("%s: %d rules", name, n)
			}
		}
	})
}

func TestNamedClients(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		other := w.Tenant(t, "other")
		get(t, w.a, tenant.DefaultName)
		get(t, w.b, tenant.DefaultName)
		named := func(r *replica, name string) (*client.Client, error) {
			return r.Clients().Named(t.Context(), w.Default, name)
		}
		unknown := func(when string, r *replica, name string) {
			t.Helper()
			if c, err := named(r, name); !errors.Is(err, client.ErrUnknown) {
				t.Fatalf("%s: %+v, %v, want ErrUnknown", when, c, err)
			}
		}
		for _, r := range []*replica{w.a, w.b} {
			unknown("before it is made", r, "build")
		}
		spec := &object.ClientSpec{ClientID: "build-robot", Auth: object.ClientAuth{Method: object.AuthWorkload}}
		stored := w.make(t, w.Default, "build", spec)
		c, err := named(w.a, "build")
		if err != nil || c.UID != stored.UID || c.ClientID != "build-robot" || c.Name != "build" || c.Type != client.Confidential || c.Auth.Method != "workload" {
			t.Fatalf("at once: %+v, %v", c, err)
		}
		unknown("its client_id is no name", w.a, "build-robot")
		unknown("elsewhere, within a second", w.b, "build")
		w.b.clock.advance(snapshot.UnknownFor)
		if _, err := named(w.b, "build"); err != nil {
			t.Fatalf("elsewhere, a second later: %v", err)
		}
		for _, name := range []string{"", "Build", "build/../claude", strings.Repeat("b", 64)} {
			unknown("no name", w.a, name)
		}
		if _, err := w.a.Clients().Named(t.Context(), other, "build"); !errors.Is(err, client.ErrUnknown) {
			t.Fatalf("another tenant: %v", err)
		}
		if _, err := w.a.Clients().Named(t.Context(), tenant.UID{}, "build"); !errors.Is(err, tenant.ErrNoTenant) {
			t.Fatalf("no tenant: %v", err)
		}
		spec.Disabled = true
		stored = w.change(t, stored, spec)
		if c, err := named(w.a, "build"); err != nil || !c.Disabled {
			t.Fatalf("disabled, at once: %+v, %v", c, err)
		}
		poll(t, w.b)
		if c, err := named(w.b, "build"); err != nil || !c.Disabled {
			t.Fatalf("disabled, elsewhere: %+v, %v", c, err)
		}
		newApplier(t, w).delete(t, object.KindClient, "build")
		unknown("deleted, at once", w.a, "build")
		poll(t, w.b)
		unknown("deleted, elsewhere", w.b, "build")
		again := w.make(t, w.Default, "build", &object.ClientSpec{ClientID: "build-robot", Auth: object.ClientAuth{Method: object.AuthWorkload}})
		if c, err := named(w.a, "build"); err != nil || c.UID != again.UID || c.UID == stored.UID {
			t.Fatalf("made again: %+v, %v", c, err)
		}
	})
}

// A database that cannot be read does not make a client unknown.
func TestNamedClientsFailClosed(t *testing.T) {
	m := newMemory()
	r := newReplica(t, m, m)
	get(t, r, tenant.DefaultName)
	m.mu.Lock()
	m.down = true
	m.mu.Unlock()
	if _, err := r.Clients().Named(t.Context(), only, clientID); !errors.Is(err, errDown) || errors.Is(err, client.ErrUnknown) {
		t.Fatalf("%v", err)
	}
}
