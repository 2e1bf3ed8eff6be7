package policy_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/policytest"
)

// T60: whatever is not exactly a decision that allows denies, and says why.
func TestWhatIsNotADecisionDenies(t *testing.T) {
	policytest.Denies(t, func(t *testing.T, in *policy.Input, src policy.Source) policy.Decision {
		return decide(t, in, src)
	})
}

// doubled defines x1 … xn, each made of two of the one before.
func doubled(n int, form string) string {
	var b strings.Builder
	for i := 1; i <= n; i++ {
		name, before := "x"+itoa(i), "x"+itoa(i-1)
		b.WriteString(name + " := " + strings.ReplaceAll(form, "%s", before) + "\n\n")
	}
	return b.String()
}

func itoa(i int) string {
	if i < 10 {
		return string(rune('0' + i))
	}
	return itoa(i/10) + itoa(i%10)
}

func TestCancelledContextDenies(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := policy.NewInProcess(patience)
	defer e.Close()
	d := e.Decide(ctx, set(t, groupScopes(2)), alice())
	if d.Allow || d.Code != policy.CodeTimeout {
		t.Errorf("%+v", d)
	}
}

func TestTimedOutContextDenies(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	e := policy.NewInProcess(patience)
	defer e.Close()
	start := time.Now()
	d := e.Decide(ctx, set(t, grant(loop)), alice())
	if d.Allow || d.Code != policy.CodeTimeout || time.Since(start) > 5*time.Second {
		t.Errorf("%+v after %s", d, time.Since(start))
	}
}

// loop takes hours and heeds its cancellation.
const loop = `decision := {"allow": true} if {
	digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
	count([1 | digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]; digits[_]]) > 0
}`

// search takes a good part of a second in one call, which heeds nothing.
var search = "decision := {\"allow\": indexof(x14, concat(\"\", [x13, \"x\"])) == -1}\n\nx0 := \"éé\"\n\n" + doubled(14, `concat("", [%s, %s])`)

// T59, M6: what would eat the machine is denied, soon and in little memory.
func TestBombsAreStopped(t *testing.T) {
	for name, tc := range map[string]struct{ body, code string }{
		"loop":              {loop, policy.CodeTimeout},
		"set that grows":    {"decision := {\"allow\": count(grown) > 0}\n\ndigits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\ngrown contains [a, b, c, d, e, f, g, h] if {\n\ta := digits[_]\n\tb := digits[_]\n\tc := digits[_]\n\td := digits[_]\n\te := digits[_]\n\tf := digits[_]\n\tg := digits[_]\n\th := digits[_]\n}", policy.CodeTimeout},
		"string":            {"decision := {\"allow\": count(x40) > 0}\n\nx0 := input.user.id\n\n" + doubled(40, `concat("", [%s, %s])`), policy.CodeError},
		"sprintf":           {"decision := {\"allow\": count(x40) > 0}\n\nx0 := input.user.id\n\n" + doubled(40, `sprintf("%%s%%s", [%s, %s])`), policy.CodeError},
		"width":             {`decision := {"allow": sprintf("%999999d", [1]) != ""}`, policy.CodeError},
		"width of one":      {`decision := {"allow": sprintf("%*d", [999999999, 1]) != ""}`, policy.CodeError},
		"repeated":          {"decision := {\"allow\": sprintf(x12, [concat(\"\", [input.user.id, input.user.id])]) != \"\"}\n\nx0 := \"%[1]999s\"\n\n" + doubled(12, `concat("", [%s, %s])`), policy.CodeError},
		"written out":       {"decision := {\"allow\": sprintf(\"%v\", [x40]) != \"\"}\n\nx0 := [input.user.id]\n\n" + doubled(40, "[%s, %s]"), policy.CodeError},
		"replace":           {"decision := {\"allow\": count(x40) > 0}\n\nx0 := input.user.id\n\n" + doubled(40, `replace(%s, "u", concat("", [%s, "u", "u"]))`), policy.CodeError},
		"replace empty":     {"decision := {\"allow\": count(x40) > 0}\n\nx0 := input.user.id\n\n" + doubled(40, `replace(%s, "", %s)`), policy.CodeError},
		"array":             {"decision := {\"allow\": count(x40) > 0}\n\nx0 := [input.user.id]\n\n" + doubled(40, "array.concat(%s, %s)"), policy.CodeError},
		"union":             {"decision := {\"allow\": count(object.union(x40, x40)) > 0}\n\nx0 := {\"id\": input.user.id}\n\n" + doubled(40, `{"a": %s, "b": %s}`), policy.CodeError},
		"square":            {"decision := {\"allow\": x40 > 0}\n\nx0 := input.time.unix\n\n" + doubled(40, "%s * %s"), policy.CodeError},
		"square of a float": {"decision := {\"allow\": x40 > 0}\n\nx0 := input.time.unix + 0.5\n\n" + doubled(40, "%s * %s"), policy.CodeError},
		"huge sum":          {`decision := {"allow": to_number(concat("", ["1e", "999999999"])) + 1 > 0}`, policy.CodeError},
		"huge rounding":     {`decision := {"allow": round(to_number(concat("", ["1e", "99999999"]))) > 0}`, policy.CodeError},
		"pattern":           {`decision := {"allow": regex.match("((a{100}){10}){1}", input.user.id)}`, policy.CodeError},
		"large pattern":     {`decision := {"allow": regex.match(concat("", ["(\\pL{30}){30}", "{1}"]), input.user.id)}`, policy.CodeError},
		"long pattern":      {"decision := {\"allow\": regex.match(x9, input.user.id)}\n\nx0 := input.user.id\n\n" + doubled(9, `concat("", [%s, %s])`), policy.CodeError},
		"slow match":        {"decision := {\"allow\": regex.match(\"(a?){90}(b?){90}(c?){90}x\", x13)}\n\nx0 := input.user.id\n\n" + doubled(13, `concat("", [%s, %s])`), policy.CodeError},
	} {
		t.Run(name, func(t *testing.T) {
			s := set(t, grant(tc.body))
			e := policy.NewInProcess(100 * time.Millisecond)
			defer e.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			d := e.Decide(t.Context(), s, alice())
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if d.Allow || d.Code != tc.code {
				t.Errorf("%+v", d)
			}
			if took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 512 {
				t.Errorf("allocated %d MiB", grown)
			}
		})
	}
}

