package admin

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/shadow"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/strict"
)

// PolicyStatus tells what replicas run, and what drafts would have decided.
type PolicyStatus interface {
	Running(ctx context.Context, t tenant.UID) ([]revision.Running, error)
	Counted(ctx context.Context, t tenant.UID, proposal, hash string) (shadow.Counts, error)
}

// policyOf finds the policy that the path names.
func (s *Server) policyOf(c *gin.Context) (tenant.UID, object.Object, error) {
	t, err := s.uid(c)
	if err != nil {
		return t, object.Object{}, err
	}
	o, err := s.Objects.Get(c.Request.Context(), tenantName(c), object.KindPolicy, c.Param("name"))
	return t, o, err
}

func (s *Server) listRevisions(c *gin.Context) error {
	t, o, err := s.policyOf(c)
	if err != nil {
		return err
	}
	limit, err := number(c, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	before := int64(0)
	if cursor := c.Query("cursor"); cursor != "" {
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil || before < 1 {
			return ErrCursor
		}
	}
	found, err := s.Revisions.List(c.Request.Context(), t, o.Metadata.UID, before, limit)
	if err != nil {
		return err
	}
	answer := page[revision.Revision]{Items: found}
	for i := range found {
		found[i].Live = found[i].Number == o.Metadata.Revision
	}
	if len(found) == limit {
		answer.Next = strconv.FormatInt(found[limit-1].Number, 10)
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// numbered reads a revision's number; "live" is the one in force.
func numbered(text string, o object.Object) (int64, error) {
	if text == "live" || text == "" {
		return o.Metadata.Revision, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, refuse(http.StatusBadRequest, "parameter_invalid", "a revision is a whole number, or live")
	}
	return n, nil
}

// revisionText is a revision with the policy as it was.
type revisionText struct {
	revision.Revision
	Spec *object.PolicySpec `json:"spec"`
}

func (s *Server) getRevision(c *gin.Context) error {
	t, o, err := s.policyOf(c)
	if err != nil {
		return err
	}
	n, err := numbered(c.Param("revision"), o)
	if err != nil {
		return err
	}
	found, spec, err := s.Revisions.Of(c.Request.Context(), t, o.Metadata.UID, n)
	if err != nil {
		return err
	}
	found.Live = n == o.Metadata.Revision
	c.JSON(http.StatusOK, revisionText{Revision: found, Spec: spec})
	return nil
}

// diffRevisions compares two revisions, or one with a draft.
func (s *Server) diffRevisions(c *gin.Context) error {
	t, o, err := s.policyOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	from, err := numbered(c.Query("from"), o)
	if err != nil {
		return err
	}
	to := c.Query("to")
	if strings.HasPrefix(to, string(id.Proposal)+"_") {
		_, was, err := s.Revisions.Of(ctx, t, o.Metadata.UID, from)
		if err != nil {
			return err
		}
		is, err := s.drafted(ctx, t, to, o.Metadata.Name)
		if err != nil {
			return err
		}
		d, err := revision.Between(was, is)
		if err != nil {
			return err
		}
		d.From, d.Draft = from, to
		c.JSON(http.StatusOK, d)
		return nil
	}
	until, err := numbered(to, o)
	if err != nil {
		return err
	}
	d, err := s.Revisions.Diff(ctx, t, o.Metadata.UID, from, until)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, d)
	return nil
}

// drafted is a policy as a proposal would make it; nil: it would end it.
func (s *Server) drafted(ctx context.Context, t tenant.UID, proposalID, name string) (*object.PolicySpec, error) {
	p, err := s.Proposals.Store.Get(ctx, t, proposalID)
	if err != nil {
		return nil, err
	}
	change, err := p.Changeset()
	if err != nil {
		return nil, err
	}
	for _, o := range change.Objects {
		if spec, ok := o.Spec.(*object.PolicySpec); ok && o.Metadata.Name == name {
			return spec, nil
		}
	}
	for _, b := range change.Deletes {
		if b.Kind == object.KindPolicy && b.Name == name {
			return nil, nil //nolint:nilnil // it ends
		}
	}
	return nil, proposal.ErrUnknown
}

type rollbackBody struct {
	Revision int64  `json:"revision"`
	Note     string `json:"note"`
}

// rollbackPolicy publishes the content of an earlier revision again, as a new one.
func (s *Server) rollbackPolicy(c *gin.Context) error {
	t, current, err := s.policyOf(c)
	if err != nil {
		return err
	}
	var asked rollbackBody
	if err := readBody(c, &asked); err != nil {
		return err
	}
	if asked.Revision < 1 || len(asked.Note) > proposal.MaxNote {
		return refuse(http.StatusBadRequest, "body_invalid", "revision is the number of the one whose content comes again; note has at most 1024 bytes")
	}
	_, spec, err := s.Revisions.Of(c.Request.Context(), t, current.Metadata.UID, asked.Revision)
	if err != nil {
		return err
	}
	r, err := s.request(c, keeper(current))
	if err != nil {
		return err
	}
	if err := condition(c, &current, &r); err != nil {
		return err
	}
	r.Note, r.RollbackOf = asked.Note, asked.Revision
	o := object.Object{
		APIVersion: object.APIVersion, Kind: object.KindPolicy, Spec: spec,
		Metadata: object.Metadata{Name: current.Metadata.Name, Tenant: current.Metadata.Tenant, Labels: current.Metadata.Labels, UID: current.Metadata.UID},
	}
	plan, err := s.Objects.Apply(c.Request.Context(), tenantName(c), []object.Object{o}, r)
	if err != nil {
		return err
	}
	c.JSON(statusOf(plan), plan)
	return nil
}

// keeper is the manager as which a policy is changed here: whoever keeps it, unless that is somebody with a name of his own,
// or the configuration.
func keeper(o object.Object) string {
	if o.Metadata.ManagedBy == object.ManagerApply {
		return object.ManagerApply
	}
	return object.ManagerAPI
}

// readBody reads a small JSON body strictly.
func readBody(c *gin.Context, into any) error {
	raw, err := body(c, maxBody)
	if err != nil {
		return err
	}
	if err := strict.Decode(raw, into); err != nil {
		return refuse(http.StatusBadRequest, "body_invalid", err.Error())
	}
	return nil
}
