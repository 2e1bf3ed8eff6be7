package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/person"
)

// Approvals is what waits for people, and takes their words.
type Approvals interface {
	// WaitingFor lists what waits for a person, the oldest first.
	WaitingFor(ctx context.Context, who person.Person) ([]Approval, error)
	// Answer takes his word for one, once.
	Answer(ctx context.Context, who person.Person, id string, allow bool, v approval.Visit) (approval.State, error)
}

// Approval is a request that waits, as its approver sees it.
type Approval struct {
	ID        string            `json:"id"`
	For       *ApprovalParty    `json:"for,omitempty"` // absent: the client asks for itself
	Client    ApprovalParty     `json:"client"`
	Resource  ApprovalParty     `json:"resource"`
	Provider  string            `json:"provider,omitempty"`
	Scopes    []string          `json:"scopes"`
	Group     string            `json:"group"` // for which he answers
	Lifetime  int64             `json:"lifetime"`
	Policies  []approval.Policy `json:"policies"`
	Decision  string            `json:"decision_id"`
	BegunAt   time.Time         `json:"begun_at"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// ApprovalParty is who or what takes part.
type ApprovalParty struct {
	UID   string `json:"uid"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// approver is the person who asks; a program is none.
func (s *Server) approver(c *gin.Context) (person.Person, error) {
	p := personOf(c)
	if p == nil || p.Tenant != tenantName(c) {
		return person.Person{}, refuse(http.StatusForbidden, "person_required", "a person answers, in his own tenant, and no program: sign in with chancery login")
	}
	return p.found, nil
}

func (s *Server) listApprovals(c *gin.Context) error {
	who, err := s.approver(c)
	if err != nil {
		return err
	}
	found, err := s.Approvals.WaitingFor(c.Request.Context(), who)
	if err != nil {
		return err
	}
	if found == nil {
		found = []Approval{}
	}
	c.JSON(http.StatusOK, page[Approval]{Items: found})
	return nil
}

func (s *Server) answerApproval(allow bool) endpoint {
	return func(c *gin.Context) error {
		who, err := s.approver(c)
		if err != nil {
			return err
		}
		state, err := s.Approvals.Answer(c.Request.Context(), who, c.Param("id"), allow, approval.Visit{Trace: traceOf(c), Remote: remoteOf(c.Request)})
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, map[string]any{"id": c.Param("id"), "allowed": allow, "state": state})
		return nil
	}
}
