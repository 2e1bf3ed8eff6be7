package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime/debug"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
	"github.com/chancery-dev/chancery/policy/lint"
)

// Exit statuses of the child.
const (
	exitDone   = 0
	exitBroken = 3
	exitLate   = 4
)

// maxStack bounds a goroutine's stack in the child: compiling something deeply nested
// ends there, not in the machine's memory.
const maxStack = 64 << 20

// Main is the child. It limits itself before it reads the policy, and returns the
// exit status of the process.
func Main(stdin io.Reader, stdout io.Writer) int {
	decoder := json.NewDecoder(stdin)
	decoder.UseNumber()
	var l limits
	if err := decoder.Decode(&l); err != nil {
		return broken(err)
	}
	if err := enter(l); err != nil {
		return broken(err)
	}
	var src policy.Source
	if err := decoder.Decode(&src); err != nil {
		return broken(err)
	}
	found, compiled := examine(context.Background(), src, l.Budget)
	if compiled != nil && found.Slow == "" {
		if err := found.measure(context.Background(), compiled, decoder, l.Budget); err != nil {
			return broken(err)
		}
	}
	if err := json.NewEncoder(stdout).Encode(found); err != nil {
		return broken(err)
	}
	return exitDone
}

func broken(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return exitBroken
}

// enter limits the process for the rest of its life.
func enter(l limits) error {
	if l.Memory <= 0 || l.Time <= 0 || l.Budget <= 0 {
		return errors.New("no limits were given")
	}
	time.AfterFunc(l.Time, func() { os.Exit(exitLate) }) // should the parent be gone
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(l.Memory / 4 * 3)
	// Processor time is counted of all cores together.
	_, err := confine.Process(confine.Limits{Memory: l.Memory, CPU: l.Time*cores + time.Second})
	return err
}

// cores bounds how many cores a check can use, and with it how fast it may spend its
// processor time.
const cores = 4

// examine compiles, reads, tests and tries a policy. Without a set there is nothing to evaluate.
func examine(ctx context.Context, src policy.Source, budget time.Duration) (Report, *policy.Set) {
	found := Report{Done: true}
	if src.Template == "" { // a template is not the author's
		var data any
		if src.Data != nil {
			data = src.Data
		}
		found.Findings = lint.Check(ctx, src.Modules, src.Tests, data, lint.Options{Role: src.Role, DataSchema: src.DataSchema})
	}
	compiled, err := policy.Compile(ctx, src)
	if err != nil {
		return found.refused(err), nil
	}
	results, coverage, err := compiled.Cover(ctx)
	if err != nil {
		return found.refused(err), nil
	}
	found.Tests, found.Failed = len(results), policy.Failed(results)
	if src.Template == "" {
		found.Coverage = &coverage
	}
	set, err := alone(ctx, compiled)
	if err != nil {
		return found.refused(err), nil
	}
	found.Slow = try(ctx, set, src, budget)
	return found, set
}

func (r Report) refused(err error) Report {
	es, ok := errors.AsType[policy.CompileErrors](err)
	if !ok {
		es = policy.CompileErrors{{Message: err.Error()}}
	}
	r.Refused = es
	return r
}

// alone is a set in which only the policy decides.
func alone(ctx context.Context, compiled *policy.Compiled) (*policy.Set, error) {
	own := []*policy.Compiled{compiled}
	if compiled.Source().Role == policy.RoleGuard {
		grant, err := policy.Compile(ctx, policy.Source{
			Name: "gate", Role: policy.RoleGrant, Modules: map[string]string{"gate.rego": "package chancery.authz\n\ndecision := {\"allow\": true}"},
		})
		if err != nil {
			return nil, err
		}
		own = append(own, grant)
	}
	return policy.NewSet(own, nil)
}

// try evaluates the policy for every action on a request that holds nothing in
// particular. Only running out of time counts: whether it allows is no matter here.
func try(ctx context.Context, set *policy.Set, src policy.Source, budget time.Duration) (slow string) {
	for _, action := range policy.Actions() {
		if took := shortest(ctx, set, sample(action, src), budget); took > budget {
			return "evaluation for action " + string(action)
		}
	}
	return ""
}

// shortest is the processor time that a decision takes. What else the process does at that time counts too: one that takes
// longer than its budget is made again, and the shortest counts.
func shortest(ctx context.Context, set *policy.Set, in *policy.Input, budget time.Duration) time.Duration {
	least := time.Duration(math.MaxInt64)
	for range attempts {
		evaluator := policy.NewInProcess(generous * budget)
		before := confine.Spent()
		d := evaluator.Decide(ctx, set, in)
		took := confine.Spent() - before
		evaluator.Close()
		if d.Code == policy.CodeTimeout {
			took = math.MaxInt64
		}
		if least = min(least, took); least <= budget || d.Behind() {
			break
		}
	}
	return least
}

// measure evaluates recorded inputs, for as long as there is time. One that is not asked of the policy costs nothing.
func (r *Report) measure(ctx context.Context, set *policy.Set, inputs *json.Decoder, budget time.Duration) error {
	began, total := confine.Spent(), time.Duration(0)
	for n := 1; confine.Spent()-began < inputsTime/2; n++ {
		var text json.RawMessage
		if err := inputs.Decode(&text); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		in, err := policy.ParseInput(text)
		if err != nil {
			return fmt.Errorf("recorded input %d: %w", n, err)
		}
		took := shortest(ctx, set, in, budget)
		if took > budget {
			r.Slow = fmt.Sprintf("evaluation of recorded input %d, of action %s", n, in.Action)
			break
		}
		total += took
		r.Cost.Inputs = n
		r.Cost.Longest, r.Cost.Mean = max(r.Cost.Longest, took), total/time.Duration(n)
	}
	return nil
}

const (
	attempts = 3
	// generous is how many budgets an attempt has.
	generous = 3
)

// sample is a request that has every member.
func sample(action policy.Action, src policy.Source) *policy.Input {
	resource := "sample"
	if len(src.Resources) > 0 {
		resource = src.Resources[0]
	}
	scopes := []string{"sample:read", "sample:write"}
	when := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)
	return &policy.Input{
		Action: action, Tenant: policy.Tenant{ID: "sample", Plan: "sample"}, GrantType: "sample",
		Issuer:    &policy.Issuer{ID: "https://idp.example", Name: "sample", Preset: "generic"},
		Assertion: &policy.Assertion{Profile: "id-jag", Type: "oauth-id-jag+jwt", IssuedAt: when.Unix(), ExpiresAt: when.Unix() + 300, Claims: map[string]any{}},
		User: &policy.User{
			ID: "usr_sample", Sub: "sample", Email: "sample@example.com", Kind: "person", Groups: []string{"sample"}, GroupNames: []string{"sample"},
			GroupsState: policy.GroupsComplete, GroupsSource: "claim", Roles: []string{}, Attributes: map[string]any{}, Status: "active",
		},
		Actor:  &policy.Actor{Kind: "agent", Chain: []policy.ActorLink{}},
		Client: &policy.Client{ID: "sample", Name: "sample", Type: "confidential", AuthMethod: "private_key_jwt", Scopes: scopes},
		Resource: &policy.Resource{
			Name: resource, URI: "https://resource.example", Scopes: scopes, Risk: map[string]string{"sample:write": "high"},
		},
		Requested: &policy.Requested{Scopes: scopes}, Asserted: &policy.Asserted{Scopes: scopes}, Available: scopes,
		Connection: &policy.Connection{Provider: "sample", Account: "sample", Scopes: scopes},
		Network:    &policy.Network{IP: "192.0.2.1"}, Time: policy.At(when, nil),
	}
}
