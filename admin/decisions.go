package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/strict"
	"github.com/chancery-dev/chancery/policy/matrix"
)

// Decisions is the decision log, and what is asked again of it; *decision.Desk is one.
type Decisions interface {
	List(ctx context.Context, t tenant.UID, f decision.Filter, cursor string, limit int) ([]decision.Line, string, error)
	Get(ctx context.Context, t tenant.UID, id string) (decision.Line, error)
	Export(ctx context.Context, w io.Writer, t tenant.UID, f decision.Filter) error
	Purge(ctx context.Context, t tenant.UID, before time.Time, user, trace string, by audit.Principal) (int64, error)
	TestCase(ctx context.Context, t tenant.UID, id, policy string) (decision.Case, error)
	StartReplay(ctx context.Context, t tenant.UID, name string, a decision.Asked) (decision.Job, error)
	Replay(ctx context.Context, t tenant.UID, id string) (decision.Job, error)
	StopReplay(ctx context.Context, t tenant.UID, id string) error
	// Matrix is that of what is live, or of a draft.
	Matrix(ctx context.Context, t tenant.UID, name string, w decision.Wanted) (matrix.Matrix, error)
	// MatrixDiff is what a draft would change.
	MatrixDiff(ctx context.Context, t tenant.UID, name string, w decision.Wanted) (matrix.Difference, error)
	// KeptMatrix is the one that was kept of a published revision.
	KeptMatrix(ctx context.Context, t tenant.UID, policyUID string, revision int64) (matrix.Matrix, error)
}

// decisions is the log; without one, there is nothing.
func (s *Server) decisions(c *gin.Context) (Decisions, tenant.UID, error) {
	t, err := s.uid(c)
	if err == nil && s.Decisions == nil {
		err = object.ErrNotFound
	}
	return s.Decisions, t, err
}

// may refuses callers without a further permission.
func may(c *gin.Context, p Permission) error {
	if who := callerOf(c); !who.role.May(p) {
		return forbidden(who, p)
	}
	return nil
}

func (s *Server) decisionFilter(c *gin.Context) (f decision.Filter, err error) {
	if f.Since, err = moment(c, "since"); err != nil {
		return f, err
	}
	if f.Until, err = moment(c, "until"); err != nil {
		return f, err
	}
	for _, p := range []struct {
		name string
		most int
		into *string
	}{{"user", 64, &f.User}, {"client", 255, &f.Client}, {"resource", 255, &f.Resource}, {"code", 64, &f.Code}} {
		if *p.into, err = text(c, p.name, p.most); err != nil {
			return f, err
		}
	}
	f.User, err = s.userUID(c, f.User)
	return f, err
}

// userUID finds the uid of a user who is named.
func (s *Server) userUID(c *gin.Context, which string) (string, error) {
	if which == "" || strings.HasPrefix(which, "usr_") {
		return which, nil
	}
	found, err := s.Objects.Get(c.Request.Context(), tenantName(c), object.KindUser, which)
	return found.Metadata.UID, err
}

func (s *Server) listDecisions(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	f, err := s.decisionFilter(c)
	if err != nil {
		return err
	}
	limit, err := number(c, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	cursor, err := text(c, "cursor", 512)
	if err != nil {
		return err
	}
	items, next, err := log.List(c.Request.Context(), t, f, cursor, limit)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, page[decision.Line]{Items: items, Next: next})
	return nil
}

func (s *Server) getDecision(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	found, err := log.Get(c.Request.Context(), t, c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, found)
	return nil
}

// exportDecisions streams. An export that breaks off ends the connection without its last chunk, so that it cannot pass for whole.
func (s *Server) exportDecisions(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	f, err := s.decisionFilter(c)
	if err != nil {
		return err
	}
	c.Header("Content-Type", "application/jsonl")
	c.Header("Content-Disposition", `attachment; filename="decisions.jsonl"`)
	if err := log.Export(c.Request.Context(), c.Writer, t, f); err != nil {
		if !c.Writer.Written() {
			c.Writer.Header().Del("Content-Disposition")
			return err
		}
		s.Log.Error("decision export broke off", "trace_id", traceOf(c), "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

type purgeRequest struct {
	Before time.Time `json:"before"`
	User   string    `json:"user"`
}

func (s *Server) purgeDecisions(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	var asked purgeRequest
	if err := strictBody(c, maxBody, &asked); err != nil {
		return err
	}
	if asked.Before.IsZero() {
		return refuse(http.StatusBadRequest, "parameter_invalid", "before is a time such as 2030-01-31T00:00:00Z")
	}
	user, err := s.userUID(c, asked.User)
	if err != nil {
		return err
	}
	gone, err := log.Purge(c.Request.Context(), t, asked.Before, user, traceOf(c), principal(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, map[string]int64{"purged": gone})
	return nil
}

func (s *Server) testFromDecision(c *gin.Context) error {
	log, t, err := s.decisions(c)
	if err != nil {
		return err
	}
	if err := may(c, "policy.read"); err != nil { // a test may hold the policy's data
		return err
	}
	name, err := text(c, "policy", 63)
	if err != nil {
		return err
	}
	made, err := log.TestCase(c.Request.Context(), t, c.Param("id"), name)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, made)
	return nil
}

// draftOf reads the objects of a draft, as apply does.
func draftOf(raw json.RawMessage) ([]object.Object, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	return decode(raw)
}

// strictBody reads a JSON body in which every member is known.
func strictBody(c *gin.Context, limit int64, into any) error {
	sent, err := body(c, limit)
	if err != nil {
		return err
	}
	if err := strict.Decode(sent, into); err != nil {
		return refuse(http.StatusBadRequest, "body_invalid", fmt.Sprintf("the body cannot be read: %v", err))
	}
	return nil
}

// withoutPolicy takes from a story what only those see who may read policies: the text of rules, and which groups would help.
func withoutPolicy(story json.RawMessage) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(story, &members); err != nil {
		return nil, err
	}
	said, there := members["policy"]
	if !there {
		return story, nil
	}
	var inner map[string]json.RawMessage
	if err := json.Unmarshal(said, &inner); err != nil { // what cannot be taken apart is not shown whole
		return nil, err
	}
	if inner["again"] == nil {
		return story, nil
	}
	delete(inner, "again")
	var err error
	if members["policy"], err = json.Marshal(inner); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
