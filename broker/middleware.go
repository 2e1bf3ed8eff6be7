package broker

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	traceKey    = "chancery.trace"
	issuerKey   = "chancery.issuer"
	traceHeader = "Chancery-Trace"
	retryAfter  = time.Second
	readyWithin = 3 * time.Second
)

// trace names the request, times it and logs it. Nothing of its body or its query reaches the log.
func (s *Server) trace(c *gin.Context) {
	start := s.Now()
	trace := id.New(id.Trace, start)
	c.Set(traceKey, trace)
	c.Header(traceHeader, trace)
	route := c.FullPath()
	answered := s.follow(c, trace, route)
	c.Next()
	if answered != nil {
		answered(c.Writer.Status())
	}
	took := s.Now().Sub(start)
	s.Observer.Request(route, c.Writer.Status(), took)
	if strings.HasSuffix(route, "z") {
		return // probes
	}
	s.Log.LogAttrs(c.Request.Context(), slog.LevelDebug, "request", slog.String("trace_id", trace), slog.String("method", c.Request.Method),
		slog.String("route", route), slog.Int("status", c.Writer.Status()), slog.Duration("took", took))
}

func traceOf(c *gin.Context) string { return c.GetString(traceKey) }

// recover turns a panic into server_error; a half-written answer stays half-written and is never a token.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
				panic(p)
			}
			s.Log.Error("panic", "trace_id", traceOf(c), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				s.refuse(c, oauth.Refuse(oauth.CodeInternal, "", ""))
			}
			c.Abort()
		}
	}()
	c.Next()
}

// limiter bounds what is served at a time; beyond it the answer is quick and says when to come back.
func limiter(n int) chan struct{} { return make(chan struct{}, n) }

func (s *Server) limit(c *gin.Context) {
	if s.take(c) {
		defer s.give()
		c.Next()
	}
}

// take gets a slot, or answers that there is none. Who has got one gives it back.
func (s *Server) take(c *gin.Context) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	default:
		s.shed.tell(s.Log, s.Now())
		s.refuse(c, &oauth.Error{Code: oauth.CodeOverloaded, RetryAfter: retryAfter})
		c.Abort()
		return false
	}
}

// shed counts who was turned away, and tells it once a second: anybody can ask too often, and what he gets for it must not
// cost a line of log each, neither the disk nor the time of those who are served.
type shed struct{ turned, said atomic.Int64 }

func (s *shed) tell(log *slog.Logger, now time.Time) {
	s.turned.Add(1)
	if second := now.Unix(); s.said.Swap(second) != second {
		log.Warn("overloaded", "turned_away", s.turned.Swap(0))
	}
}

func (s *Server) give() { <-s.slots }

func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if strings.HasPrefix(s.PublicURL, "https://") {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Next()
}

// tenantName reads the tenant from the path alone, never from a header or a body. ok is false for what cannot be a
// tenant's name there: no label in lower case, or the default tenant, which lives at the root and nowhere else. Two
// paths to one issuer would be two metadata documents of which one does not name its own place (RFC 8414 §3.3).
func tenantName(c *gin.Context) (name string, ok bool) {
	name, below := c.Params.Get("tenant")
	if !below {
		return tenant.DefaultName, true
	}
	return name, name != tenant.DefaultName && isLabel(name)
}

// isLabel tells a DNS label in lower case (RFC 1123 §2.1), as all names of objects are.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func (s *Server) live(c *gin.Context) {
	noStore(c)
	c.String(http.StatusOK, "ok\n")
}

// ready needs the database and the keys; an IdP that is down never makes us unready.
func (s *Server) ready(c *gin.Context) {
	noStore(c)
	if s.draining.Load() {
		c.String(http.StatusServiceUnavailable, "draining\n")
		return
	}
	if err := s.probe.ask(c.Request.Context(), s.Ready); err != nil {
		s.probe.tell(s.Log, s.Now(), err)
		c.String(http.StatusServiceUnavailable, "not ready\n")
		return
	}
	c.String(http.StatusOK, "ok\n")
}

func (s *Server) notFound(c *gin.Context) {
	noStore(c)
	c.JSON(http.StatusNotFound, gin.H{"error": "not_found", "error_description": "there is nothing at this path"})
}

// methodNotAllowed names the method that a path takes (RFC 9110 §15.5.6); gin sets Allow.
func (s *Server) methodNotAllowed(c *gin.Context) {
	s.refuse(c, oauth.Refuse(oauth.CodeMethodNotAllowed, c.Request.Method, ""))
}
