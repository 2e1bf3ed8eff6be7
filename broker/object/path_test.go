package object_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/objecttest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

func TestPathNeedsItsParts(t *testing.T) {
	if _, err := object.NewPath(object.Config{Store: objecttest.New()}); err == nil {
		t.Fatal("a path without a checker would check nothing")
	}
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	h := newHouse(t)
	first := h.apply(t, allDocs(), by("apply"))
	if got := actionsOf(first); got != "create Resource/notes, create Client/claude, create IdentityProvider/okta, create User/alice, create Policy/notes" {
		t.Fatal(got)
	}
	if len(first.Warnings) != 0 {
		t.Fatalf("%v", first.Warnings)
	}
	written := len(h.store.Changes)
	second := h.apply(t, allDocs(), by("apply"))
	if second.Differs() || len(h.store.Changes) != written {
		t.Fatalf("%s", actionsOf(second))
	}
}

func TestExportAppliesWithoutADifference(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	objects, err := h.path.Export(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := object.Encode(&text, objects, false); err != nil {
		t.Fatal(err)
	}
	if plan := h.apply(t, text.String(), by("apply")); plan.Differs() {
		t.Fatalf("%s\n%s", actionsOf(plan), text.String())
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	h := newHouse(t)
	r := by("apply")
	r.DryRun = true
	written := len(h.store.Changes)
	plan := h.apply(t, allDocs(), r)
	if !plan.Differs() || plan.Applied || len(h.store.Changes) != written {
		t.Fatalf("%+v", plan)
	}
}

func TestUpdateNamesWhatChanged(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	plan := h.apply(t, mutate(t, clientDoc, "dpop: optional", "dpop: required"), by("apply"))
	if len(plan.Items) != 1 || plan.Items[0].Action != object.Update || plan.Items[0].Revision != 2 {
		t.Fatalf("%+v", plan)
	}
	if got := plan.Items[0].Changes; len(got) != 1 || got[0] != (object.FieldChange{Path: "spec.dpop", From: `"optional"`, To: `"required"`}) {
		t.Fatalf("%+v", got)
	}
	e := h.store.Events[len(h.store.Events)-1]
	if e.Type != audit.TypeObjectChanged || e.Detail["fields"] != "spec.dpop" || e.Detail["name"] != "claude" || e.Principal.Name != "ci" || e.Trace != "trc_1" || e.Tenant.IsZero() {
		t.Fatalf("%+v", e)
	}
}

func TestNarrowing(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	for _, c := range h.store.Changes {
		quiet := c.Kind == object.KindClient || c.Kind == object.KindUser
		if c.Narrows == quiet {
			t.Errorf("%s: narrows is %v", c.Kind, c.Narrows)
		}
	}
	last := func() object.Change { return h.store.Changes[len(h.store.Changes)-1] }
	h.apply(t, mutate(t, clientDoc, "{name: claude}", "{name: claude, labels: {team: a}}"), by("apply"))
	if last().Narrows {
		t.Error("labels decide nothing")
	}
	h.apply(t, mutate(t, clientDoc, "  dpop: optional\n", ""), by("apply"))
	if !last().Narrows {
		t.Error("a change of a client narrows")
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindUser, "alice", by("api")); err != nil || !last().Narrows || !last().Deleted {
		t.Errorf("an end narrows: %v", err)
	}
}

func TestPruneTakesOnlyItsOwn(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	h.apply(t, strings.ReplaceAll(resourceDoc, "notes", "other"), by("console"))
	r := by("apply")
	r.Prune = true
	plan := h.apply(t, resourceDoc+"---\n"+clientDoc, r)
	if got := actionsOf(plan); got != "delete Policy/notes, delete User/alice, delete IdentityProvider/okta, unchanged Resource/notes, unchanged Client/claude" {
		t.Fatal(got)
	}
	if _, err := h.path.Get(t.Context(), "default", object.KindResource, "other"); err != nil {
		t.Fatalf("another manager's object is gone: %v", err)
	}
}

func TestWhatConfigMadeIsReadOnly(t *testing.T) {
	h := newHouse(t)
	h.apply(t, resourceDoc, by(object.ManagerConfig))
	if err := h.applyError(t, mutate(t, resourceDoc, "10m", "9m"), by("apply")); !errors.Is(err, object.ErrReadOnly) {
		t.Fatal(err)
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindResource, "notes", by("api")); !errors.Is(err, object.ErrReadOnly) {
		t.Fatal(err)
	}
	h.apply(t, resourceDoc, by("apply")) // the same is no write
	h.apply(t, mutate(t, resourceDoc, "10m", "9m"), by(object.ManagerConfig))
}

func TestConfigTakesOverWhatItNames(t *testing.T) {
	h := newHouse(t)
	h.apply(t, resourceDoc, by("apply"))
	plan := h.apply(t, resourceDoc, by(object.ManagerConfig))
	if len(plan.Items[0].Changes) != 1 || plan.Items[0].Changes[0].Path != "metadata.managed_by" {
		t.Fatalf("%+v", plan)
	}
}

func TestTombstonesInheritNothing(t *testing.T) {
	h := newHouse(t)
	h.apply(t, clientDoc, by("apply"))
	before, _ := h.path.Get(t.Context(), "default", object.KindClient, "claude")
	if _, err := h.path.AddSecret(t.Context(), "default", "claude", by("api")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindClient, "claude", by("api")); err != nil {
		t.Fatal(err)
	}
	h.apply(t, clientDoc, by("apply"))
	after, _ := h.path.Get(t.Context(), "default", object.KindClient, "claude")
	if before.Metadata.UID == after.Metadata.UID || after.Metadata.Revision != 1 {
		t.Fatalf("%+v %+v", before.Metadata, after.Metadata)
	}
	if live, err := h.path.LiveSecrets(t.Context(), "default", "claude"); err != nil || len(live) != 0 {
		t.Fatalf("%v %v", live, err)
	}
	old := decode(t, clientDoc)
	old[0].Metadata.UID = before.Metadata.UID
	if _, err := h.path.Apply(t.Context(), "default", old, by("apply")); !errors.Is(err, object.ErrPrecondition) {
		t.Fatal(err)
	}
}

func TestIfMatch(t *testing.T) {
	h := newHouse(t)
	h.apply(t, resourceDoc, by("api"))
	for name, test := range map[string]struct {
		match int64
		doc   string
		want  error
	}{
		"the right one":          {1, mutate(t, resourceDoc, "10m", "9m"), nil},
		"an old one":             {7, mutate(t, resourceDoc, "10m", "8m"), object.ErrPrecondition},
		"not there, and it is":   {object.NotThere, resourceDoc, object.ErrPrecondition},
		"there, and it is not":   {1, strings.ReplaceAll(resourceDoc, "notes", "other"), object.ErrPrecondition},
		"not there, and it isnt": {object.NotThere, strings.ReplaceAll(resourceDoc, "notes", "third"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := by("api")
			r.IfMatch = test.match
			if _, err := h.path.Apply(t.Context(), "default", decode(t, test.doc), r); !errors.Is(err, test.want) {
				t.Fatalf("%v", err)
			}
		})
	}
}

// A condition names one object, and not the next one that has its name.
func TestIfMatchIsOfOneObject(t *testing.T) {
	h := newHouse(t)
	h.apply(t, resourceDoc, by("api"))
	first, err := h.path.Get(t.Context(), "default", object.KindResource, "notes")
	if err != nil {
		t.Fatal(err)
	}
	h.delete(t, object.KindResource, "notes")
	h.apply(t, resourceDoc, by("api"))
	r := by("api")
	r.IfMatch, r.IfUID = 1, first.Metadata.UID
	for _, doc := range []string{resourceDoc, mutate(t, resourceDoc, "10m", "9m")} {
		if _, err := h.path.Apply(t.Context(), "default", decode(t, doc), r); !errors.Is(err, object.ErrPrecondition) {
			t.Fatal(err)
		}
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindResource, "notes", r); !errors.Is(err, object.ErrPrecondition) {
		t.Fatal(err)
	}
}

func TestExclusiveKeys(t *testing.T) {
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	for name, test := range map[string]struct{ doc, code string }{
		"issuer":       {mutate(t, idpDoc, "name: okta", "name: okta-two"), "issuer_taken"},
		"client_id":    {mutate(t, mutate(t, clientDoc, "name: claude", "name: other"), "display_name: Claude", "client_id: claude"), "client_id_taken"},
		"resource uri": {mutate(t, resourceDoc, "name: notes", "name: memos"), "resource_uri_taken"},
		"identity":     {mutate(t, userDoc, "name: alice", "name: bob"), "identity_taken"},
	} {
		t.Run(name, func(t *testing.T) {
			invalid, ok := errors.AsType[*object.Invalid](h.applyError(t, test.doc, by("apply")))
			if !ok || len(invalid.Problems) != 1 || invalid.Problems[0].Code != test.code {
				t.Fatalf("%v", invalid)
			}
		})
	}
	t.Run("within one apply", func(t *testing.T) {
		fresh := newHouse(t)
		err := fresh.applyError(t, idpDoc+"---\n"+mutate(t, idpDoc, "name: okta", "name: okta-two"), by("apply"))
		if !strings.Contains(err.Error(), "belongs to IdentityProvider okta") {
			t.Fatal(err)
		}
	})
	t.Run("handed over in one apply", func(t *testing.T) {
		h.apply(t, mutate(t, userDoc, "00u1alice", "00u2alice")+"---\n"+mutate(t, userDoc, "name: alice", "name: carol"), by("apply"))
	})
}

func TestNeighboursRefuse(t *testing.T) {
	public := mutate(t, mutate(t, clientDoc, "type: confidential", "type: public"), "client_secret_basic", "none")
	for name, test := range map[string]struct{ doc, says string }{
		"two grants for one request": {policyDoc + "---\n" + mutate(t, policyDoc, "name: notes", "name: second"), "same resource and action"},
		"a grant for all, and one":   {policyDoc + "---\n" + mutate(t, mutate(t, policyDoc, "name: notes", "name: all"), "  applies_to: {resources: [notes], actions: [issue]}\n", ""), "same resource and action"},
		"a policy that fails":        {mutate(t, policyDoc, "name: notes", "name: refused"), "does not pass"},
		"a public client":            {public, "public_client_assertions: cnf"},
		"the same object twice":      {clientDoc + "---\n" + clientDoc, "is there twice"},
		"another tenant's object":    {mutate(t, clientDoc, "{name: claude}", "{name: claude, tenant: acme}"), `received "acme", expected "default"`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := newHouse(t).applyError(t, test.doc, by("apply")); !strings.Contains(err.Error(), test.says) {
				t.Fatal(err)
			}
		})
	}
	t.Run("a public client where the tenant says so", func(t *testing.T) {
		owner := "apiVersion: chancery/v1\nkind: Tenant\nmetadata: {name: default}\nspec: {public_client_assertions: cnf}\n"
		newHouse(t).apply(t, public+"---\n"+owner, by("apply"))
	})
	t.Run("grants for different actions", func(t *testing.T) {
		newHouse(t).apply(t, policyDoc+"---\n"+mutate(t, mutate(t, policyDoc, "name: notes", "name: vend"), "[issue]", "[vend]"), by("apply"))
	})
}

func TestUnknownReferencesWarn(t *testing.T) {
	for name, test := range map[string]struct{ doc, path string }{
		"idp": {idpDoc, "spec.assertions.clients"}, "client": {clientDoc, "spec.resources"},
		"user": {userDoc, "spec.identities"}, "policy": {policyDoc, "spec.applies_to.resources"},
	} {
		t.Run(name, func(t *testing.T) {
			if plan := newHouse(t).apply(t, test.doc, by("apply")); !hasWarning(plan.Warnings, "reference_unknown", test.path) {
				t.Fatalf("%v", plan.Warnings)
			}
		})
	}
	h := newHouse(t)
	h.apply(t, allDocs(), by("apply"))
	plan, err := h.path.Delete(t.Context(), "default", object.KindResource, "notes", by("api"))
	if err != nil || !hasWarning(plan.Warnings, "reference_unknown", "spec.assertions.resources") {
		t.Fatalf("%v %v", plan.Warnings, err)
	}
}

func TestTenants(t *testing.T) {
	h := newHouse(t)
	inAcme := strings.ReplaceAll(allDocs(), "metadata: {name: ", "metadata: {tenant: acme, name: ")
	if _, err := h.path.ApplyAll(t.Context(), decode(t, inAcme), by("apply")); !errors.Is(err, object.ErrTenantUnknown) {
		t.Fatal(err)
	}
	plan, err := h.path.ApplyAll(t.Context(), decode(t, allDocs()+"---\n"+inAcme+"---\n"+tenantDoc), by("apply"))
	if err != nil || !plan.Applied || len(plan.Items) != 11 {
		t.Fatalf("%v %s", err, actionsOf(plan))
	}
	a, _ := h.path.TenantUID(t.Context(), "default")
	b, _ := h.path.TenantUID(t.Context(), "acme")
	if a == b || b.IsZero() {
		t.Fatalf("%s %s", a, b)
	}
	o, err := h.path.Get(t.Context(), "acme", object.KindClient, "claude")
	if err != nil || o.Metadata.Tenant != "acme" {
		t.Fatalf("%+v %v", o.Metadata, err)
	}
	if _, err := h.path.Delete(t.Context(), "acme", object.KindTenant, "acme", by("api")); !errors.Is(err, object.ErrInUse) {
		t.Fatal(err)
	}
	if _, err := h.path.Delete(t.Context(), "default", object.KindTenant, "default", by("api")); !errors.Is(err, object.ErrInUse) && !errors.Is(err, object.ErrReadOnly) {
		t.Fatal(err)
	}
}

// Nothing of the other tenants is written when one tenant's objects are refused.
func TestApplyAllTriesEverythingFirst(t *testing.T) {
	h := newHouse(t)
	written := len(h.store.Changes)
	bad := strings.ReplaceAll(mutate(t, policyDoc, "name: notes", "name: refused"), "metadata: {name: ", "metadata: {tenant: acme, name: ")
	if _, err := h.path.ApplyAll(t.Context(), decode(t, resourceDoc+"---\n"+tenantDoc+"---\n"+bad), by("apply")); err == nil {
		t.Fatal("applied")
	}
	if len(h.store.Changes) != written {
		t.Fatal("a part was written")
	}
}

func TestAStoreThatFailsIsReported(t *testing.T) {
	h := newHouse(t)
	h.store.Fail = object.ErrConflict
	if _, err := h.path.Apply(t.Context(), "default", decode(t, resourceDoc), by("apply")); !errors.Is(err, object.ErrConflict) {
		t.Fatal(err)
	}
}

// Many who apply at once: grants that exclude each other do not both come in.
func TestApplyAtOnce(t *testing.T) {
	h := newHouse(t)
	var wg sync.WaitGroup
	var made atomic.Int32
	for i := range 20 {
		objects := decode(t, mutate(t, policyDoc, "name: notes", fmt.Sprintf("name: p%d", i)))
		wg.Go(func() {
			if _, err := h.path.Apply(t.Context(), "default", objects, by("apply")); err == nil {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Fatalf("%d grant policies for one request", made.Load())
	}
}

// What another replica changes between a plan and its writing sends the plan back.
func TestAPlanIsMadeAgain(t *testing.T) {
	h := newHouse(t)
	owner, err := h.path.TenantUID(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		moves int
		want  error
	}{
		"never": {0, nil}, "once": {1, nil}, "three times": {3, nil}, "four times": {4, object.ErrConflict},
	} {
		for _, act := range []struct {
			name string
			do   func() error
		}{
			{"apply", func() error {
				_, err := h.path.Apply(t.Context(), "default", decode(t, resourceDoc), by("apply"))
				return err
			}},
			{"delete", func() error {
				_, err := h.path.Delete(t.Context(), "default", object.KindResource, "notes", by("apply"))
				return err
			}},
		} {
			t.Run(act.name+" "+name, func(t *testing.T) {
				if act.name == "delete" {
					h.store.Before = nil
					h.apply(t, resourceDoc, by("apply"))
				}
				left := test.moves
				h.store.Before = func(versions map[tenant.UID]int64) {
					if left > 0 {
						versions[owner]++
						left--
					}
				}
				if err := act.do(); !errors.Is(err, test.want) {
					t.Fatalf("%v, want %v", err, test.want)
				}
				if left != 0 {
					t.Fatalf("%d moves were not met", left)
				}
				h.store.Before = nil
				if test.want == nil && act.name == "apply" {
					if _, err := h.path.Delete(t.Context(), "default", object.KindResource, "notes", by("apply")); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// Two ways of saying nothing are one.
func TestEmptyIsAbsent(t *testing.T) {
	h := newHouse(t)
	h.apply(t, mutate(t, resourceDoc, "{lifetime: 10m, dpop: optional, algorithm: ES256, claims: []}", "{claims: []}"), by("apply"))
	if plan := h.apply(t, mutate(t, resourceDoc, "  token: {lifetime: 10m, dpop: optional, algorithm: ES256, claims: []}\n", ""), by("apply")); plan.Differs() {
		t.Fatalf("%+v", plan)
	}
}
