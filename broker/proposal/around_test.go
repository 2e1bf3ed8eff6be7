package proposal_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/storetest"
)

const approversByGroup = `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"approvers"},"spec":{"role":"policy-approver","groups":["security"]}}`

func linked(name, spec string) string {
	return `{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"` + name + `"},"spec":{` + spec + `}}`
}

// Whom an IdP puts into the approvers' group is not known when a User is written: nobody lets another account into one alone.
func TestAnotherAccountOfAnApprover(t *testing.T) {
	const own = `"email":"bob@acme.test","identities":[{"idp":"okta","sub":"00u1"}]`
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		system := h.request(nil)
		system.Manager = object.ManagerSystem
		h.apply(system, trusted, approversByGroup, linked("bob", own))
		for name, document := range map[string]string{
			"one more":                      linked("bob", `"identities":[{"idp":"okta","sub":"00u1"},{"idp":"okta","sub":"00u9"}]`),
			"another in its place":          linked("bob", `"identities":[{"idp":"okta","sub":"00u9"}]`),
			"by another name":               linked("bob", `"identities":[{"idp":"okta","sub":"00u1"},{"idp":"okta","sub_id":{"format":"opaque","id":"9"}}]`),
			"a new user of two":             linked("new", `"identities":[{"idp":"okta","sub":"00u8"},{"idp":"okta","sub":"00u9"}]`),
			"a new user of two in one link": linked("new", `"identities":[{"idp":"okta","sub":"00u8","sub_id":{"format":"opaque","id":"9"}}]`),
		} {
			t.Run(name, func(t *testing.T) {
				h.T = t
				if p := h.proposes(h.request(human("alice")), document); len(p.Needs) != 1 || p.Needs[0] != object.NeedPolicies {
					t.Errorf("%v", p.Needs)
				}
			})
		}
		h.T = t
		for _, document := range []string{
			linked("new", `"email":"new@acme.test","identities":[{"idp":"okta","sub":"00u7"}]`), // who is somebody of his own
			linked("bob", `"email":"b@acme.test","identities":[{"idp":"okta","sub":"00u1"}]`),   // no IdP finds by an address
			linked("bob", `"email":"b@acme.test"`),                                              // an account less
		} {
			if plan := h.apply(h.request(human("alice")), document); plan.Pending != nil {
				t.Errorf("it waits: %s", document)
			}
		}
		h.apply(system, `{"apiVersion":"chancery/v1","kind":"IdentityProvider","metadata":{"name":"okta"},"spec":{"issuer":"https://okta.acme.test","domains":["acme.test"],"subject":{"match":["aud_sub","email"],"email_domains":["acme.test"]}}}`)
		jit := h.request(nil)
		jit.By, jit.Manager = audit.Principal{Kind: "system", Name: "sign-in"}, "sign-in"
		if plan := h.apply(jit, linked("jit", `"email":"jit@acme.test","identities":[{"idp":"okta","sub":"00u5","sub_id":{"format":"opaque","id":"5"}}]`)); !plan.Applied {
			t.Errorf("who signs in for the first time waits: %+v", plan)
		}
		h.proposes(h.request(human("alice")), linked("new", `"email":"carol@acme.test","identities":[{"idp":"okta","sub":"00u7"}]`))
	})
}

// A name in a RoleBinding that was allowed means the user who had it, as he was seen.
func TestAnApprovedNameOfSomebodyElse(t *testing.T) {
	const binding = `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"more"},"spec":{"role":"policy-approver","users":["carol"]}}`
	remove := func(h *house) {
		if _, err := h.path.Delete(h.Context(), h.tenant.Name, object.KindUser, "carol", h.request(human("alice"))); err != nil {
			h.Fatal(err)
		}
	}
	write := func(h *house) { h.apply(h.request(human("alice")), linked("carol", `"email":"alice@evil.test"`)) }
	for name, test := range map[string]struct {
		before, with string // carol, beforehand and in the proposal
		change       func(*house)
		refused      bool
	}{
		"made again":      {before: "carol", change: func(h *house) { remove(h); write(h) }, refused: true},
		"another account": {before: "carol", change: write, refused: true},
		"gone":            {before: "carol", change: remove, refused: true},
		"nobody till now": {change: write, refused: true},
		"as she was":      {before: "carol"},
		"made with it":    {with: "carol"},
		"changed with it": {before: "carl", with: "carol"},
		"nobody":          {},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, d *storetest.Database) {
				h := newHouse(t, d)
				documents := []string{binding}
				if test.before != "" {
					h.apply(h.request(nil), linked("carol", `"email":"`+test.before+`@acme.test"`))
				}
				if test.with != "" {
					documents = append(documents, linked("carol", `"email":"`+test.with+`@acme.test"`))
				}
				p := h.proposes(h.request(human("alice")), documents...)
				if _, err := h.desk.Approve(t.Context(), h.tenant, p.ID, p.Hash, actor(human("bob"))); err != nil {
					t.Fatal(err)
				}
				if test.change != nil {
					test.change(h)
				}
				_, plan, err := h.desk.Publish(t.Context(), h.tenant, p.ID, p.Hash, actor(human("alice")), "")
				if errors.Is(err, object.ErrOutdated) != test.refused || plan.Applied == test.refused {
					t.Errorf("%+v, %v", plan, err)
				}
			})
		})
	}
}

// Who rules everywhere comes in by an IdP of tenant default: what any tenant asks about trust is asked of that one too.
func TestTrustOfThoseWhoRuleEverywhere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		system := h.request(nil)
		system.Manager = object.ManagerSystem
		h.apply(system, `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"default"},"spec":{}}`, trusted)
		if _, err := h.path.Apply(t.Context(), "acme", objects(t, `{"apiVersion":"chancery/v1","kind":"Tenant","metadata":{"name":"acme"},"spec":{"approval":{"trust":true}}}`), h.request(nil)); err != nil {
			t.Fatal(err)
		}
		idp := func(more string) string {
			return `{"apiVersion":"chancery/v1","kind":"IdentityProvider","metadata":{"name":"okta"},"spec":{"issuer":"https://okta.acme.test","claims":{"groups":"` + more + `"}}}`
		}
		asks := func(name string, want ...object.Need) {
			t.Helper()
			if _, got, err := h.path.AsksOfIdPs(t.Context(), name); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s asks about %v, %v", name, got, err)
			}
		}
		asks("default")
		asks("acme", object.NeedTrust)
		if plan := h.apply(h.request(human("alice")), idp("teams")); !plan.Applied {
			t.Error("nobody rules everywhere, and it waits")
		}
		h.apply(system, `{"apiVersion":"chancery/v1","kind":"RoleBinding","metadata":{"name":"rulers"},"spec":{"role":"owner","groups":["ops"],"tenants":"all"}}`)
		asks("default", object.NeedTrust)
		if p := h.proposes(h.request(human("alice")), idp("roles")); len(p.Needs) != 1 || p.Needs[0] != object.NeedTrust {
			t.Errorf("%v", p.Needs)
		}
	})
}
