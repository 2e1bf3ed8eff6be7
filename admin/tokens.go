package admin

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Tokens are the records of what was issued, and what ends it; *lifecycle.Revoker is one.
type Tokens interface {
	Lineage(ctx context.Context, t tenant.UID, jti string) (lifecycle.Lineage, error)
	List(ctx context.Context, t tenant.UID, q lifecycle.Query) ([]lifecycle.Lineage, error)
	RevokeToken(ctx context.Context, t tenant.UID, jti string, q lifecycle.Request) (lifecycle.Outcome, error)
	RevokeHolder(ctx context.Context, t tenant.UID, kind lifecycle.Kind, which string, q lifecycle.Request) (lifecycle.Outcome, error)
}

func (s *Server) getToken(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	told, err := s.Tokens.Lineage(c.Request.Context(), t, c.Param("jti"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, told)
	return nil
}

func (s *Server) listTokens(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	q, err := tokenQuery(c)
	if err != nil {
		return err
	}
	told, err := s.Tokens.List(c.Request.Context(), t, q)
	if err != nil {
		return err
	}
	answer := page[lifecycle.Lineage]{Items: told}
	if len(told) == q.Limit {
		last := told[len(told)-1]
		answer.Next = tokenCursor(lifecycle.Ref{ID: last.ID, IssuedAt: last.IssuedAt})
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func tokenQuery(c *gin.Context) (q lifecycle.Query, err error) {
	if q.Limit, err = number(c, "limit", defaultPage, 1, maxPage); err != nil {
		return q, err
	}
	if q.Since, err = moment(c, "since"); err != nil {
		return q, err
	}
	if q.LiveOnly, err = flag(c, "live"); err != nil {
		return q, err
	}
	for _, p := range []struct {
		name string
		into *string
	}{{"client", &q.Client}, {"user", &q.User}, {"idp", &q.IdP}} {
		if *p.into, err = text(c, p.name, 64); err != nil {
			return q, err
		}
	}
	if cursor := c.Query("cursor"); cursor != "" {
		q.After, err = parseTokenCursor(cursor)
	}
	return q, err
}

// tokenCursor names the last token of a page.
func tokenCursor(r lifecycle.Ref) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(r.IssuedAt.UnixMicro(), 10) + " " + r.ID))
}

func parseTokenCursor(cursor string) (lifecycle.Ref, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(cursor) > 512 {
		return lifecycle.Ref{}, ErrCursor
	}
	micros, jti, found := strings.Cut(string(raw), " ")
	at, err := strconv.ParseInt(micros, 10, 64)
	if !found || err != nil {
		return lifecycle.Ref{}, ErrCursor
	}
	if _, ours := id.Time(id.Token, jti); !ours { // what is no id may be no text either
		return lifecycle.Ref{}, ErrCursor
	}
	return lifecycle.Ref{ID: jti, IssuedAt: time.UnixMicro(at).UTC()}, nil
}

// revocation is what ended, or would end.
type revocation struct {
	Kind   lifecycle.Kind `json:"kind"`
	UID    string         `json:"uid"`
	Name   string         `json:"name,omitempty"`
	Tokens *int64         `json:"tokens"` // null: they are dead and could not be counted
	// Families of refresh tokens, the same. A token has none.
	Families *int64 `json:"refresh_families,omitempty"`
	// Connections are accounts at other services that ended; null where not all could be. A token and an IdP have none.
	Connections *int64 `json:"connections,omitempty"`
	Applied     bool   `json:"applied"`
	Event       string `json:"event,omitempty"`
}

func (s *Server) revokeToken(c *gin.Context) error {
	return s.end(c, func(t tenant.UID, q lifecycle.Request) (lifecycle.Outcome, error) {
		return s.Tokens.RevokeToken(c.Request.Context(), t, c.Param("jti"), q)
	})
}

// revokeAll ends everything of a holder. The object stays as it is: its own disabled or status is what keeps new tokens away.
func (s *Server) revokeAll(kind lifecycle.Kind) endpoint {
	return func(c *gin.Context) error {
		return s.end(c, func(t tenant.UID, q lifecycle.Request) (lifecycle.Outcome, error) {
			return s.Tokens.RevokeHolder(c.Request.Context(), t, kind, c.Param("name"), q)
		})
	}
}

func (s *Server) end(c *gin.Context, do func(tenant.UID, lifecycle.Request) (lifecycle.Outcome, error)) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	q := lifecycle.Request{By: principal(c), Trace: traceOf(c)}
	if q.DryRun, err = flag(c, "dry_run"); err != nil {
		return err
	}
	if q.Reason, err = text(c, "reason", 255); err != nil {
		return err
	}
	done, err := do(t, q)
	if err != nil {
		return err
	}
	answer := revocation{Kind: done.Kind, UID: done.UID, Name: done.Name, Applied: !q.DryRun, Event: done.Event}
	if done.Tokens >= 0 {
		answer.Tokens = &done.Tokens
	}
	if done.Kind != lifecycle.Token && done.Families >= 0 {
		answer.Families = &done.Families
	}
	if (done.Kind == lifecycle.User || done.Kind == lifecycle.Client) && done.Connections >= 0 {
		answer.Connections = &done.Connections
	}
	c.JSON(http.StatusOK, answer)
	return nil
}
