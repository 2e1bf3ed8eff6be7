package pool_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/policytest"
	"github.com/chancery-dev/chancery/policy/pool"
)

// TestMain lets the test binary be its own child.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case pool.Argument:
			os.Exit(pool.Main(os.Stdin, os.Stdout))
		case "environment":
			if len(os.Environ()) > 2 {
				os.Exit(9)
			}
			os.Exit(pool.Main(os.Stdin, os.Stdout))
		}
		if child, ok := children[os.Args[1]]; ok {
			os.Exit(child())
		}
	}
	os.Exit(m.Run())
}

// patience is a budget that a busy machine does not spend.
const patience = 10 * time.Second

// world is an evaluator with a pool.
type world struct {
	*policy.InProcess
	pool   *pool.Pool
	killed atomic.Int32
}

func config(t testing.TB) pool.Config {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return pool.Config{Executable: exe, Memory: 128 << 20, Size: 2, Log: slog.New(slog.DiscardHandler)}
}

func open(t testing.TB, budget time.Duration, change func(*pool.Config)) *world {
	t.Helper()
	w := &world{}
	c := config(t)
	c.Killed = func(string) { w.killed.Add(1) }
	if change != nil {
		change(&c)
	}
	var err error
	if w.pool, err = pool.New(c); err != nil {
		t.Fatal(err)
	}
	if err := w.pool.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.InProcess = policy.NewInProcess(budget, policy.WithFar(w.pool))
	t.Cleanup(func() {
		w.Close()
		if err := w.pool.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return w
}

func isolated(t testing.TB, sources ...policy.Source) *policy.Set {
	t.Helper()
	var own []*policy.Compiled
	for _, src := range sources {
		c, err := policy.Isolate(src)
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, c)
	}
	set, err := policy.NewSet(own, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func compiled(t testing.TB, src policy.Source) *policy.Set {
	t.Helper()
	c, err := policy.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.NewSet([]*policy.Compiled{c}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// T60, as in process.
func TestWhatIsNotADecisionDenies(t *testing.T) {
	w := open(t, patience, nil)
	policytest.Denies(t, func(t *testing.T, in *policy.Input, src policy.Source) policy.Decision {
		return w.Decide(t.Context(), isolated(t, src), in)
	})
	if n := w.killed.Load(); n > 0 {
		t.Errorf("%d were killed", n)
	}
}

func TestAnswersAreThoseOfTheProcess(t *testing.T) {
	w := open(t, patience, nil)
	for name, body := range policytest.Bodies() {
		t.Run(name, func(t *testing.T) {
			src := policytest.Grant(body)
			far, near := w.Decide(t.Context(), isolated(t, src), policytest.Alice()), w.Decide(t.Context(), compiled(t, src), policytest.Alice())
			a, err := json.Marshal(far)
			if err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(near)
			if err != nil {
				t.Fatal(err)
			}
			if string(a) != string(b) {
				t.Errorf("elsewhere %s\nhere      %s", a, b)
			}
		})
	}
}

// A template with its index, and guards on both sides.
func TestGuardsHereAndElsewhere(t *testing.T) {
	w := open(t, patience, nil)
	template := policy.Source{UID: "pol_t", Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{
		"grants": []any{map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}}},
	}}
	guard := policytest.Grant(`decision := {"allow": true, "scopes": ["notes:read"]}`)
	guard.Role, guard.Binds = policy.RoleGuard, policy.BindsAll
	grant, err := policy.Isolate(template)
	if err != nil {
		t.Fatal(err)
	}
	local, err := policy.Compile(t.Context(), guard)
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.NewSet([]*policy.Compiled{grant}, []*policy.Compiled{local})
	if err != nil {
		t.Fatal(err)
	}
	if d := w.Decide(t.Context(), set, policytest.Alice()); !d.Allow || strings.Join(d.Scopes, " ") != "notes:read" || len(d.Policies) != 2 {
		t.Errorf("%+v", d)
	}
	if members, everything := set.Reads("notes", policy.ActionIssue); !everything {
		t.Errorf("%v", members)
	}
}

func TestWhatDoesNotCompileDenies(t *testing.T) {
	w := open(t, patience, nil)
	for name, body := range map[string]string{
		"a built-in that is not available": `decision := {"allow": http.send({}).ok}`,
		"no Rego":                          `decision := {`,
		"no decision":                      `other := true`,
	} {
		t.Run(name, func(t *testing.T) {
			set := isolated(t, policytest.Grant(body))
			for range 2 {
				if d := w.Decide(t.Context(), set, policytest.Alice()); d.Allow || d.Code != policy.CodeError || d.Reasons[0].Detail == "" {
					t.Errorf("%+v", d)
				}
			}
		})
	}
	if n := w.killed.Load(); n > 0 {
		t.Errorf("%d were killed", n)
	}
}

func TestIsolatedPoliciesDenyWithoutAPool(t *testing.T) {
	e := policy.NewInProcess(patience)
	defer e.Close()
	set := isolated(t, policytest.Grant(`decision := {"allow": true}`))
	if d := e.Decide(t.Context(), set, policytest.Alice()); d.Allow || d.Code != policy.CodeError {
		t.Errorf("%+v", d)
	}
}

func TestExplainElsewhere(t *testing.T) {
	w := open(t, patience, nil)
	src := policytest.Grant("decision := {\"allow\": true} if editor\n\neditor if \"notes-editors\" in input.user.group_names")
	far, err := policy.Isolate(src)
	if err != nil {
		t.Fatal(err)
	}
	near, err := policy.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.Explain(t.Context(), far, policytest.Alice())
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.Explain(t.Context(), near, policytest.Alice())
	if err != nil || len(got) != 2 || len(want) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("elsewhere %v, here %v, %v", got, want, err)
	}
}

func TestConcurrentDecisions(t *testing.T) {
	w := open(t, patience, func(c *pool.Config) { c.Size = 3 })
	var sets []*policy.Set
	for i := range 8 {
		src := policytest.Grant(`decision := {"allow": true, "claims": {"n": ` + string(rune('0'+i)) + `}}`)
		sets = append(sets, isolated(t, src))
	}
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 50 {
				n := (i + j) % len(sets)
				d := w.Decide(t.Context(), sets[n], policytest.Alice())
				if !d.Allow || d.Claims["n"] != json.Number(string(rune('0'+n))) {
					t.Errorf("%d: %+v", n, d)
					return
				}
			}
		})
	}
	all.Wait()
}
