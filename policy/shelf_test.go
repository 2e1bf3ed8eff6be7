package policy_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
)

func shelved(tb testing.TB, s *policy.Shelf, src policy.Source) *policy.Compiled {
	tb.Helper()
	c, err := s.Compile(tb.Context(), src)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func setOf(tb testing.TB, own ...*policy.Compiled) *policy.Set {
	tb.Helper()
	s, err := policy.NewSet(own, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// of makes policies that decide differently.
func of(i int) policy.Source {
	return grant(fmt.Sprintf("decision := {\"allow\": true, \"lifetime\": %d}", i+1))
}

func TestIdenticalPoliciesAreCompiledOnce(t *testing.T) {
	shelf := policy.NewShelf(0)
	e := policy.NewInProcess(patience)
	defer e.Close()
	var all []*policy.Compiled
	for i := range 1000 {
		src := groupScopes(50)
		src.UID, src.Revision, src.Resources = fmt.Sprintf("pol_%d", i), int64(i), []string{"notes", fmt.Sprintf("r%d", i)}
		all = append(all, shelved(t, shelf, src))
	}
	if n, _ := shelf.Kept(); n != 1 {
		t.Errorf("%d are compiled", n)
	}
	for _, i := range []int{0, 999} {
		d := e.Decide(t.Context(), setOf(t, all[i]), alice())
		if !d.Allow || d.Policies[0] != all[i].Ref() || d.Policies[0].UID != fmt.Sprintf("pol_%d", i) {
			t.Errorf("%+v", d)
		}
	}
	other := groupScopes(51)
	shelved(t, shelf, other)
	if n, _ := shelf.Kept(); n != 2 {
		t.Errorf("%d are compiled", n)
	}
}

// What one tenant does to a policy, another with the same text does not notice.
func TestSharedPoliciesAreApart(t *testing.T) {
	shelf := policy.NewShelf(0)
	hasty, patient := policy.NewInProcess(15*time.Millisecond), policy.NewInProcess(patience)
	defer hasty.Close()
	defer patient.Close()
	mine, yours := setOf(t, shelved(t, shelf, grant(search))), setOf(t, shelved(t, shelf, grant(search)))
	for range 5 {
		hasty.Decide(t.Context(), mine, alice())
	}
	if d := patient.Decide(t.Context(), yours, alice()); !d.Allow {
		t.Errorf("%+v", d)
	}
}

func TestIdlePoliciesArePutAway(t *testing.T) {
	const few = 4
	_, one := cost(t)
	shelf := policy.NewShelf(few * one)
	e := policy.NewInProcess(patience)
	defer e.Close()
	var all []*policy.Compiled
	for i := range 10 * few {
		all = append(all, shelved(t, shelf, of(i)))
	}
	if n, bytes := shelf.Kept(); n > few || bytes > few*one {
		t.Errorf("%d are compiled, %d bytes", n, bytes)
	}
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for i, c := range all { // also those that were put away
				if d := e.Decide(t.Context(), setOf(t, c), alice()); !d.Allow || d.Lifetime != time.Duration(i+1)*time.Second {
					t.Errorf("%d: %+v", i, d)
					return
				}
			}
		})
	}
	callers.Wait()
	if n, _ := shelf.Kept(); n > few {
		t.Errorf("%d are compiled", n)
	}
	runtime.KeepAlive(all)
}

func cost(t *testing.T) (policies int, bytes int64) {
	t.Helper()
	shelf := policy.NewShelf(0)
	c := shelved(t, shelf, of(0))
	defer runtime.KeepAlive(c)
	return shelf.Kept()
}

// One that is larger than the bound is kept alone: it must be answered.
func TestOneIsKept(t *testing.T) {
	shelf := policy.NewShelf(1)
	e := policy.NewInProcess(patience)
	defer e.Close()
	for range 3 {
		for i := range 3 {
			if d := e.Decide(t.Context(), setOf(t, shelved(t, shelf, of(i))), alice()); !d.Allow {
				t.Errorf("%+v", d)
			}
			if n, _ := shelf.Kept(); n != 1 {
				t.Errorf("%d are compiled", n)
			}
		}
	}
}

func TestShelfRefusesWhatCompileDoes(t *testing.T) {
	shelf := policy.NewShelf(0)
	bad := grant("decision := http.send({})")
	if _, err := shelf.Compile(t.Context(), bad); err == nil {
		t.Error("a built-in that is not available was compiled")
	}
	bad = of(0)
	bad.Actions = []string{}
	if _, err := shelf.Compile(t.Context(), bad); err == nil {
		t.Error("a policy that is never asked was compiled")
	}
	if _, err := shelf.Isolate(bad); err == nil {
		t.Error("a policy that is never asked was isolated")
	}
	if n, _ := shelf.Kept(); n != 0 {
		t.Errorf("%d are compiled", n)
	}
	a, err := shelf.Isolate(of(0))
	if err != nil {
		t.Fatal(err)
	}
	b, err := shelf.Isolate(of(0))
	if err != nil || !a.Isolated() || shelved(t, shelf, of(0)).Isolated() {
		t.Errorf("%v", err)
	}
	keyA, text, size := a.Content()
	keyB, _, _ := b.Content()
	unpacked, err := text()
	if err != nil || keyA != keyB || len(unpacked) != size {
		t.Errorf("%x %x, %d of %d bytes, %v", keyA, keyB, len(unpacked), size, err)
	}
}

func TestCoverOfTests(t *testing.T) {
	src := grant("decision := {\"allow\": true} if {\n\tinput.user.id\n\tinput.client.id\n}\n\ndecision := {\"allow\": false, \"deny\": [\"nobody\"]} if not input.user")
	src.Tests = map[string]string{"notes_test.rego": "package chancery.authz\n\ntest_yes if decision.allow with input as {\"user\": {\"id\": \"u\"}, \"client\": {\"id\": \"c\"}}"}
	results, coverage, err := compile(t, src).Cover(t.Context())
	if err != nil || len(results) != 1 || !results[0].Passed || len(coverage.Files) != 1 || coverage.Files[0].File != "notes.rego" {
		t.Fatalf("%+v, %+v, %v", results, coverage, err)
	}
	if f := coverage.Files[0]; f.Covered != 4 || f.Lines != 5 || len(f.NotReached) == 0 || f.NotReached[0].From != 8 || coverage.Percent() != 80 { // as opa counts: a line twice whose condition is evaluated and whose head is not
		t.Errorf("%+v", coverage)
	}
	if p := (policy.Coverage{}).Percent(); p != 100 {
		t.Errorf("of nothing: %v", p)
	}
}
