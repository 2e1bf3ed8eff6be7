package proposal_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func decodeOne(document string) ([]object.Object, error) {
	return object.Decode(strings.NewReader(document), object.Options{Format: object.JSON})
}

// What is applied waits; another person allows exactly that, and then it is made, once, with who wrote and who allowed it.
func TestFourEyes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		p := h.proposes(h.request(human("alice")), policyNamed("notes", "1"))
		if h.revision("notes") != 0 {
			t.Fatal("the policy is in force before anybody allowed it")
		}
		if again := h.proposes(h.request(human("alice")), policyNamed("notes", "1")); again.ID != p.ID {
			t.Errorf("the same change waits twice: %s and %s", p.ID, again.ID)
		}
		p, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")))
		if err != nil {
			t.Fatal(err)
		}
		if h.revision("notes") != 0 {
			t.Fatal("the policy is in force before it was published")
		}
		_, plan, err := h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("alice")), "another note")
		if err != nil || !plan.Applied {
			t.Fatalf("%+v, %v", plan, err)
		}
		s, err := d.Store.Revisions().Get(t.Context(), h.tenant.UID, mustUID(h, "notes"), 1)
		if err != nil || s.ApprovedBy != "user:bob" || s.Author.Name != "alice" || s.Proposal != p.ID || s.Note != "why" || len(s.Hash) != 64 {
			t.Errorf("%+v, %v", s, err)
		}
		if _, _, err := h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("alice")), ""); !errors.Is(err, proposal.ErrState) {
			t.Errorf("published twice: %v", err)
		}
		if got := h.get(p.ID); got.State != proposal.Published || got.SettledBy != "user:alice" {
			t.Errorf("%+v", got)
		}
	})
}

func mustUID(h *house, name string) string {
	h.Helper()
	s, err := h.live(object.KindPolicy, name)
	if err != nil {
		h.Fatal(err)
	}
	return s.UID
}

// Whoever may not be the second person is not.
func TestApproveRefuses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		alias := human("alice")
		alias.UserUID, alias.Name, alias.Email = "usr_admin_alice", "admin-alice", "Alice@ACME.test"
		h.roles.set("usr_admin_alice", object.NeedPolicies)
		h.roles.set("usr_trust", object.NeedTrust)
		session := human("alice")
		session.IdPUID, session.Name, session.Email, session.Home, session.Tenant = "idp_other", "Alice B.", "", "elsewhere", "ten_other"
		nobody := &object.Human{Name: "bob"}
		p := h.proposes(h.request(human("alice")), policyNamed("notes", "1"))
		for name, test := range map[string]struct {
			by   proposal.Actor
			hash string
			want error
		}{
			"the author":                          {actor(human("alice")), p.Hash, proposal.ErrSelf},
			"the author in another session":       {actor(session), p.Hash, proposal.ErrSelf},
			"the author as another user":          {actor(alias), p.Hash, proposal.ErrSelf},
			"a program":                           {actor(nil), p.Hash, proposal.ErrProgram},
			"a person who is nobody":              {actor(nobody), p.Hash, proposal.ErrProgram},
			"without a role":                      {actor(human("eve")), p.Hash, proposal.ErrStanding},
			"with a role for something else":      {actor(human("trust")), p.Hash, proposal.ErrStanding},
			"who has seen something else":         {actor(human("bob")), strings.Repeat("0", 64), proposal.ErrHash},
			"a program that knows the right hash": {proposal.Actor{Principal: actor(human("bob")).Principal}, p.Hash, proposal.ErrProgram},
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := h.desk.Approve(t.Context(), h.tenant, p.ID, test.hash, test.by); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				if got := h.get(p.ID); got.State != proposal.Proposed || got.Approver != nil {
					t.Errorf("%+v", got)
				}
			})
		}
		if _, _, err := h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")), ""); !errors.Is(err, object.ErrApprovalNeeded) {
			t.Errorf("published without a second person: %v", err)
		}
		other := proposal.Tenant{UID: d.Tenant(t, "other"), Name: "other"}
		if _, err := h.desk.Approve(t.Context(), other, p.ID, p.Hash, actor(human("bob"))); !errors.Is(err, proposal.ErrUnknown) {
			t.Errorf("approved through another tenant: %v", err)
		}
		if h.revision("notes") != 0 {
			t.Error("the policy is in force")
		}
	})
}

