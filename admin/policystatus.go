package admin

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/shadow"
)

// policyState is what runs of a policy, where, and what waits.
type policyState struct {
	Name      string          `json:"name"`
	UID       string          `json:"uid"`
	ManagedBy string          `json:"managed_by"`
	Live      liveRevision    `json:"live"`
	Replicas  []replicaState  `json:"replicas"`
	Agreed    bool            `json:"agreed"` // every replica that has told runs what is live
	Proposals []proposalState `json:"proposals"`
}

type liveRevision struct {
	Revision int64  `json:"revision"`
	Hash     string `json:"hash"`
}

// replicaState is a replica that holds the tenant; one without a revision does not run the policy.
type replicaState struct {
	Replica  string    `json:"replica"`
	Revision int64     `json:"revision"`
	Hash     string    `json:"hash"`
	Since    time.Time `json:"since"`
	SeenAt   time.Time `json:"seen_at"`
}

type proposalState struct {
	shownProposal
	Shadow *shadow.Counts `json:"shadow,omitempty"`
}

// maxStatusProposals bounds what is looked through for those of one policy.
const maxStatusProposals = 200

func (s *Server) policyStatus(c *gin.Context) error {
	t, o, err := s.policyOf(c)
	if err != nil {
		return err
	}
	spec, ok := o.Spec.(*object.PolicySpec)
	if !ok {
		return object.ErrNotFound
	}
	ctx := c.Request.Context()
	answer := policyState{
		Name: o.Metadata.Name, UID: o.Metadata.UID, ManagedBy: o.Metadata.ManagedBy,
		Live:     liveRevision{Revision: o.Metadata.Revision, Hash: regocheck.Hash(spec)},
		Replicas: []replicaState{}, Proposals: []proposalState{},
	}
	running, err := s.Status.Running(ctx, t)
	if err != nil {
		return err
	}
	answer.Agreed = len(running) > 0
	for _, r := range running {
		one := replicaState{Replica: r.Replica, Since: r.At, SeenAt: r.SeenAt}
		for _, ref := range r.Policies {
			if ref.UID == o.Metadata.UID {
				one.Revision, one.Hash = ref.Revision, ref.Hash
			}
		}
		answer.Agreed = answer.Agreed && one.Revision == answer.Live.Revision && one.Hash == answer.Live.Hash
		answer.Replicas = append(answer.Replicas, one)
	}
	waiting, err := s.Proposals.Store.List(ctx, t, "", maxStatusProposals)
	if err != nil {
		return err
	}
	for _, p := range waiting {
		if p.Kind != object.KindPolicy || p.Name != o.Metadata.Name || !p.At(s.Now()).Open() {
			continue
		}
		one := proposalState{shownProposal: s.show(p)}
		counted, err := s.Status.Counted(ctx, t, p.ID, p.Hash)
		if err != nil {
			return err
		}
		if !p.ShadowUntil.IsZero() || counted.Seen > 0 {
			one.Shadow = &counted
		}
		answer.Proposals = append(answer.Proposals, one)
	}
	c.JSON(http.StatusOK, answer)
	return nil
}
