package assembly

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// openDecisions puts together what is asked of the decision log.
func (s *Server) openDecisions(context.Context) error {
	log := s.store.Decisions()
	checker := s.checker()
	checker.Inputs = nil // what a draft costs is asked when it is published
	policies := decision.Policies{Objects: s.objects, Root: s.root, Checker: checker, Compile: s.compiler.Compile}
	replays := &decision.Replays{Log: log, Policies: policies, Pictures: s.source, Jobs: s.store.Replays(), Now: s.Now, Logger: s.Log, Evaluator: s.unhurried}
	s.onClose(func(context.Context) error { replays.Close(); return nil })
	evaluator, done := s.unhurried()
	s.onClose(func(context.Context) error { done(); return nil })
	s.decisions = decision.Desk{
		Log: log, Turns: &decision.Turns{}, Purger: purger{s}, Now: s.Now, Replays: replays,
		Court:  decision.Court{Revisions: revision.Revisions{Store: s.store.Revisions()}, Root: s.root, Evaluator: evaluator, Compile: s.compiler.Compile, Tests: s.testElsewhere()},
		Access: decision.Access{Objects: s.objects, Policies: policies, Pictures: s.source, Store: s.store.Replays(), Now: s.Now, Evaluator: s.unhurried},
	}
	s.keepMatrices()
	return nil
}

// keepMatrices keeps the access matrix of what is live with every revision of a policy that is published through this process,
// beside the requests. Where many are published at once, some have none.
func (s *Server) keepMatrices() {
	published := make(chan object.Stored, 256)
	s.objects.After(func(_ context.Context, a store.Applied) {
		for _, c := range a.Changes {
			if c.Kind != object.KindPolicy || c.Deleted {
				continue
			}
			select {
			case published <- c.Stored:
			default:
				s.Log.Warn("no access matrix is kept of a revision: too many are published at once", "policy", c.Name, "revision", c.Revision)
			}
		}
	})
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case one := <-published:
				if err := s.keepMatrix(ctx, one); err != nil && ctx.Err() == nil {
					s.Log.Warn("no access matrix is kept of a revision", "policy", one.Name, "revision", one.Revision, "error", err)
				}
			}
		}
	})
	s.onClose(func(context.Context) error { stop(); work.Wait(); return nil })
}

func (s *Server) keepMatrix(ctx context.Context, one object.Stored) error {
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t.UID == one.Tenant.String() {
			return s.decisions.Access.Publish(ctx, one.Tenant, t.Name, one.UID, one.Revision)
		}
	}
	return nil
}

// unhurried decides as requests are decided, with more time for each: nobody waits for a token.
func (s *Server) unhurried() (policy.Evaluator, func()) {
	e := policy.NewInProcess(5*s.Config.Policy.TimeBudget, append(slices.Clone(s.evaluation), policy.Beside())...)
	return e, e.Close
}

// testElsewhere runs tests in a child with hard limits; nil where there is none.
func (s *Server) testElsewhere() func(context.Context, policy.Source) (bool, error) {
	if s.Executable == "" {
		return nil
	}
	return func(ctx context.Context, src policy.Source) (bool, error) {
		report, err := s.rooms.Examine(ctx, s.Executable, gate.Request{Source: src, Author: src.UID, Budget: s.Config.Policy.TimeBudget, Advise: true})
		if !report.Done {
			return false, err
		}
		return len(report.Refused) == 0 && report.Tests > 0 && len(report.Failed) == 0, nil
	}
}

// purger removes decisions with an event in the audit log.
type purger struct{ *Server }

func (p purger) Purge(ctx context.Context, t tenant.UID, before time.Time, user string, e audit.Event) (int64, error) {
	return p.store.Decisions().Purge(ctx, p.ledger, t, before, user, e)
}
