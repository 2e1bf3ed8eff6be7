package policy

import (
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

func compiled(t *testing.T, role Role, binds Binds, modules map[string]string) *Compiled {
	t.Helper()
	c, err := Compile(t.Context(), Source{UID: "pol_1", Name: "notes", Role: role, Binds: binds, Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A guard that binds all tenants runs out of time on what one of them sends; the others do not notice.
func TestTenantsAreApartInAGuardThatBindsAll(t *testing.T) {
	yes := map[string]string{"notes.rego": "package chancery.authz\n\ndecision := {\"allow\": true, \"scopes\": []}"}
	inherited := []*Compiled{compiled(t, RoleGuard, BindsAll, yes)}
	var sets [2]*Set
	for i := range sets {
		var err error
		if sets[i], err = NewSet([]*Compiled{compiled(t, RoleGrant, BindsTenant, yes)}, inherited); err != nil {
			t.Fatal(err)
		}
	}
	in := &Input{Action: ActionIssue, Resource: &Resource{Name: "notes"}}
	sets[0].rest[actionIndex(ActionIssue)].guards[0].flight.stuck.Add(1)
	e := NewInProcess(10 * time.Second)
	defer e.Close()
	if d := e.Decide(t.Context(), sets[0], in); d.Allow || d.Code != CodeTimeout {
		t.Errorf("where it is stuck: %+v", d)
	}
	if d := e.Decide(t.Context(), sets[1], in); !d.Allow {
		t.Errorf("elsewhere: %+v", d)
	}
}

// The index is evaluated without the rest of the policy. What it would read there is
// refused: read as nothing, it would turn a list of those who are banned into an empty one.
func TestIndexSeesDataOnly(t *testing.T) {
	const decides = "package chancery.authz\n\nbanned contains \"eve\"\n\ndecision := {\"allow\": true, \"deny\": [x | some x in data.chancery.authz.index.denied]}"
	for name, c := range map[string]struct {
		index string
		fits  bool
	}{
		"data.policy":        {"denied contains x if some x in data.policy.denied", true},
		"itself":             {"denied contains x if some x in data.chancery.authz.index.all\n\nall contains \"eve\"", true},
		"a rule beside it":   {"denied contains x if some x in data.chancery.authz.banned", false},
		"by a name imported": {"import data.chancery.authz.banned\n\ndenied contains x if some x in banned", false},
		"in brackets":        {"denied contains x if {\n\tx := \"eve\"\n\tdata.policy.of[data.chancery.authz.banned[x]]\n}", false},
		"all of data":        {"denied contains x if some x in data", false},
		"any part of data":   {"denied contains x if data[x]", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(t.Context(), Source{UID: "pol_1", Name: "ban", Role: RoleGuard, Modules: map[string]string{
				"ban.rego": decides, "index.rego": "package chancery.authz.index\n\n" + c.index,
			}})
			e, refused := errors.AsType[*CompileError](err)
			if refused == c.fits || refused && (e.Code != "index_reads" || e.File != "index.rego") {
				t.Errorf("%v", err)
			}
		})
	}
}

// However many policies of a tenant run out of time at once, others have their turn.
func TestManyBombsAreNoMoreThanOne(t *testing.T) {
	loop := map[string]string{"loop.rego": "package chancery.authz\n\ndecision := {\"allow\": true} if {\n" +
		"\tn := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\tcount([1 | n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]]) > 0\n}"}
	many := 4 * slotsPerCore * runtime.GOMAXPROCS(0)
	var bombs []*Compiled
	for i := range many {
		c := compiled(t, RoleGrant, BindsTenant, loop)
		c.src.Resources = []string{strconv.Itoa(i)}
		bombs = append(bombs, c)
	}
	set, err := NewSet(bombs, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := NewInProcess(0)
	defer e.Close()
	var callers sync.WaitGroup
	for i := range many {
		callers.Go(func() {
			if d := e.Decide(t.Context(), set, &Input{Action: ActionIssue, Resource: &Resource{Name: strconv.Itoa(i)}}); d.Code != CodeTimeout {
				t.Errorf("%+v", d)
			}
		})
	}
	callers.Wait()
	// A worker is kept for each evaluation that found none free.
	for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if workers := int(e.workers.idle.Load()); workers > 2*slotsPerCore*runtime.GOMAXPROCS(0) { // one may be made before another is free
			t.Fatalf("%d evaluations ran at a time", workers)
		}
	}
}
