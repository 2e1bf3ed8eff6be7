package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	maxWait     = 30
	maxPosition = 64 << 10
	tailEvery   = 250 * time.Millisecond
)

func (s *Server) uid(c *gin.Context) (tenant.UID, error) {
	return s.Objects.TenantUID(c.Request.Context(), tenantName(c))
}

func (s *Server) queryAudit(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	f, err := auditFilter(c)
	if err != nil {
		return err
	}
	items, next, err := s.Audit.Query(c.Request.Context(), t, f)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, events(items, next))
	return nil
}

func events(items []json.RawMessage, next string) page[json.RawMessage] {
	if items == nil {
		items = []json.RawMessage{}
	}
	return page[json.RawMessage]{Items: items, Next: next}
}

// tailAudit waits for the first event behind the position, at most so long as it is told.
func (s *Server) tailAudit(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	limit, err := number(c, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	wait, err := number(c, "wait", 0, 0, maxWait)
	if err != nil {
		return err
	}
	position, err := text(c, "position", maxPosition)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	deadline := s.Now().Add(time.Duration(wait) * time.Second)
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	for {
		items, next, err := s.Audit.Tail(ctx, t, position, limit)
		if err != nil {
			return err
		}
		if len(items) > 0 || position == "" || !s.Now().Before(deadline) {
			c.JSON(http.StatusOK, events(items, next))
			return nil
		}
		position = next
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// exportAudit streams. An export that breaks off has no end line, and does not verify.
func (s *Server) exportAudit(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	c.Header("Content-Type", "application/jsonl")
	c.Header("Content-Disposition", `attachment; filename="audit.jsonl"`)
	if err := s.Audit.Export(c.Request.Context(), c.Writer, t); err != nil {
		if !c.Writer.Written() {
			c.Writer.Header().Del("Content-Disposition")
			return err
		}
		s.Log.Error("audit export broke off", "trace_id", traceOf(c), "error", err)
	}
	return nil
}

func (s *Server) checkpointKeys(c *gin.Context) error {
	if _, err := s.uid(c); err != nil {
		return err
	}
	set, err := s.Audit.CheckpointKeys(c.Request.Context())
	if err != nil {
		return err
	}
	c.Data(http.StatusOK, "application/jwk-set+json", set)
	return nil
}

func (s *Server) explain(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	story, err := s.Explain.Explain(c.Request.Context(), t, c.Param("id"))
	if errors.Is(err, object.ErrNotFound) {
		return fmt.Errorf("no request with the trace or decision id %q is recorded in this tenant: %w", c.Param("id"), err)
	}
	if err != nil {
		return err
	}
	if may(c, "policy.read") != nil {
		if story, err = withoutPolicy(story); err != nil {
			return err
		}
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", story)
	return nil
}

type keyAnswer struct {
	KeyID     string          `json:"kid"`
	Algorithm string          `json:"algorithm"`
	State     keys.State      `json:"state"`
	PublicJWK json.RawMessage `json:"public_jwk,omitempty"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	ActiveAt  time.Time       `json:"active_at,omitzero"`
	RetiredAt time.Time       `json:"retired_at,omitzero"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	RevokedAt time.Time       `json:"revoked_at,omitzero"`
}

// listKeys leaves out what is sealed: no role reads it.
func (s *Server) listKeys(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	rows, err := s.Keys.List(c.Request.Context(), t)
	if err != nil {
		return err
	}
	answer := page[keyAnswer]{Items: []keyAnswer{}}
	for _, r := range rows {
		answer.Items = append(answer.Items, keyAnswer{
			KeyID: r.KeyID, Algorithm: r.Algorithm, State: r.State, PublicJWK: r.PublicJWK,
			CreatedAt: r.CreatedAt, ActiveAt: r.ActiveAt, RetiredAt: r.RetiredAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt,
		})
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

type keyOutcome struct {
	KeyID     string     `json:"kid,omitempty"`
	State     keys.State `json:"state,omitempty"`
	Successor string     `json:"successor,omitempty"`
	SignsAt   time.Time  `json:"signs_at,omitzero"`
	SeenBy    time.Time  `json:"seen_by,omitzero"`
}

func (s *Server) keyDone(c *gin.Context, o keys.Outcome, err error) error {
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, keyOutcome{KeyID: o.KeyID, State: o.State, Successor: o.Successor, SignsAt: o.SignsAt, SeenBy: o.SeenBy})
	return nil
}

func (s *Server) rotateKeys(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	algorithm := c.Query("algorithm")
	switch algorithm {
	case "":
		algorithm = keys.ES256
	case keys.ES256, keys.RS256, keys.EdDSA:
	default:
		return refuse(http.StatusBadRequest, "parameter_invalid", "algorithm is ES256, RS256 or EdDSA")
	}
	outcome, err := s.Keys.Rotate(c.Request.Context(), t, algorithm, principal(c))
	return s.keyDone(c, outcome, err)
}

func (s *Server) retireKey(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	outcome, err := s.Keys.Retire(c.Request.Context(), t, c.Param("kid"), principal(c))
	return s.keyDone(c, outcome, err)
}

func (s *Server) revokeKey(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	reason, err := text(c, "reason", 255)
	if err != nil {
		return err
	}
	outcome, err := s.Keys.Revoke(c.Request.Context(), t, c.Param("kid"), reason, principal(c))
	return s.keyDone(c, outcome, err)
}

func (s *Server) describe(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json; charset=utf-8", s.description)
	return nil
}

func (s *Server) metrics(c *gin.Context) error {
	s.Metrics.ServeHTTP(c.Writer, c.Request)
	return nil
}

func (s *Server) live(c *gin.Context) error {
	c.String(http.StatusOK, "ok\n")
	return nil
}

func (s *Server) ready(c *gin.Context) error {
	if err := s.Ready(c.Request.Context()); err != nil {
		s.Log.Warn("not ready", "error", err)
		c.String(http.StatusServiceUnavailable, "not ready\n")
		return nil
	}
	c.String(http.StatusOK, "ok\n")
	return nil
}
