package pool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
	"github.com/chancery-dev/chancery/policy/policytest"
	"github.com/chancery-dev/chancery/policy/pool"
)

var sink [][]byte

// children are what a child may become, whatever brought it there: each greets as one, waits until something is asked, and
// does its worst.
var children = map[string]func() int{
	"memory": func() int {
		limited()
		for {
			b := make([]byte, 4<<20)
			for i := range b {
				b[i] = 1
			}
			sink = append(sink, b)
		}
	},
	"one-call": func() int {
		limited()
		sink = append(sink, make([]byte, 12_500_000_000))
		return len(sink)
	},
	"hang": func() int {
		limited()
		for {
			sink = nil
		}
	},
	"gone":    func() int { limited(); return 0 },
	"garbage": func() int { limited(); return say("\xff\xff\xff\xffR0123456789") },
	"liar": func() int {
		limited()
		text := "R" + strings.Repeat("\x00", 9) + `{"allow": "true"}`
		say("\x00\x00\x00\x01K\x00\x00\x00" + string(rune(len(text))) + text)
		_, _ = io.Copy(io.Discard, os.Stdin)
		return 0
	},
	"mute": func() int { return 7 },
}

// limited does what a child does until it is sent a policy.
func limited() {
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		os.Exit(9)
	}
	if _, err := confine.Process(confine.Limits{Memory: 128 << 20, CPU: time.Minute}); err != nil {
		os.Exit(9)
	}
	say("\x00\x00\x00\x01K")
	if _, err := in.ReadByte(); err != nil {
		os.Exit(0)
	}
}

func say(text string) int {
	_, _ = os.Stdout.WriteString(text)
	return 0
}

const yes = `decision := {"allow": true}`

// T59: whatever ends a child costs the request that was in it, with a reason, and the next one has another child.
func TestAChildCostsItsRequestOnly(t *testing.T) {
	for argument, code := range map[string]string{
		"memory": policy.CodeMemory, "one-call": policy.CodeMemory, "hang": policy.CodeTimeout,
		"gone": policy.CodeError, "garbage": policy.CodeError, "liar": policy.CodeResultInvalid,
	} {
		t.Run(argument, func(t *testing.T) {
			w := open(t, 500*time.Millisecond, func(c *pool.Config) { pool.As(c, argument) })
			set := isolated(t, policytest.Grant(yes))
			for range 2 {
				start := time.Now()
				if d := w.Decide(t.Context(), set, policytest.Alice()); d.Allow || d.Code != code {
					t.Errorf("%+v", d)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("took %s", took)
				}
				if argument == "liar" { // it lives on, and has said what it had to say
					break
				}
			}
		})
	}
}

func TestAPoolThatDoesNotStartIsRefused(t *testing.T) {
	for name, change := range map[string]func(*pool.Config){
		"no binary":       func(c *pool.Config) { c.Executable = "/nonexistent/chancery" },
		"no child":        func(c *pool.Config) { pool.As(c, "mute") },
		"another command": func(c *pool.Config) { c.Executable = "/bin/true" },
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			change(&c)
			p, err := pool.New(c)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close(t.Context())
			if err := p.Check(t.Context()); err == nil {
				t.Error("it started")
			}
			e := policy.NewInProcess(50*time.Millisecond, policy.WithFar(p))
			defer e.Close()
			if d := e.Decide(t.Context(), isolated(t, policytest.Grant(yes)), policytest.Alice()); d.Allow || d.Code != policy.CodeTimeout {
				t.Errorf("%+v", d)
			}
		})
	}
	for name, c := range map[string]pool.Config{"no binary": {Memory: 1 << 30}, "no memory": {Executable: "/bin/true"}, "little memory": {Executable: "/bin/true", Memory: 1 << 20}} {
		if _, err := pool.New(c); err == nil {
			t.Errorf("%s: made", name)
		}
	}
}

