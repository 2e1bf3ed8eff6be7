package snapshot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

const againDocs = `apiVersion: chancery/v1
kind: Resource
metadata: {name: notes}
spec: {uri: "https://mcp.acme.com/notes", scopes: {"notes:read": {}}}
---
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec: {auth: {method: client_secret_basic}, grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"], scopes: ["notes:read"], resources: [notes]}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec: {issuer: "https://acme.okta.com", assertions: {profiles: [id-jag], clients: [claude], resources: [notes], scopes: ["notes:read"]}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, identities: [{idp: okta, sub: 00u1}]}
`

type allows struct{}

func (allows) CheckPolicy(context.Context, string, *object.PolicySpec) []object.Problem { return nil }

var byTest = object.Request{Manager: "apply", By: audit.Principal{Kind: "token", Name: "test"}}

// applier is the path of the replica that changes things.
type applier struct {
	*object.Path
	w *world
}

func newApplier(t *testing.T, w *world) *applier {
	t.Helper()
	path, err := object.NewPath(object.Config{Store: w.objects, Keys: w.objects, Secrets: w.objects, Checker: allows{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return &applier{path, w}
}

func (a *applier) apply(t *testing.T, text string) object.Plan {
	t.Helper()
	objects, err := object.Decode(strings.NewReader(text), object.Options{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := a.Apply(t.Context(), tenant.DefaultName, objects, byTest)
	if err != nil {
		t.Fatal(err)
	}
	poll(t, a.w.b)
	return plan
}

func (a *applier) delete(t *testing.T, kind object.Kind, name string) {
	t.Helper()
	if _, err := a.Delete(t.Context(), tenant.DefaultName, kind, name, byTest); err != nil {
		t.Fatal(err)
	}
	poll(t, a.w.b)
}

// subject tells whom a subject of the issuer finds on a replica.
func subject(t *testing.T, r *replica, issuer, sub string) []federation.Account {
	t.Helper()
	p := get(t, r, tenant.DefaultName)
	idp, ok := p.Registry.Lookup(issuer)
	if !ok {
		t.Fatalf("%s is not trusted", issuer)
	}
	found, err := r.Users().Directory(p).BySubject(t.Context(), idp, "", sub)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// What is made under the name of something that was deleted inherits nothing of
// it, on the replica that did it and on another one with warm caches.
func TestAgainUnderTheSameName(t *testing.T) {
	docs := strings.SplitAfter(againDocs, "---\n")
	notesDoc, clientDoc, userDoc := docs[0], docs[1], docs[3]
	const acme, evil = "https://acme.okta.com", "https://evil.example"
	each(t, func(t *testing.T, w *world) {
		if w.Role != "" { // SQLite takes one process only
			other := w.Open(t)
			w.b = newReplica(t, w.ObjectsOf(t, other), other)
		}
		a := newApplier(t, w)
		a.apply(t, againDocs)
		secret, err := a.AddSecret(t.Context(), tenant.DefaultName, "claude", byTest)
		if err != nil {
			t.Fatal(err)
		}
		poll(t, w.b)
		both := []*replica{w.a, w.b}
		before := map[*replica]*client.Client{}
		var resource, alice string
		for _, r := range both { // everything is in the caches
			p := get(t, r, tenant.DefaultName)
			c, err := r.Clients().Lookup(t.Context(), w.Default, "claude")
			if err != nil || len(c.Auth.Secrets) != 1 || c.Auth.Secrets[0].ID != secret.ID {
				t.Fatalf("%+v, %v", c, err)
			}
			people := subject(t, r, acme, "00u1")
			notes, ok := p.ResourceByName("notes")
			if len(people) != 1 || !ok {
				t.Fatalf("%v %v", people, ok)
			}
			before[r], resource, alice = c, notes.UID, people[0].UID
		}

		a.delete(t, object.KindClient, "claude")
		for _, r := range both {
			get(t, r, tenant.DefaultName)
			if c, err := r.Clients().Lookup(t.Context(), w.Default, "claude"); !errors.Is(err, client.ErrUnknown) {
				t.Fatalf("deleted: %+v, %v", c, err)
			}
		}
		a.apply(t, clientDoc)
		for _, r := range both {
			r.clock.advance(snapshot.UnknownFor) // a new client raises no version
			get(t, r, tenant.DefaultName)
			c, err := r.Clients().Lookup(t.Context(), w.Default, "claude")
			if err != nil || c.UID == before[r].UID || len(c.Auth.Secrets) != 0 {
				t.Fatalf("the new client is %+v, %v", c, err)
			}
		}

		a.delete(t, object.KindResource, "notes")
		a.apply(t, notesDoc)
		for _, r := range both {
			if notes, ok := get(t, r, tenant.DefaultName).ResourceByName("notes"); !ok || notes.UID == resource {
				t.Fatalf("the new resource is %+v", notes)
			}
		}

		a.delete(t, object.KindIdentityProvider, "okta")
		a.apply(t, strings.Replace(docs[2], acme, evil, 1))
		for _, r := range both {
			if people := subject(t, r, evil, "00u1"); len(people) != 0 {
				t.Fatalf("the new okta speaks of %+v", people)
			}
			foreign(t, r, evil, alice)
		}
		if plan := a.apply(t, userDoc); plan.Items[0].Action != object.Update {
			t.Fatalf("%+v", plan)
		}
		for _, r := range both {
			if people := subject(t, r, evil, "00u1"); len(people) != 1 || people[0].UID != alice {
				t.Fatalf("applied again: %+v", people)
			}
		}

		a.apply(t, docs[2]) // in place, to another issuer
		for _, r := range both {
			if people := subject(t, r, acme, "00u1"); len(people) != 0 {
				t.Fatalf("the new issuer speaks of %+v", people)
			}
			foreign(t, r, acme, alice)
		}
		a.apply(t, userDoc)
		a.delete(t, object.KindUser, "alice")
		a.apply(t, userDoc)
		for _, r := range both {
			r.clock.advance(snapshot.UnknownFor)
			if people := subject(t, r, acme, "00u1"); len(people) != 1 || people[0].UID == alice {
				t.Fatalf("the new alice is %+v", people)
			}
		}
	})
}

// foreign: a user whose links are dead is still somebody's, and an IdP that took
// the name does not reach him by an address either (T13, T32).
func foreign(t *testing.T, r *replica, issuer, uid string) {
	t.Helper()
	p := get(t, r, tenant.DefaultName)
	idp, ok := p.Registry.Lookup(issuer)
	if !ok {
		t.Fatalf("%s is not trusted", issuer)
	}
	trusting := *idp
	trusting.Subject = federation.SubjectRules{Match: []federation.MatchBy{federation.MatchAudSub, federation.MatchEmail}, EmailDomains: []string{"acme.com"}}
	for name, ids := range map[string]federation.Identifiers{
		"by our id":   {IdPUID: idp.UID, Subject: "x", AudSub: uid},
		"by an email": {IdPUID: idp.UID, Subject: "x", Email: "alice@acme.com"},
	} {
		if got, err := federation.Resolve(t.Context(), r.Users().Directory(p), &trusting, ids); err == nil {
			t.Fatalf("%s the new IdP speaks of %+v", name, got.Account)
		}
	}
}
