package assembly

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
	"github.com/chancery-dev/chancery/policy/gate"
	"github.com/chancery-dev/chancery/policy/pool"
)

// openPolicies makes what compiles and evaluates them: in children with hard limits what tenants other than the default one
// write, and everything under policy.isolation: process. A process that is to be isolated and cannot be does not start.
func (s *Server) openPolicies(ctx context.Context) error {
	options, killed := []policy.Option{policy.WithApprovals()}, s.countKilled()
	where := regocheck.Here
	all := s.Config.Policy.Isolation == config.IsolationProcess
	switch {
	case all && s.Executable == "":
		return errors.New("policy.isolation: process: this binary is not known, so no child can be made of it")
	case all:
		where = regocheck.Elsewhere
	case s.Executable != "":
		where = regocheck.OthersElsewhere
	}
	if where != regocheck.Here {
		children, err := s.openChildren(ctx, all, killed)
		if err != nil {
			return fmt.Errorf("policy.isolation: %w", err)
		}
		if children != nil {
			options = append(options, policy.WithFar(children))
		}
	}
	s.rooms = gate.NewRooms()
	s.compiler = regocheck.NewCompiler(where, policy.NewShelf(0))
	s.evaluation = options
	evaluator := policy.NewInProcess(s.Config.Policy.TimeBudget, options...)
	s.onClose(func(context.Context) error { evaluator.Close(); return nil })
	s.evaluator = evaluator
	return nil
}

// openChildren makes the pool. Where no process can be limited there is none, and what would be evaluated there denies.
func (s *Server) openChildren(ctx context.Context, now bool, killed func(code string)) (*pool.Pool, error) {
	memory, err := s.Config.Policy.MemoryBytes()
	if err != nil {
		return nil, err
	}
	children, err := pool.New(pool.Config{Executable: s.Executable, Memory: memory, Log: s.Log, Killed: killed})
	if errors.Is(err, confine.ErrUnavailable) && !now {
		s.Log.Warn("policies of modules that tenants other than default write deny on this system", "error", err)
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	s.onClose(children.Close)
	if now {
		return children, children.Check(ctx)
	}
	return children, nil
}

// checker checks what is applied: what others wrote in a child with hard limits.
func (s *Server) checker() regocheck.Checker {
	c := regocheck.Checker{Floor: s.Config.Policy.CoverageFloor, Budget: s.Config.Policy.TimeBudget, Advise: s.Config.Policy.Lint != config.LintRefuse, Inputs: s.decidedInputs}
	if rooms := s.rooms; s.Executable != "" {
		c.Gate = func(ctx context.Context, r gate.Request) (gate.Report, error) {
			return rooms.Examine(ctx, s.Executable, r)
		}
	}
	return c
}

// decidedInputs are the newest inputs that were decided on for a tenant.
func (s *Server) decidedInputs(ctx context.Context, t tenant.UID) iter.Seq[[]byte] {
	return decision.Inputs(ctx, s.store.Decisions(), t, func(err error) {
		s.Log.Warn("what evaluation of a policy costs was not measured on recorded inputs", "error", err)
	})
}

// trial puts what was decided to policies that change. What it needs may be opened after it.
type trial struct{ *Server }

// Try implements object.Trial.
func (t trial) Try(ctx context.Context, of tenant.UID, name string, policies map[string]*object.PolicySpec, most *int) (refused, warned []object.Problem, err error) {
	return decision.Trial{
		Log: t.store.Decisions(), Policies: decision.Policies{Objects: t.objects, Root: t.root, Compile: t.compiler.Compile}, Pictures: t.source,
		Evaluator: t.unhurried, Now: t.Now, Most: t.Config.Policy.MaxFlips,
	}.Try(ctx, of, name, policies, most)
}

// countKilled counts children that were killed with the policy they evaluated, by the code of the denial.
func (s *Server) countKilled() func(code string) {
	counts := map[string]*atomic.Uint64{}
	for _, code := range []string{policy.CodeTimeout, policy.CodeMemory, policy.CodeError} {
		n := &atomic.Uint64{}
		counts[code] = n
		s.metrics.Counter("chancery_policy_children_killed_total", "Children that evaluated policies and were killed, by the code of the denial.",
			metrics.Labels{"code": code}, func() float64 { return float64(n.Load()) })
	}
	return func(code string) {
		if n, known := counts[code]; known {
			n.Add(1)
			return
		}
		counts[policy.CodeError].Add(1)
	}
}
