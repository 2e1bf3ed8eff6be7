package admin

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
)

// shownProposal is a proposal as it is answered.
type shownProposal struct {
	ID          string            `json:"id"`
	State       proposal.State    `json:"state"`
	Needs       []object.Need     `json:"needs"`
	Kind        object.Kind       `json:"kind"`
	Name        string            `json:"name"`
	Hash        string            `json:"hash"`
	Manager     string            `json:"manager"`
	Author      string            `json:"author"`
	Note        string            `json:"note,omitempty"`
	RollbackOf  int64             `json:"rollback_of,omitempty"`
	CreatedAt   time.Time         `json:"created_at"`
	UpdatedAt   time.Time         `json:"updated_at"`
	ExpiresAt   time.Time         `json:"expires_at"`
	ApprovedBy  string            `json:"approved_by,omitempty"`
	ApprovedAt  time.Time         `json:"approved_at,omitzero"`
	SettledBy   string            `json:"settled_by,omitempty"`
	ShadowUntil time.Time         `json:"shadow_until,omitzero"`
	Change      *object.Changeset `json:"change,omitempty"`
	Plan        *object.Plan      `json:"plan,omitempty"`   // what it would do now
	Stands      string            `json:"stands,omitempty"` // what stands in its way now
}

func (s *Server) show(p proposal.Proposal) shownProposal {
	shown := shownProposal{
		ID: p.ID, State: p.At(s.Now()), Needs: p.Needs, Kind: p.Kind, Name: p.Name, Hash: p.Hash, Manager: p.Manager,
		Author: object.PrincipalName(p.Author), Note: p.Note, RollbackOf: p.RollbackOf, CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, ExpiresAt: p.ExpiresAt,
		ApprovedAt: p.ApprovedAt, SettledBy: p.SettledBy, ShadowUntil: p.ShadowUntil,
	}
	if shown.Needs == nil {
		shown.Needs = []object.Need{}
	}
	if p.Approver != nil {
		shown.ApprovedBy = "user:" + p.Approver.Name
	}
	return shown
}

func (s *Server) tenantOf(c *gin.Context) (proposal.Tenant, error) {
	t, err := s.uid(c)
	return proposal.Tenant{UID: t, Name: tenantName(c)}, err
}