// What happens between the word and its carrying out takes it back.
func TestPublishRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		between func(t *testing.T, h *house, p proposal.Proposal)
		want    error
	}{
		"another content": {func(t *testing.T, h *house, p proposal.Proposal) {
			r := h.request(human("carol"))
			if _, _, err := h.desk.Revise(t.Context(), h.tenant, p.ID, p.Hash, objects(t, policyNamed("notes", "worse")), r); err != nil {
				t.Fatal(err)
			}
		}, proposal.ErrHash},
		"its time is over":           {func(_ *testing.T, h *house, _ proposal.Proposal) { h.pass(proposal.Lifetime) }, proposal.ErrExpired},
		"the approver lost his role": {func(_ *testing.T, h *house, _ proposal.Proposal) { h.roles.set("usr_bob") }, proposal.ErrStanding},
		"the approver's role is another": {func(_ *testing.T, h *house, _ proposal.Proposal) {
			h.roles.set("usr_bob", object.NeedTrust)
		}, proposal.ErrStanding},
		"it was dropped": {func(t *testing.T, h *house, p proposal.Proposal) {
			if _, err := h.desk.Drop(t.Context(), h.tenant, p.ID, "", actor(human("alice"))); err != nil {
				t.Fatal(err)
			}
		}, proposal.ErrState},
		"it was rejected": {func(t *testing.T, h *house, p proposal.Proposal) {
			if _, err := h.desk.Reject(t.Context(), h.tenant, p.ID, "", actor(human("bob"))); err != nil {
				t.Fatal(err)
			}
		}, proposal.ErrState},
		"the policy moved": {func(_ *testing.T, h *house, _ proposal.Proposal) {
			r := h.request(nil)
			r.Manager = object.ManagerSystem
			h.apply(r, policyNamed("notes", "meanwhile"))
		}, object.ErrOutdated},
		"the policy was made again under its name": {func(t *testing.T, h *house, _ proposal.Proposal) {
			r := h.request(nil)
			r.Manager = object.ManagerConfig
			if _, err := h.path.Delete(t.Context(), h.tenant.Name, object.KindPolicy, "notes", r); err != nil {
				t.Fatal(err)
			}
			r.Manager = object.ManagerSystem
			h.apply(r, policyNamed("notes", "0"))
		}, object.ErrOutdated},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				h := newHouse(t, d)
				r := h.request(nil)
				r.Manager = object.ManagerSystem // there before anybody asked for a second person
				h.apply(r, policyNamed("notes", "0"))
				p := h.proposes(h.request(human("alice")), policyNamed("notes", "1"))
				p, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")))
				if err != nil {
					t.Fatal(err)
				}
				test.between(t, h, p)
				before := h.revision("notes")
				if _, _, err := h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("alice")), ""); !errors.Is(err, test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
				if after := h.revision("notes"); after != before {
					t.Errorf("revision %d before, %d after", before, after)
				}
			})
		})
	}
}

// A revision by somebody else makes him an author too, and takes the word back that was given before.
func TestWhoeverRevisesIsAnAuthor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		p := h.proposes(h.request(human("alice")), policyNamed("notes", "1"))
		p, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")))
		if err != nil {
			t.Fatal(err)
		}
		p, _, err = h.desk.Revise(t.Context(), h.tenant, p.ID, p.Hash, objects(t, policyNamed("notes", "2")), h.request(human("bob")))
		if err != nil {
			t.Fatal(err)
		}
		if p.State != proposal.Draft || p.Approver != nil || p.ApprovedHash != "" || len(p.Authors) != 2 {
			t.Errorf("%+v", p)
		}
		if p, err = h.desk.Submit(t.Context(), h.tenant, p.ID, p.Hash, "", actor(human("alice"))); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"alice", "bob"} {
			if _, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(human(name))); !errors.Is(err, proposal.ErrSelf) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// A program may propose; a person must allow it.
func TestAProgramProposes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		p := h.proposes(h.request(nil), trusted)
		if len(p.Needs) != 1 || p.Needs[0] != object.NeedTrust || len(p.Authors) != 0 {
			t.Fatalf("%+v", p)
		}
		if _, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(nil)); !errors.Is(err, proposal.ErrProgram) {
			t.Fatal(err)
		}
		p, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := h.live(object.KindIdentityProvider, "okta"); err != nil {
			t.Error(err)
		}
	})
}

