package assembly

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// openDecisions puts together what is asked of the decision log.
func (s *Server) openDecisions(context.Context) error {
	log := s.store.Decisions()
	policies := decision.Policies{Objects: s.objects, Root: s.root, Checker: s.checker(), Compile: s.compiler.Compile}
	replays := &decision.Replays{Log: log, Policies: policies, Pictures: s.source, Jobs: s.store.Replays(), Now: s.Now, Logger: s.Log, Evaluator: s.unhurried}
	s.onClose(func(context.Context) error { replays.Close(); return nil })
	evaluator, done := s.unhurried()
	s.onClose(func(context.Context) error { done(); return nil })
	s.decisions = decision.Desk{
		Log: log, Purger: purger{s}, Now: s.Now, Replays: replays,
		Court:  decision.Court{Revisions: revision.Revisions{Store: s.store.Revisions()}, Root: s.root, Evaluator: evaluator, Compile: s.compiler.Compile},
		Access: decision.Access{Objects: s.objects, Policies: policies, Pictures: s.source, Store: s.store.Replays(), Now: s.Now},
	}
	return nil
}

// unhurried decides as requests are decided, with more time for each: nobody waits for a token.
func (s *Server) unhurried() (policy.Evaluator, func()) {
	e := policy.NewInProcess(5*s.Config.Policy.TimeBudget, s.evaluation...)
	return e, e.Close
}

// purger removes decisions with an event in the audit log.
type purger struct{ *Server }

func (p purger) Purge(ctx context.Context, t tenant.UID, before time.Time, user string, e audit.Event) (int64, error) {
	return p.store.Decisions().Purge(ctx, p.ledger, t, before, user, e)
}
