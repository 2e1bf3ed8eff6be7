package broker

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	traceKey    = "chancery.trace"
	traceHeader = "Chancery-Trace"
	retryAfter  = time.Second
)

// trace names the request, times it and logs it. Nothing of its body or its query reaches the log.
func (s *Server) trace(c *gin.Context) {
	start := s.Now()
	trace := id.New(id.Trace, start)
	c.Set(traceKey, trace)
	c.Header(traceHeader, trace)
	c.Next()
	took := s.Now().Sub(start)
	route := c.FullPath()
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
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
		c.Next()
	default:
		s.refuse(c, &oauth.Error{Code: oauth.CodeOverloaded, RetryAfter: retryAfter})
		c.Abort()
	}
}

func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	if strings.HasPrefix(s.PublicURL, "https://") {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Next()
}

// tenantName reads the tenant from the path alone, never from a header or a body.
func tenantName(c *gin.Context) string {
	if name := c.Param("tenant"); name != "" {
		return name
	}
	return tenant.DefaultName
}

func (s *Server) live(c *gin.Context) { c.String(http.StatusOK, "ok\n") }

// ready needs the database and the keys; an IdP that is down never makes us unready.
func (s *Server) ready(c *gin.Context) {
	if s.draining.Load() {
		c.String(http.StatusServiceUnavailable, "draining\n")
		return
	}
	if err := s.Ready(c.Request.Context()); err != nil {
		s.Log.Warn("not ready", "error", err)
		c.String(http.StatusServiceUnavailable, "not ready\n")
		return
	}
	c.String(http.StatusOK, "ok\n")
}

func (s *Server) notFound(c *gin.Context) {
	s.headers(c)
	c.JSON(http.StatusNotFound, gin.H{"error": "not_found", "error_description": "there is nothing at this path"})
}

// methodNotAllowed names the method that a path takes (RFC 9110 §15.5.6); gin sets Allow.
func (s *Server) methodNotAllowed(c *gin.Context) {
	s.headers(c)
	s.refuse(c, oauth.Refuse(oauth.CodeMethodNotAllowed, c.Request.Method, ""))
}