func TestTheChildInheritsNoEnvironment(t *testing.T) {
	t.Setenv("CHANCERY_ADMIN_TOKEN", "secret")
	w := open(t, patience, func(c *pool.Config) { pool.As(c, "environment") })
	if d := w.Decide(t.Context(), isolated(t, policytest.Grant(yes)), policytest.Alice()); !d.Allow {
		t.Errorf("%+v", d)
	}
}

// search takes a long time in one call, which heeds nothing.
var search = "decision := {\"allow\": indexof(x14, concat(\"\", [x13, \"x\"])) == -1}\n\nx0 := \"éé\"\n\n" + policytest.Doubled(14, `concat("", [%s, %s])`)

// loop takes hours and heeds its cancellation.
var loop = "decision := {\"allow\": true} if {\n\tn := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\tcount([1 | n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]; n[_]]) > 0\n}"

// grows keeps long strings, each another, until there is no memory left: sooner than its time runs out.
var grows = "decision := {\"allow\": count(all) > 0}\n\nn := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\nx0 := \"xx\"\n\n" + policytest.Doubled(14, `concat("", [%s, %s])`) +
	"all := [concat(\"\", [x14, format_int(a, 10), format_int(b, 10), format_int(c, 10), format_int(d, 10), format_int(e, 10)]) | a := n[_]; b := n[_]; c := n[_]; d := n[_]; e := n[_]]"

// compiling is a page of Rego that no deadline of the compiler stops.
var compiling = func() string {
	var b strings.Builder
	for _, name := range []string{"a", "b"} {
		b.WriteString(name + " := x60 if {\n\tx0 := [input.user.id]\n")
		for i := 1; i <= 60; i++ {
			fmt.Fprintf(&b, "\tx%d := [x%d, x%d]\n", i, i-1, i-1)
		}
		b.WriteString("}\n\n")
	}
	return b.String() + "decision := {\"allow\": a == b}"
}()

// M6, slipped past the gate: each is denied with its reason, and the next policy has an evaluator.
func TestBombsElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		budget time.Duration
		code   string
		kills  bool
	}{
		"heeds its cancellation": {loop, 50 * time.Millisecond, policy.CodeTimeout, false},
		"heeds nothing":          {search, time.Millisecond, policy.CodeTimeout, true},
		"memory":                 {grows, patience, policy.CodeMemory, true},
		"in the compiler":        {compiling, 50 * time.Millisecond, "", true},
		"cannot be compiled":     {`decision := {"allow": bits.lsh(1, 100000000000) > 0}`, 50 * time.Millisecond, policy.CodeError, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, c.budget, nil)
			d := w.Decide(t.Context(), isolated(t, policytest.Grant(c.body)), policytest.Alice())
			if d.Allow || c.code != "" && d.Code != c.code || d.Code != policy.CodeTimeout && d.Code != policy.CodeMemory && d.Code != policy.CodeError {
				t.Errorf("%+v", d)
			}
			if kills := w.killed.Load() > 0; kills != c.kills {
				t.Errorf("killed: %v", kills)
			}
			patient := policy.NewInProcess(patience, policy.WithFar(w.pool))
			defer patient.Close()
			if d := patient.Decide(t.Context(), isolated(t, policytest.Grant(yes)), policytest.Alice()); !d.Allow {
				t.Errorf("afterwards: %+v", d)
			}
		})
	}
}

// F22: one killed child costs exactly the request that ran in it: what runs beside it and what comes after is answered.
func TestNobodyElsePays(t *testing.T) {
	w := open(t, patience, func(c *pool.Config) { c.Size = 3 })
	hasty := policy.NewInProcess(time.Millisecond, policy.WithFar(w.pool))
	defer hasty.Close()
	bomb, good := isolated(t, policytest.Grant(search)), isolated(t, policytest.Grant(yes))
	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	var answered atomic.Int32
	for range 4 {
		others.Go(func() {
			for ctx.Err() == nil {
				if d := w.Decide(t.Context(), good, policytest.Alice()); !d.Allow {
					t.Errorf("%+v", d)
					return
				}
				answered.Add(1)
			}
		})
	}
	// On a busy machine an evaluation may be cancelled before its long call begins, which kills nothing.
	for range 100 {
		d := hasty.Decide(t.Context(), bomb, policytest.Alice())
		if d.Allow || d.Code != policy.CodeTimeout {
			t.Errorf("%+v", d)
		}
		if d.Behind() { // it had its evaluator killed three times: for a while it is not asked
			break
		}
	}
	if d := hasty.Decide(t.Context(), bomb, policytest.Alice()); !d.Behind() {
		t.Errorf("%+v", d)
	}
	for deadline := time.Now().Add(10 * time.Second); answered.Load() < 100 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	stop()
	others.Wait()
	if n := answered.Load(); n < 100 {
		t.Errorf("%d were answered", n)
	}
	if n := w.killed.Load(); n != 3 {
		t.Errorf("%d were killed", n)
	}
}