// Every way around the second person leads to him.
func TestNoWayAround(t *testing.T) {
	binding := func(role string) string {
		return `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"mine"},"spec":{"role":"` + role + `","users":["alice"]}}`
	}
	user := func(name, sub string) string {
		return `{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"` + name + `"},"spec":{"email":"` + sub + `@acme.test"}}`
	}
	tenantWith := func(approval string) string {
		return `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{"approval":` + approval + `}}`
	}
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		before := h.request(nil)
		before.Manager = object.ManagerSystem
		h.apply(before, policyNamed("live", "0"), trusted, user("bob", "bob"), user("eve", "eve"),
			`{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"approvers"},"spec":{"role":"policy-approver","users":["bob"],"groups":["security"]}}`)
		for name, test := range map[string]struct {
			documents []string
			needs     string
		}{
			"the demand taken away":         {[]string{tenantWith(`{}`)}, "policies trust"},
			"half of the demand taken away": {[]string{tenantWith(`{"policies":true}`)}, "trust"},
			"the demand and a policy":       {[]string{tenantWith(`{}`), policyNamed("notes", "1")}, "policies trust"},
			"a role for oneself":            {[]string{binding("owner")}, "policies trust"},
			"the approver's role":           {[]string{binding("policy-approver")}, "policies"},
			"an approver's address":         {[]string{user("bob", "alice")}, "policies"},
			"an approver's group": {[]string{
				`{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"eve"},"spec":{"email":"eve@acme.test","groups":["security"]}}`,
			}, "policies"},
			"a new policy":    {[]string{policyNamed("notes", "1")}, "policies"},
			"a label":         {[]string{strings.Replace(policyNamed("live", "0"), `"name":"live"`, `"name":"live","labels":{"a":"b"}`, 1)}, "policies"},
			"trust":           {[]string{strings.Replace(trusted, "okta.acme", "evil.acme", 1)}, "trust"},
			"trust, disabled": {[]string{strings.Replace(trusted, `"issuer"`, `"disabled":true,"issuer"`, 1)}, "trust"},
		} {
			t.Run(name, func(t *testing.T) {
				h.T = t
				r := h.request(human("alice"))
				r.DryRun = true
				if plan := h.apply(r, test.documents...); len(plan.Pending) != 1 || plan.Pending[0].Code != object.CodePending || plan.Pending[0].Proposal != "" {
					t.Errorf("a dry run does not tell: %+v", plan)
				}
				p := h.proposes(h.request(human("alice")), test.documents...)
				var needs []string
				for _, n := range p.Needs {
					needs = append(needs, string(n))
				}
				if got := strings.Join(needs, " "); got != test.needs {
					t.Errorf("needs %q, want %q", got, test.needs)
				}
			})
		}
		h.T = t
		for name, remove := range map[string]func() (object.Plan, error){
			"a policy": func() (object.Plan, error) {
				return h.path.Delete(t.Context(), h.tenant.Name, object.KindPolicy, "live", h.request(human("alice")))
			},
			"trust": func() (object.Plan, error) {
				return h.path.Delete(t.Context(), h.tenant.Name, object.KindIdentityProvider, "okta", h.request(human("alice")))
			},
		} {
			if plan, err := remove(); err != nil || plan.Applied || plan.Pending == nil {
				t.Errorf("%s: %+v, %v", name, plan, err)
			}
		}
		if h.revision("live") != 1 {
			t.Error("the policy changed")
		}
		// What takes away from nobody but oneself, and what is no matter of a second person, waits for nobody.
		free := h.apply(h.request(human("alice")), user("eve", "eve2"), `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"readers"},"spec":{"role":"viewer","users":["eve"]}}`)
		if !free.Applied || free.Pending != nil {
			t.Errorf("%+v", free)
		}
		if plan, err := h.path.Delete(t.Context(), h.tenant.Name, object.KindRoleBinding, "approvers", h.request(human("alice"))); err != nil || !plan.Applied {
			t.Errorf("to take a role away waits: %+v, %v", plan, err)
		}
	})
}

// An approved deletion deletes what was seen, and nothing that has its name by then.
func TestDeletion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		before := h.request(nil)
		before.Manager = object.ManagerSystem
		h.apply(before, policyNamed("notes", "0"))
		plan, err := h.path.Delete(t.Context(), h.tenant.Name, object.KindPolicy, "notes", h.request(human("alice")))
		if err != nil || plan.Pending == nil {
			t.Fatalf("%+v, %v", plan, err)
		}
		p, err := h.desk.Approve(t.Context(), h.tenant, plan.Pending[0].Proposal, plan.Pending[0].Hash, actor(human("bob")))
		if err != nil {
			t.Fatal(err)
		}
		if _, plan, err = h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob")), ""); err != nil || !plan.Applied {
			t.Fatalf("%+v, %v", plan, err)
		}
		if h.revision("notes") != 0 {
			t.Error("it is still there")
		}
	})
}

