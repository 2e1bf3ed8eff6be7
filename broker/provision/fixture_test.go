package provision_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/provision"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation"
)

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec: {issuer: "https://idp.acme.com", assertions: {profiles: [id-jag], algorithms: [ES256]}, subject: {match: [sub], provision: just_in_time, email_domains: [acme.com]}}
---
apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: closed}
spec: {issuer: "https://closed.acme.com", assertions: {profiles: [id-jag], algorithms: [ES256]}, subject: {match: [sub]}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, identities: [{idp: okta, sub: 00u1alice}]}
`

// told remembers what was recorded.
type told struct {
	mu     sync.Mutex
	events []audit.Event
}

func (j *told) Commit(_ context.Context, e ledger.Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e.Event)
	return nil
}

// house is a provisioner over a real database.
type house struct {
	*provision.Provisioner
	t      *testing.T
	d      *storetest.Database
	stored *store.Objects
	path   *object.Path
	source *snapshot.Source
	told   *told
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newHouse(t *testing.T, d *storetest.Database) *house {
	t.Helper()
	h := open(t, d, d.Store, &told{})
	h.apply(objects, object.ManagerApply)
	return h
}

// open is one process over the database.
func open(t *testing.T, d *storetest.Database, s *store.Store, told *told) *house {
	t.Helper()
	h := &house{t: t, d: d, stored: d.ObjectsOf(t, s), told: told}
	var err error
	h.path, err = object.NewPath(object.Config{Store: h.stored, Keys: h.stored, Secrets: h.stored, Checker: regocheck.Checker{}, Now: time.Now})
	must(t, err)
	h.source, err = snapshot.New(snapshot.Config{Store: h.stored, Versions: s, PublicURL: "https://auth.acme.com", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	h.make(h.path)
	return h
}

// make has what provisions go by a path.
func (h *house) make(path provision.Path) {
	h.t.Helper()
	var err error
	h.Provisioner, err = provision.New(provision.Config{
		Path: path, Objects: h.stored, Directories: h.source.Users(), Journal: h.told, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	must(h.t, err)
}

func (h *house) apply(text, manager string) {
	h.t.Helper()
	parsed, err := object.Decode(strings.NewReader(text), object.Options{})
	must(h.t, err)
	_, err = h.path.ApplyAll(h.t.Context(), parsed, object.Request{Manager: manager, By: audit.Principal{Kind: "system"}})
	must(h.t, err)
	must(h.t, h.source.Poll(h.t.Context()))
}

func (h *house) tenant() *snapshot.Tenant {
	h.t.Helper()
	must(h.t, h.source.Poll(h.t.Context()))
	picture, err := h.source.Get(h.t.Context(), "default")
	must(h.t, err)
	return picture
}

func (h *house) idp(t *snapshot.Tenant, name string) *federation.IdentityProvider {
	h.t.Helper()
	idp, ok := t.Registry.Named(name)
	if !ok {
		h.t.Fatalf("no IdP %s", name)
	}
	return idp
}

// comes is somebody's first sign-in at okta: whom the entry's rules make of him, and who he is then.
func (h *house) comes(ids federation.Identifiers) (federation.Account, error) {
	h.t.Helper()
	t := h.tenant()
	idp := h.idp(t, "okta")
	ids.IdPUID = idp.UID
	r, err := federation.Resolve(h.t.Context(), h.source.Users().Directory(t), idp, ids)
	must(h.t, err)
	return h.Provision(h.t.Context(), t, idp, r)
}

func (h *house) user(name string) (object.Stored, *object.UserSpec) {
	h.t.Helper()
	stored, err := h.stored.Get(h.t.Context(), h.d.Default, object.KindUser, name)
	must(h.t, err)
	return stored, h.spec(stored)
}

func (h *house) byUID(uid string) (object.Stored, *object.UserSpec) {
	h.t.Helper()
	stored, err := h.stored.ByUID(h.t.Context(), h.d.Default, object.KindUser, uid)
	must(h.t, err)
	return stored, h.spec(stored)
}

func (h *house) spec(stored object.Stored) *object.UserSpec {
	h.t.Helper()
	parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
	must(h.t, err)
	spec, ok := parsed.(*object.UserSpec)
	if !ok {
		h.t.Fatalf("%s is a %s", stored.Name, stored.Kind)
	}
	return spec
}

func (h *house) users() []object.Stored {
	h.t.Helper()
	all, err := h.stored.List(h.t.Context(), h.d.Default, object.KindUser, "", 0)
	must(h.t, err)
	return all
}

// refused wants one code, and no change of a user.
func (h *house) refused(err error, code oauth.Code) {
	h.t.Helper()
	if refusal, ok := errors.AsType[*oauth.Error](err); !ok || refusal.Code != code {
		h.t.Errorf("got %v, want %s", err, code)
	}
}