func TestCancelledRequestsAreAnswered(t *testing.T) {
	w := open(t, patience, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	set := isolated(t, policytest.Grant(yes))
	if d := w.Decide(ctx, set, policytest.Alice()); d.Allow || d.Code != policy.CodeTimeout {
		t.Errorf("%+v", d)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if d := w.Decide(ctx, isolated(t, policytest.Grant(loop)), policytest.Alice()); d.Allow || d.Code != policy.CodeTimeout || time.Since(start) > 5*time.Second {
		t.Errorf("%+v after %s", d, time.Since(start))
	}
	if d := w.Decide(t.Context(), set, policytest.Alice()); !d.Allow {
		t.Errorf("%+v", d)
	}
}

// A child that has used up its processor time is replaced before the kernel ends it.
func TestChildrenAreReplaced(t *testing.T) {
	w := open(t, patience, func(c *pool.Config) { pool.Lives(c, 100*time.Millisecond) })
	set := isolated(t, policytest.Grant(yes))
	for range 300 {
		if d := w.Decide(t.Context(), set, policytest.Alice()); !d.Allow {
			t.Fatalf("%+v", d)
		}
	}
	if n := w.killed.Load(); n > 0 {
		t.Errorf("%d were killed", n)
	}
}

// A child keeps a bounded number of policies.
func TestManyPolicies(t *testing.T) {
	w := open(t, patience, func(c *pool.Config) { c.Size = 1 })
	for i := range 1500 {
		src := policytest.Grant(fmt.Sprintf("decision := {\"allow\": true, \"claims\": {\"n\": %d}}", i%1200))
		if d := w.Decide(t.Context(), isolated(t, src), policytest.Alice()); !d.Allow {
			t.Fatalf("%d: %+v", i, d)
		}
	}
	if n := w.killed.Load(); n > 0 {
		t.Errorf("%d were killed", n)
	}
}

func TestLargeData(t *testing.T) {
	w := open(t, patience, nil)
	grants := make([]any, 50_000)
	for i := range grants {
		grants[i] = map[string]any{"groups": []any{fmt.Sprintf("group-%d", i)}, "resource": fmt.Sprintf("resource-%d", i%100), "scopes": []any{"read"}}
	}
	grants = append(grants, map[string]any{"groups": []any{"notes-editors"}, "resource": "notes", "scopes": []any{"notes:write"}})
	src := policy.Source{Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{"grants": grants}}
	start := time.Now()
	if d := w.Decide(t.Context(), isolated(t, src), policytest.Alice()); !d.Allow || len(d.Scopes) != 2 {
		t.Errorf("%+v", d)
	}
	t.Logf("first answer after %s", time.Since(start))
	if n := w.killed.Load(); n > 0 {
		t.Errorf("%d were killed", n)
	}
}

func TestClosedPoolDenies(t *testing.T) {
	w := open(t, patience, nil)
	set := isolated(t, policytest.Grant(yes))
	if d := w.Decide(t.Context(), set, policytest.Alice()); !d.Allow {
		t.Fatalf("%+v", d)
	}
	if err := errors.Join(w.pool.Close(t.Context()), w.pool.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if d := w.Decide(t.Context(), set, policytest.Alice()); d.Allow || d.Code != policy.CodeError {
		t.Errorf("%+v", d)
	}
}