// What cannot be interrupted is left behind: the caller is answered, the policy is
// not asked while it runs, another policy is, and afterwards so is this one.
func TestUninterruptibleIsLeftBehind(t *testing.T) {
	hasty, patient := policy.NewInProcess(15*time.Millisecond), policy.NewInProcess(patience)
	defer hasty.Close()
	defer patient.Close()
	bomb, other := set(t, grant(search)), set(t, groupScopes(10))
	// On a busy machine an evaluation may be cancelled before its long call begins.
	var d policy.Decision
	for range 20 {
		if d = hasty.Decide(t.Context(), bomb, alice()); d.Allow || d.Code != policy.CodeTimeout {
			t.Fatalf("%+v", d)
		}
		if d = patient.Decide(t.Context(), bomb, alice()); !d.Allow {
			break
		}
	}
	if d.Code != policy.CodeTimeout || !strings.Contains(d.Reasons[0].Detail, "not ended") {
		t.Fatalf("%+v", d)
	}
	if d := patient.Decide(t.Context(), other, alice()); !d.Allow {
		t.Fatalf("%+v", d)
	}
	for deadline := time.Now().Add(20 * time.Second); !patient.Decide(t.Context(), bomb, alice()).Allow; {
		if time.Now().After(deadline) {
			t.Fatal("the policy is not asked again")
		}
		runtime.Gosched()
	}
}

// Many callers of a policy that runs out of time are all answered soon.
func TestManyCallersOfABomb(t *testing.T) {
	e := policy.NewInProcess(10 * time.Millisecond)
	defer e.Close()
	bomb := set(t, grant(loop))
	start := time.Now()
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			if d := e.Decide(t.Context(), bomb, alice()); d.Allow || d.Code != policy.CodeTimeout {
				t.Errorf("%+v", d)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestConcurrentDecisions(t *testing.T) {
	e := policy.NewInProcess(patience)
	defer e.Close()
	s := set(
		t, groupScopes(100),
		guard("hours", `decision := {"allow": input.time.weekday in {"Monday", "Tuesday"}, "lifetime": 300}`),
		guard("clients", `decision := {"allow": true, "scopes": {s | some s in input.available_scopes}} if input.client.name in data.policy.names`),
	)
	if d := e.Decide(t.Context(), s, alice()); d.Code != policy.CodeUndefined {
		t.Fatalf("%+v", d)
	}
	clients := guard("clients", `decision := {"allow": true, "scopes": {s | some s in input.available_scopes}} if input.client.name in data.policy.names`)
	clients.Data = map[string]any{"names": []any{"claude"}}
	s = set(t, groupScopes(100), guard("hours", `decision := {"allow": input.time.weekday in {"Monday", "Tuesday"}, "lifetime": 300}`), clients)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 100 {
				in := alice()
				if i%2 == 1 {
					in.User.Groups, in.User.GroupNames = []string{}, []string{}
				}
				d := e.Decide(t.Context(), s, in)
				if d.Allow != (i%2 == 0) || (d.Allow && (len(d.Scopes) != 2 || d.Lifetime != 5*time.Minute)) {
					t.Errorf("%+v", d)
					return
				}
			}
		})
	}
	wg.Wait()
}