// Two replicas that allow and carry out one proposal at the same moment make one change.
func TestReplicasRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		houses := []*house{h, h}
		if d.Name == "postgres" { // one process holds the file of SQLite
			houses[1] = h.replica(d)
		}
		h.roles.set("usr_carol", object.NeedPolicies)
		for round := range 5 {
			name := "notes" + string(rune('a'+round))
			p := h.proposes(h.request(human("alice")), policyNamed(name, "1"))
			var wg sync.WaitGroup
			approved := make([]error, 4)
			for i := range approved {
				wg.Go(func() {
					by := human([]string{"bob", "carol"}[i%2])
					_, approved[i] = houses[i%2].desk.Approve(context.WithoutCancel(t.Context()), h.tenant, p.ID, p.Hash, actor(by))
				})
			}
			wg.Wait()
			if n := succeeded(t, approved); n != 1 {
				t.Errorf("%d approvals of one proposal: %v", n, approved)
			}
			published := make([]error, 4)
			for i := range published {
				wg.Go(func() {
					_, _, published[i] = houses[i%2].desk.Publish(context.WithoutCancel(t.Context()), h.tenant, p.ID, p.Hash, actor(human("alice")), "")
				})
			}
			wg.Wait()
			if n := succeeded(t, published); n != 1 {
				t.Errorf("published %d times: %v", n, published)
			}
			if r := h.revision(name); r != 1 {
				t.Errorf("revision %d", r)
			}
		}
	})
}

func succeeded(t *testing.T, errs []error) int {
	t.Helper()
	n := 0
	for _, err := range errs {
		switch {
		case err == nil:
			n++
		case errors.Is(err, proposal.ErrMoved), errors.Is(err, proposal.ErrState), errors.Is(err, object.ErrConflict), errors.Is(err, object.ErrOutdated):
		default:
			t.Errorf("unexpected: %v", err)
		}
	}
	return n
}

// Drafts of one revision: the first that is published is; the other is told, not lost.
func TestConcurrentDrafts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		r := h.request(nil)
		r.Manager = object.ManagerSystem
		h.apply(r, `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{}}`, policyNamed("notes", "0"))
		one, _, err := h.desk.Draft(t.Context(), h.tenant, objects(t, policyNamed("notes", "1")), h.request(human("alice")))
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := h.desk.Draft(t.Context(), h.tenant, objects(t, policyNamed("notes", "2")), h.request(human("bob")))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.desk.Publish(t.Context(), h.tenant, one.ID, one.Hash, actor(human("alice")), "first"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.desk.Publish(t.Context(), h.tenant, two.ID, two.Hash, actor(human("bob")), ""); !errors.Is(err, object.ErrOutdated) {
			t.Errorf("the second overwrote the first: %v", err)
		}
		if got := h.get(two.ID); got.State != proposal.Draft {
			t.Errorf("the second is lost: %+v", got)
		}
		stale := h.request(human("bob"))
		stale.IfMatch, stale.IfUID = 1, mustUID(h, "notes")
		if _, _, err := h.desk.Draft(t.Context(), h.tenant, objects(t, policyNamed("notes", "3")), stale); !errors.Is(err, object.ErrPrecondition) {
			t.Errorf("a draft on what is not there any more: %v", err)
		}
		if _, _, err := h.desk.Draft(t.Context(), h.tenant, objects(t, policyNamed("notes", "1")), h.request(human("bob"))); !errors.Is(err, proposal.ErrNothing) {
			t.Errorf("a draft of what is so: %v", err)
		}
		// A pipeline that has a name keeps its policies to itself.
		pipeline := h.request(nil)
		pipeline.Manager = "git-main"
		h.apply(pipeline, policyNamed("wiki", "0"))
		if _, _, err := h.desk.Draft(t.Context(), h.tenant, objects(t, policyNamed("wiki", "1")), h.request(human("bob"))); !errors.Is(err, object.ErrReadOnly) {
			t.Errorf("a draft of what somebody else keeps: %v", err)
		}
	})
}

func TestBounds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		for i := range proposal.MaxOpen {
			h.proposes(h.request(human("alice")), policyNamed("notes", time.Duration(i).String()))
		}
		_, err := h.path.Apply(t.Context(), h.tenant.Name, objects(t, policyNamed("notes", "more")), h.request(human("alice")))
		if !errors.Is(err, proposal.ErrFull) {
			t.Errorf("got %v", err)
		}
		h.pass(proposal.Lifetime)
		h.proposes(h.request(human("alice")), policyNamed("notes", "more"))
		if _, err := h.desk.Store.Get(t.Context(), h.tenant.UID, id.New(id.Proposal, h.now())); !errors.Is(err, proposal.ErrUnknown) {
			t.Error(err)
		}
		if _, err := h.desk.Store.Get(t.Context(), tenant.UID{}, "x"); !errors.Is(err, tenant.ErrNoTenant) {
			t.Errorf("no tenant: %v", err)
		}
	})
}
