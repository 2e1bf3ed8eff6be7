package assembly

import (
	"context"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/shadow"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/matrix"
)

// lookEvery is how often it is seen which drafts run beside the live policies, and what they were asked is saved.
const lookEvery = 3 * time.Second

// shelf keeps changes that a second person must allow.
func (s *Server) shelf() proposal.Shelf {
	return proposal.Shelf{Store: s.store.Proposals(s.ledger), Now: s.Now}
}

// proposals leads them to their end. Who may allow one is asked of the RoleBindings as they are then.
func (s *Server) proposals() *proposal.Desk {
	return &proposal.Desk{
		Shelf: s.shelf(), Path: s.path, Standing: admin.Standing{Persons: s.lookUp(), Pictures: s.source},
	}
}

// changes shows people what waits for a second one of them.
func (s *Server) changes() (authorize.Changes, error) {
	c := authorize.Changes{Desk: s.proposals(), Live: s.path.Get, Access: s.changedAccess}
	return c, c.Validate()
}

// changedAccess is what a draft changes of who gets what.
func (s *Server) changedAccess(ctx context.Context, t proposal.Tenant, draft []object.Object) (matrix.Difference, error) {
	before, after, err := s.decisions.Access.Draft(ctx, t.UID, t.Name, decision.Wanted{Draft: draft})
	if err != nil {
		return matrix.Difference{}, err
	}
	return matrix.Diff(before, after), nil
}

// openDrafts prepares what puts decisions to drafts.
func (s *Server) openDrafts(context.Context) error {
	s.replica = id.New(id.Replica, s.Now())
	var err error
	beside := policy.NewInProcess(s.Config.Policy.TimeBudget, append(slices.Clone(s.evaluation), policy.Beside())...)
	s.onClose(func(context.Context) error { beside.Close(); return nil })
	s.drafts, err = shadow.New(shadow.Config{
		Store: s.store.Shadows(), Proposals: s.store.Proposals(s.ledger), Policies: s.compiler, Policy: beside,
		Replica: s.replica, Now: s.Now, Log: s.Log,
	})
	return err
}

func (s *Server) askDrafts(ctx context.Context) {
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	s.drafts.Run(ctx, ticks.C)
}

// tellReplica says which policies this process has in force.
func (s *Server) tellReplica(ctx context.Context) {
	ticks := time.NewTicker(revision.BeatEvery)
	defer ticks.Stop()
	r := revision.Reporter{Replica: s.replica, Reports: s.store.Replicas(), Pictures: s.source.Held, Now: s.Now, Log: s.Log}
	r.Run(ctx, ticks.C)
}

// policyStatus implements admin.PolicyStatus.
type policyStatus struct{ server *Server }

// Running implements admin.PolicyStatus.
func (p policyStatus) Running(ctx context.Context, t tenant.UID) ([]revision.Running, error) {
	return p.server.store.Replicas().Running(ctx, t, p.server.Now().Add(-revision.AliveFor))
}

// Counted implements admin.PolicyStatus.
func (p policyStatus) Counted(ctx context.Context, t tenant.UID, proposalID, hash string) (shadow.Counts, error) {
	all, err := p.server.store.Shadows().Counted(ctx, t, proposalID, hash)
	return shadow.Sum(all), err
}
