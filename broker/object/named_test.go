package object_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

// linked tells whom a subject of the IdP that is called okta now finds.
func (h *house) linked(t *testing.T, sub string) string {
	t.Helper()
	owner, err := h.path.TenantUID(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	idp, err := h.store.Get(t.Context(), owner, object.KindIdentityProvider, "okta")
	if errors.Is(err, object.ErrNotFound) {
		return "no okta"
	}
	parsed, err := object.ParseSpec(idp.Kind, idp.Spec)
	if err != nil {
		t.Fatal(err)
	}
	spec, ok := parsed.(*object.IdentityProviderSpec)
	if !ok {
		t.Fatalf("%T", parsed)
	}
	found, err := h.store.FindByKey(t.Context(), owner, object.SpaceIdentity, object.IdentityKey(object.Link(idp.UID, spec.Issuer), "", sub))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range found {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

func (h *house) delete(t *testing.T, kind object.Kind, name string) object.Plan {
	t.Helper()
	plan, err := h.path.Delete(t.Context(), "default", kind, name, by("api"))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

const evilIssuer = "https://evil.example"

// Whoever takes an IdP's name does not take its users.
func TestAnIdPMadeAgainSpeaksOfNobody(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	if got := h.linked(t, "00u1alice"); got != "alice" {
		t.Fatal(got)
	}
	if plan := h.delete(t, object.KindIdentityProvider, "okta"); !hasWarning(plan.Warnings, "links_ended", "") {
		t.Fatalf("%v", plan.Warnings)
	}
	plan := h.apply(t, mutate(t, idpDoc, "https://acme.okta.com", evilIssuer), by("apply"))
	if !hasWarning(plan.Warnings, "links_ended", "") {
		t.Fatalf("%v", plan.Warnings)
	}
	if got := h.linked(t, "00u1alice"); got != "" {
		t.Fatalf("the new okta speaks of %s", got)
	}
	// The same text, said again, means the IdP that has the name now.
	plan = h.apply(t, userDoc, by("apply"))
	if got := actionsOf(plan); got != "update User/alice" || plan.Items[0].Changes[0].Path != "spec.identities" {
		t.Fatalf("%+v", plan)
	}
	if last := h.store.Changes[len(h.store.Changes)-1]; !last.Narrows {
		t.Fatal("the link is not told to the other replicas")
	}
	if got := h.linked(t, "00u1alice"); got != "alice" {
		t.Fatal(got)
	}
	if again := h.apply(t, allDocs(), by("apply")); again.Items[3].Action != object.Update { // okta's issuer is the old one again
		t.Fatal(actionsOf(again))
	}
	if again := h.apply(t, allDocs(), by("apply")); again.Differs() {
		t.Fatal(actionsOf(again))
	}
}

func TestAnotherIssuerSpeaksOfNobody(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	plan := h.apply(t, mutate(t, idpDoc, "https://acme.okta.com", evilIssuer), by("apply"))
	if !hasWarning(plan.Warnings, "links_ended", "") {
		t.Fatalf("%v", plan.Warnings)
	}
	if got := h.linked(t, "00u1alice"); got != "" {
		t.Fatalf("the new issuer speaks of %s", got)
	}
	plan = h.apply(t, mutate(t, allDocs(), "https://acme.okta.com", evilIssuer), by("apply"))
	if got := actionsOf(plan); !strings.Contains(got, "update User/alice") || h.linked(t, "00u1alice") != "alice" {
		t.Fatal(got)
	}
}

func TestAUserBeforeItsIdP(t *testing.T) {
	h := newHouse(t)
	if plan := h.apply(t, userDoc, by("apply")); !hasWarning(plan.Warnings, "reference_unknown", "spec.identities") {
		t.Fatalf("%v", plan.Warnings)
	}
	if plan := h.apply(t, idpDoc, by("apply")); hasWarning(plan.Warnings, "links_ended", "") {
		t.Fatalf("nobody was linked: %v", plan.Warnings)
	}
	if got := h.linked(t, "00u1alice"); got != "" {
		t.Fatal(got)
	}
	if plan := h.apply(t, userDoc, by("apply")); actionsOf(plan) != "update User/alice" {
		t.Fatal(actionsOf(plan))
	}
	if got := h.linked(t, "00u1alice"); got != "alice" {
		t.Fatal(got)
	}
}

// What the configuration manages is linked anew by it alone.
func TestAnotherManagerDoesNotLink(t *testing.T) {
	h := newHouse(t)
	h.apply(t, userDoc, by(object.ManagerConfig))
	h.apply(t, idpDoc, by("apply"))
	plan := h.apply(t, userDoc, by("apply"))
	if plan.Differs() || !hasWarning(plan.Warnings, "links_ended", "spec.identities") || h.linked(t, "00u1alice") != "" {
		t.Fatalf("%+v", plan)
	}
	if plan := h.apply(t, userDoc, by(object.ManagerConfig)); actionsOf(plan) != "update User/alice" || h.linked(t, "00u1alice") != "alice" {
		t.Fatalf("%+v", plan)
	}
}

func TestADeletedUserFreesItsIdentity(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	h.delete(t, object.KindUser, "alice")
	if got := h.linked(t, "00u1alice"); got != "" {
		t.Fatal(got)
	}
	h.apply(t, mutate(t, userDoc, "name: alice", "name: bob"), by("apply"))
	if got := h.linked(t, "00u1alice"); got != "bob" {
		t.Fatal(got)
	}
}

// Lists speak of names, so whoever takes a name again is told of them.
func TestANameTakenAgainWarns(t *testing.T) {
	for name, test := range map[string]struct {
		kind object.Kind
		doc  string
		want []string
	}{
		"client":   {object.KindClient, clientDoc, []string{"IdentityProvider okta spec.assertions.clients"}},
		"resource": {object.KindResource, resourceDoc, []string{"Client claude spec.resources", "IdentityProvider okta spec.assertions.resources", "Policy notes spec.applies_to.resources"}},
		"idp":      {object.KindIdentityProvider, idpDoc, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.apply(t, allDocs(), by("apply"))
			o := decode(t, test.doc)[0]
			still := places(h.delete(t, test.kind, o.Metadata.Name).Warnings, "reference_unknown")
			again := places(h.apply(t, test.doc, by("apply")).Warnings, "name_again")
			if !slices.Equal(still, test.want) || !slices.Equal(again, test.want) {
				t.Fatalf("still named at %v, again at %v", still, again)
			}
			// Said once, where it happens.
			if plan := h.apply(t, test.doc, by("apply")); len(places(plan.Warnings, "name_again")) != 0 {
				t.Fatalf("%v", plan.Warnings)
			}
		})
	}
}

func places(warnings []object.Problem, code string) []string {
	var all []string
	for _, w := range warnings {
		if w.Code == code {
			all = append(all, w.Object+" "+w.Path)
		}
	}
	slices.Sort(all)
	return all
}
