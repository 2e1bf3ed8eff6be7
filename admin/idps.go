package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/strict"
)

// IdPTests test connections to IdPs and rehearse assertions; rehearsal.Tests is one.
type IdPTests interface {
	IdP(ctx context.Context, a rehearsal.TestAsk) (rehearsal.TestAnswer, error)
}

// Captures wait for the next assertion of an IdP; *capture.Watch is one.
type Captures interface {
	Arm(ctx context.Context, t tenant.UID, idp, name, issuer string, length time.Duration, by audit.Principal, trace string) (capture.Arm, error)
	Take(ctx context.Context, t tenant.UID, idp, name, capture string, by audit.Principal, trace string) (*capture.Seen, error)
	Disarm(ctx context.Context, t tenant.UID, idp, name, capture string, by audit.Principal, trace string) error
}

// testTimeout bounds one test: at most four documents, each with its own limit.
const testTimeout = 30 * time.Second

type testBody struct {
	Name      string          `json:"name"`
	Object    json.RawMessage `json:"object"`
	Assertion string          `json:"assertion"`
	ClientID  string          `json:"client_id"`
	Resource  string          `json:"resource"`
	Scope     string          `json:"scope"`
}

// testIdP keeps nothing but who asked: not the draft, not the assertion, which is in no log either.
func (s *Server) testIdP(c *gin.Context) error {
	if _, err := s.uid(c); err != nil {
		return err
	}
	raw, err := body(c, maxBody)
	if err != nil {
		return err
	}
	var asked testBody
	if err := strict.Decode(raw, &asked); err != nil {
		return refuse(http.StatusBadRequest, "body_invalid", err.Error())
	}
	ask := rehearsal.TestAsk{
		Tenant: tenantName(c), Name: asked.Name, Assertion: asked.Assertion, ClientID: asked.ClientID, Resource: asked.Resource, Scope: asked.Scope,
		By: principal(c), Trace: traceOf(c),
	}
	if len(asked.Object) > 0 {
		if ask.Draft, err = draft(asked.Object); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), testTimeout)
	defer cancel()
	answer, err := s.IdPTests.IdP(ctx, ask)
	if errors.Is(err, rehearsal.ErrInactive) {
		return refuse(http.StatusConflict, "tenant_inactive", err.Error())
	}
	if errors.Is(err, rehearsal.ErrNothing) {
		return refuse(http.StatusBadRequest, "body_invalid", err.Error())
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// draft reads an IdentityProvider that is not to be applied, by the rules by which it would be.
func draft(raw []byte) (*object.Object, error) {
	objects, err := decode(raw)
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 || objects[0].Kind != object.KindIdentityProvider {
		return nil, refuse(http.StatusBadRequest, "body_invalid", "object is one IdentityProvider")
	}
	if err := objects[0].Validate(); err != nil {
		return nil, err
	}
	return &objects[0], nil
}

// idp finds the IdentityProvider of the path.
func (s *Server) idp(c *gin.Context) (t tenant.UID, o object.Object, issuer string, err error) {
	if t, err = s.uid(c); err != nil {
		return t, o, "", err
	}
	if o, err = s.Objects.Get(c.Request.Context(), tenantName(c), object.KindIdentityProvider, c.Param("name")); err != nil {
		return t, o, "", err
	}
	spec, ok := o.Spec.(*object.IdentityProviderSpec)
	if !ok {
		return t, o, "", object.ErrNotFound
	}
	return t, o, cmp.Or(spec.Issuer, spec.EntityID()), nil
}

func (s *Server) armCapture(c *gin.Context) error {
	t, o, issuer, err := s.idp(c)
	if err != nil {
		return err
	}
	seconds, err := number(c, "for", int(capture.DefaultFor/time.Second), 1, int(capture.MaxFor/time.Second))
	if err != nil {
		return err
	}
	armed, err := s.Captures.Arm(c.Request.Context(), t, o.Metadata.UID, o.Metadata.Name, issuer, time.Duration(seconds)*time.Second, principal(c), traceOf(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, armed)
	return nil
}

type captureAnswer struct {
	State capture.State `json:"state"`
	Seen  *capture.Seen `json:"seen,omitempty"`
}

// takeCapture waits for what was captured, at most so long as it is told, and deletes it with the answer.
func (s *Server) takeCapture(c *gin.Context) error {
	t, o, _, err := s.idp(c)
	if err != nil {
		return err
	}
	wait, err := number(c, "wait", 0, 0, maxWait)
	if err != nil {
		return err
	}
	deadline := s.Now().Add(time.Duration(wait) * time.Second)
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		seen, err := s.Captures.Take(c.Request.Context(), t, o.Metadata.UID, o.Metadata.Name, c.Param("id"), principal(c), traceOf(c))
		if err != nil {
			return err
		}
		if seen != nil {
			c.JSON(http.StatusOK, captureAnswer{State: capture.Captured, Seen: seen})
			return nil
		}
		if !s.Now().Before(deadline) {
			c.JSON(http.StatusOK, captureAnswer{State: capture.Waiting})
			return nil
		}
		select {
		case <-c.Request.Context().Done():
			return c.Request.Context().Err()
		case <-tick.C:
		}
	}
}

func (s *Server) endCapture(c *gin.Context) error {
	t, o, _, err := s.idp(c)
	if err != nil {
		return err
	}
	if err := s.Captures.Disarm(c.Request.Context(), t, o.Metadata.UID, o.Metadata.Name, c.Param("id"), principal(c), traceOf(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