func (s *Server) listProposals(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	limit, err := number(c, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	before, err := text(c, "cursor", 64)
	if err != nil {
		return err
	}
	found, err := s.Proposals.Store.List(c.Request.Context(), t, before, limit)
	if err != nil {
		return err
	}
	answer := page[shownProposal]{Items: []shownProposal{}}
	for _, p := range found {
		answer.Items = append(answer.Items, s.show(p))
	}
	if len(found) == limit {
		answer.Next = found[limit-1].ID
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// getProposal shows exactly what is asked: the change, and what it would do at this moment.
func (s *Server) getProposal(c *gin.Context) error {
	t, err := s.tenantOf(c)
	if err != nil {
		return err
	}
	p, plan, stands, err := s.Proposals.Show(c.Request.Context(), t, c.Param("id"))
	if err != nil {
		return err
	}
	change, err := p.Changeset()
	if err != nil {
		return err
	}
	if err := mayRead(c, change); err != nil {
		return err
	}
	shown := s.show(p)
	shown.Change = &change
	if stands != nil {
		shown.Stands = refusalOf(stands).detail
	} else if p.At(s.Now()).Open() {
		shown.Plan = &plan
	}
	c.JSON(http.StatusOK, shown)
	return nil
}

// mayRead: who rules is not for everybody who reads, nor who is to. Whoever may allow it sees it.
func mayRead(c *gin.Context, change object.Changeset) error {
	const needed = Permission("rolebinding.read")
	who := callerOf(c)
	if who.role.May(needed) || who.role.May("proposal.decide") {
		return nil
	}
	if slices.ContainsFunc(change.Objects, func(o object.Object) bool { return o.Kind == object.KindRoleBinding }) ||
		slices.ContainsFunc(change.Deletes, func(b object.Base) bool { return b.Kind == object.KindRoleBinding }) {
		return forbidden(who, needed)
	}
	return nil
}

// drafting reads the one Policy of a body, and as whom it is kept.
func (s *Server) drafting(c *gin.Context, name string) (object.Object, object.Request, error) {
	raw, err := body(c, maxBody)
	if err != nil {
		return object.Object{}, object.Request{}, err
	}
	objects, err := decode(raw)
	if err != nil {
		return object.Object{}, object.Request{}, err
	}
	if len(objects) != 1 || objects[0].Kind != object.KindPolicy {
		return object.Object{}, object.Request{}, refuse(http.StatusBadRequest, "body_malformed", "the body is one Policy")
	}
	o := objects[0]
	switch {
	case name != "" && o.Metadata.Name != name:
		return o, object.Request{}, mismatch("metadata.name", o.Metadata.Name, name)
	case o.Metadata.Tenant != "" && o.Metadata.Tenant != tenantName(c):
		return o, object.Request{}, mismatch("metadata.tenant", o.Metadata.Tenant, tenantName(c))
	}
	found, err := s.currentNamed(c, o.Metadata.Name)
	if err != nil {
		return o, object.Request{}, err
	}
	manager := object.ManagerAPI
	if found != nil {
		manager = keeper(*found)
	}
	r, err := s.request(c, manager)
	if err != nil {
		return o, r, err
	}
	return o, r, condition(c, found, &r)
}

// draftPolicy keeps a policy that is not in force. With If-Match it is one of that revision.
func (s *Server) draftPolicy(c *gin.Context) error {
	t, err := s.tenantOf(c)
	if err != nil {
		return err
	}
	o, r, err := s.drafting(c, c.Param("name"))
	if err != nil {
		return err
	}
	p, plan, err := s.Proposals.Draft(c.Request.Context(), t, []object.Object{o}, r)
	if err != nil {
		return err
	}
	shown := s.show(p)
	shown.Plan = &plan
	c.JSON(http.StatusCreated, shown)
	return nil
}

func (s *Server) reviseProposal(c *gin.Context) error {
	t, err := s.tenantOf(c)
	if err != nil {
		return err
	}
	hash, err := text(c, "hash", 64)
	if err != nil {
		return err
	}
	if hash == "" {
		return refuse(http.StatusBadRequest, "parameter_invalid", "hash of the content that this one replaces is required")
	}
	if may := callerOf(c); !may.role.May("policy.write") {
		return forbidden(may, "policy.write")
	}
	o, r, err := s.drafting(c, "")
	if err != nil {
		return err
	}
	p, plan, err := s.Proposals.Revise(c.Request.Context(), t, c.Param("id"), hash, []object.Object{o}, r)
	if err != nil {
		return err
	}
	shown := s.show(p)
	shown.Plan = &plan
	c.JSON(http.StatusOK, shown)
	return nil
}

// word is what is said of a proposal, bound to the content that was seen.
type word struct {
	Hash    string `json:"hash"`
	Note    string `json:"note"`
	Publish bool   `json:"publish"` // of an approval: at once
	For     string `json:"for"`     // of a shadow; "" ends it
	// MaxFlips is how many recorded decisions what is proposed or published may turn; nil: as many as the server says.
	MaxFlips *int `json:"max_flips"`
}

func (s *Server) word(c *gin.Context, bound bool) (proposal.Tenant, word, error) {
	var w word
	t, err := s.tenantOf(c)
	if err != nil {
		return t, w, err
	}
	if err := readBody(c, &w); err != nil {
		return t, w, err
	}
	if bound && w.Hash == "" {
		return t, w, refuse(http.StatusBadRequest, "body_invalid", "hash of the content that was seen is required")
	}
	if len(w.Note) > proposal.MaxNote {
		return t, w, refuse(http.StatusBadRequest, "body_invalid", "note has more than 1024 bytes")
	}
	return t, w, nil
}

// tolerating is the desk for one word.
func (s *Server) tolerating(w word) proposal.Desk {
	desk := *s.Proposals
	desk.MaxFlips = w.MaxFlips
	return desk
}

func (s *Server) answerProposal(c *gin.Context, p proposal.Proposal, err error) error {
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, s.show(p))
	return nil
}

func (s *Server) submitProposal(c *gin.Context) error {
	t, w, err := s.word(c, true)
	if err != nil {
		return err
	}
	p, err := s.tolerating(w).Submit(c.Request.Context(), t, c.Param("id"), w.Hash, w.Note, actorOf(c))
	return s.answerProposal(c, p, err)
}

// approveProposal is a second person's word. With publish it is carried out in the same breath: it needs no other permission, since
// whoever wrote it held those.
func (s *Server) approveProposal(c *gin.Context) error {
	t, w, err := s.word(c, true)
	if err != nil {
		return err
	}
	p, err := s.Proposals.Approve(c.Request.Context(), t, c.Param("id"), w.Hash, actorOf(c))
	if err != nil || !w.Publish {
		return s.answerProposal(c, p, err)
	}
	p, plan, err := s.tolerating(w).Publish(c.Request.Context(), t, p.ID, w.Hash, actorOf(c), "")
	return s.published(c, p, plan, err)
}

func (s *Server) published(c *gin.Context, p proposal.Proposal, plan object.Plan, err error) error {
	if err != nil {
		return err
	}
	shown := s.show(p)
	shown.Plan = &plan
	c.JSON(http.StatusOK, shown)
	return nil
}

func (s *Server) rejectProposal(c *gin.Context) error {
	t, w, err := s.word(c, false)
	if err != nil {
		return err
	}
	p, err := s.Proposals.Reject(c.Request.Context(), t, c.Param("id"), w.Note, actorOf(c))
	return s.answerProposal(c, p, err)
}

func (s *Server) withdrawProposal(c *gin.Context) error {
	t, w, err := s.word(c, false)
	if err != nil {
		return err
	}
	p, err := s.Proposals.Drop(c.Request.Context(), t, c.Param("id"), w.Note, actorOf(c))
	return s.answerProposal(c, p, err)
}

// publishProposal carries a proposal out. Whoever does holds the permission for every kind in it.
func (s *Server) publishProposal(c *gin.Context) error {
	t, w, err := s.word(c, true)
	if err != nil {
		return err
	}
	p, err := s.Proposals.Store.Get(c.Request.Context(), t.UID, c.Param("id"))
	if err != nil {
		return err
	}
	change, err := p.Changeset()
	if err != nil {
		return err
	}
	if err := s.mayWrite(c, change.Objects, false); err != nil {
		return err
	}
	for _, gone := range change.Deletes {
		if who, needed := callerOf(c), writePermission(gone.Kind); !who.role.May(needed) {
			return forbidden(who, needed)
		}
	}
	p, plan, err := s.tolerating(w).Publish(c.Request.Context(), t, p.ID, w.Hash, actorOf(c), w.Note)
	return s.published(c, p, plan, err)
}

func (s *Server) shadowProposal(c *gin.Context) error {
	t, w, err := s.word(c, true)
	if err != nil {
		return err
	}
	var length time.Duration
	if w.For != "" {
		if length, err = time.ParseDuration(w.For); err != nil || length <= 0 {
			return refuse(http.StatusBadRequest, "body_invalid", "for: a duration is expected, such as 1h")
		}
	}
	p, err := s.Proposals.Shadow(c.Request.Context(), t, c.Param("id"), w.Hash, length, actorOf(c))
	return s.answerProposal(c, p, err)
}
