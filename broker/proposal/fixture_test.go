package proposal_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

type checker struct{}

func (checker) CheckPolicy(context.Context, string, *object.PolicySpec) []object.Problem { return nil }

// roles say who may be the second person now, by user.
type roles struct {
	mu  sync.Mutex
	may map[string][]object.Need
}

func (r *roles) May(_ context.Context, h object.Human, _ string, n object.Need) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.may[h.UserUID], n), nil
}

func (r *roles) set(user string, needs ...object.Need) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.may[user] = needs
}

// house is a tenant that asks a second person about policies and trust.
type house struct {
	*testing.T
	objects *store.Objects
	path    *object.Path
	desk    proposal.Desk
	roles   *roles
	tenant  proposal.Tenant
	mu      sync.Mutex
	clock   time.Time
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

func newHouse(t *testing.T, d *storetest.Database) *house {
	t.Helper()
	h := &house{T: t, clock: time.Now().Truncate(time.Microsecond).UTC(), roles: &roles{may: map[string][]object.Need{}}}
	h.tenant = proposal.Tenant{UID: d.Default, Name: tenant.DefaultName}
	h.on(d, d.Store)
	h.roles.set("usr_bob", object.NeedPolicies, object.NeedTrust)
	h.roles.set("usr_alice", object.NeedPolicies, object.NeedTrust)
	h.apply(h.request(nil), `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{"approval":{"policies":true,"trust":true}}}`)
	return h
}

// on opens the desk on a store: a replica.
func (h *house) on(d *storetest.Database, s *store.Store) {
	h.Helper()
	ledger := d.Ledger(h.T, s)
	h.objects = d.ObjectsOf(h.T, s)
	shelf := proposal.Shelf{Store: s.Proposals(ledger), Now: h.now}
	var err error
	h.path, err = object.NewPath(object.Config{
		Store: h.objects, Keys: h.objects, Secrets: h.objects, Checker: checker{}, Now: h.now, Proposals: shelf, PolicyHash: regocheck.Hash,
	})
	if err != nil {
		h.Fatal(err)
	}
	h.desk = proposal.Desk{Shelf: shelf, Path: h.path, Standing: h.roles}
	if err := h.desk.Validate(); err != nil {
		h.Fatal(err)
	}
}

// replica is the same house in another process.
func (h *house) replica(d *storetest.Database) *house {
	h.Helper()
	other := &house{T: h.T, clock: h.now(), roles: h.roles, tenant: h.tenant}
	other.on(d, d.Open(h.T))
	return other
}

func human(name string) *object.Human {
	return &object.Human{UserUID: "usr_" + name, Name: name, Email: name + "@acme.test", Home: tenant.DefaultName}
}

func actor(h *object.Human) proposal.Actor {
	if h == nil {
		return proposal.Actor{Principal: audit.Principal{Kind: "token", Name: "admin.token"}, Trace: "trc_1"}
	}
	return proposal.Actor{Principal: audit.Principal{Kind: "user", ID: h.UserUID, Name: h.Name}, Human: h, Trace: "trc_1"}
}

func (h *house) request(by *object.Human) object.Request {
	return object.Request{Manager: object.ManagerAPI, By: actor(by).Principal, Human: by, Trace: "trc_1", Note: "why"}
}

func (h *house) apply(r object.Request, documents ...string) object.Plan {
	h.Helper()
	plan, err := h.path.Apply(h.Context(), h.tenant.Name, objects(h.T, documents...), r)
	if err != nil {
		h.Fatal(err)
	}
	return plan
}

// proposes applies what a second person must allow, and returns what waits then.
func (h *house) proposes(r object.Request, documents ...string) proposal.Proposal {
	h.Helper()
	plan := h.apply(r, documents...)
	if plan.Applied || len(plan.Pending) != 1 || plan.Pending[0].Proposal == "" {
		h.Fatalf("it did not wait: %+v", plan)
	}
	return h.get(plan.Pending[0].Proposal)
}

func (h *house) get(id string) proposal.Proposal {
	h.Helper()
	p, err := h.desk.Store.Get(h.Context(), h.tenant.UID, id)
	if err != nil {
		h.Fatal(err)
	}
	return p
}

func (h *house) live(kind object.Kind, name string) (object.Stored, error) {
	return h.objects.Get(h.Context(), h.tenant.UID, kind, name)
}

// revision is that of a policy in force; 0: there is none.
func (h *house) revision(name string) int64 {
	h.Helper()
	s, err := h.live(object.KindPolicy, name)
	if err != nil {
		return 0
	}
	return s.Revision
}

func objects(t *testing.T, documents ...string) []object.Object {
	t.Helper()
	var all []object.Object
	for _, d := range documents {
		o, err := decodeOne(d)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o...)
	}
	return all
}

// policyNamed is a policy; more makes it another content.
func policyNamed(name, more string) string {
	return `{"apiVersion":"chancery/v1","kind":"Policy","metadata":{"name":"` + name + `"},"spec":{"role":"grant","applies_to":{"resources":["` + name + `"]},"modules":{"a.rego":"package chancery.authz\n# ` + more + `\n"}}}`
}

const trusted = `{"apiVersion":"chancery/v1","kind":"IdentityProvider","metadata":{"name":"okta"},"spec":{"issuer":"https://okta.acme.test"}}`
