package admin

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	traceKey    = "chancery.trace"
	traceHeader = "Chancery-Trace"
)

// endpoint serves one operation; an error becomes a problem.
type endpoint func(*gin.Context) error

// route builds the router: every operation of the specification has a handler,
// and every handler an operation.
func (s *Server) route() error {
	gin.SetMode(gin.ReleaseMode)
	s.engine = gin.New()
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false
	s.engine.RedirectFixedPath = false
	s.engine.UseRawPath = true
	if err := s.engine.SetTrustedProxies(nil); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	s.engine.Use(s.trace, s.recover, s.headers, s.plainPath)
	all, err := operations()
	if err != nil {
		return err
	}
	handlers := s.endpoints()
	for _, o := range all {
		handle, found := handlers[o.ID]
		if !found {
			return fmt.Errorf("admin: the operation %s has no handler", o.ID)
		}
		delete(handlers, o.ID)
		s.engine.Handle(o.Method, o.ginPath(), s.guard(o), s.knownQuery(o), s.serve(handle))
	}
	for name := range handlers {
		return fmt.Errorf("admin: the handler %s has no operation", name)
	}
	// What is not there is said only to those who may come in.
	s.engine.NoRoute(s.authenticate, func(c *gin.Context) {
		s.fail(c, refuse(http.StatusNotFound, "route_unknown", "there is nothing at this path"))
	})
	s.engine.NoMethod(s.authenticate, func(c *gin.Context) {
		s.fail(c, refuse(http.StatusMethodNotAllowed, "method_not_allowed", "the path does not take this method"))
	})
	return nil
}

// endpoints are the handlers by operationId; each has a short form for the tenant default.
func (s *Server) endpoints() map[string]endpoint {
	all := map[string]endpoint{
		"describe": s.describe, "metrics": s.metrics, "live": s.live, "ready": s.ready,
		"console":       func(c *gin.Context) error { consolePage(c); return nil },
		"listTenants":   s.listTenants,
		"listVaultKeys": s.listVaultKeys, "rotateVaultKey": s.rotateVaultKey, "retireVaultKey": s.retireVaultKey, "rewrap": s.rewrapStep,
		"getTenant": s.get(object.KindTenant), "putTenant": s.put(object.KindTenant), "deleteTenant": s.remove(object.KindTenant),
	}
	both := map[string]endpoint{
		"listSecrets": s.listSecrets, "addSecret": s.addSecret, "revokeSecret": s.revokeSecret,
		"apply": s.apply, "export": s.export,
		"queryAudit": s.queryAudit, "tailAudit": s.tailAudit, "exportAudit": s.exportAudit, "checkpointKeys": s.checkpointKeys,
		"explain":       s.explain,
		"listApprovals": s.listApprovals, "allowApproval": s.answerApproval(true), "denyApproval": s.answerApproval(false),
		"listDecisions": s.listDecisions, "getDecision": s.getDecision, "exportDecisions": s.exportDecisions, "purgeDecisions": s.purgeDecisions, "testFromDecision": s.testFromDecision,
		"startReplay": s.startReplay, "getReplay": s.getReplay, "stopReplay": s.stopReplay, "getMatrix": s.getMatrix, "draftMatrix": s.draftMatrix, "keptMatrix": s.keptMatrix,
		"listRevisions": s.listRevisions, "getRevision": s.getRevision, "diffRevisions": s.diffRevisions, "rollbackPolicy": s.rollbackPolicy,
		"policyStatus": s.policyStatus, "draftPolicy": s.draftPolicy,
		"listProposals": s.listProposals, "getProposal": s.getProposal, "reviseProposal": s.reviseProposal, "submitProposal": s.submitProposal,
		"approveProposal": s.approveProposal, "rejectProposal": s.rejectProposal, "withdrawProposal": s.withdrawProposal,
		"publishProposal": s.publishProposal, "shadowProposal": s.shadowProposal,
		"testIdP": s.testIdP, "armCapture": s.armCapture, "takeCapture": s.takeCapture, "endCapture": s.endCapture, "lookMetadata": s.lookMetadata, "acceptMetadata": s.acceptMetadata,
		"listRegistrationTokens": s.listRegistrationTokens, "addRegistrationToken": s.addRegistrationToken, "removeRegistrationToken": s.removeRegistrationToken,
		"listRegistrations": s.listRegistrations, "removeRegistration": s.removeRegistration,
		"listKeys": s.listKeys, "rotateKeys": s.rotateKeys, "retireKey": s.retireKey, "revokeKey": s.revokeKey,
		"listTokens": s.listTokens, "getToken": s.getToken, "revokeToken": s.revokeToken, "revokeClient": s.revokeAll(lifecycle.Client),
		"revokeUser": s.revokeAll(lifecycle.User), "revokeIdentityProvider": s.revokeAll(lifecycle.IdP),
	}
	for _, kind := range object.Kinds() {
		if kind == object.KindTenant {
			continue
		}
		both["list"+pluralID(kind)] = s.list(kind)
		both["get"+string(kind)] = s.get(kind)
		both["put"+string(kind)] = s.put(kind)
		both["delete"+string(kind)] = s.remove(kind)
	}
	maps.Copy(both, s.connectionEndpoints())
	maps.Copy(both, s.webhookEndpoints())
	for name, handle := range both {
		all[name], all[name+"OfDefault"] = handle, handle
	}
	return all
}

// pluralID writes identity-providers as IdentityProviders.
func pluralID(kind object.Kind) string {
	var b strings.Builder
	for part := range strings.SplitSeq(kind.Plural(), "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func (s *Server) serve(handle endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			s.fail(c, err)
		}
	}
}

func (s *Server) newTrace() string { return id.New(id.Trace, s.Now()) }

// trace names the request and logs it. Nothing of its body, query or credential reaches the log.
func (s *Server) trace(c *gin.Context) {
	start := s.Now()
	trace := s.newTrace()
	c.Set(traceKey, trace)
	c.Header(traceHeader, trace)
	c.Next()
	s.Log.LogAttrs(c.Request.Context(), slog.LevelDebug, "admin request", slog.String("trace_id", trace),
		slog.String("method", c.Request.Method), slog.String("route", c.FullPath()), slog.Int("status", c.Writer.Status()),
		slog.Duration("took", s.Now().Sub(start)))
}

func traceOf(c *gin.Context) string { return c.GetString(traceKey) }

func (s *Server) recover(c *gin.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("panic", "trace_id", traceOf(c), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if !c.Writer.Written() {
				s.fail(c, fmt.Errorf("panic: %v", p))
			}
			c.Abort()
		}
	}()
	c.Next()
}

func (s *Server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	if c.Request.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.Next()
}

// plainPath: every name in a path is a DNS label, an id or a thumbprint; none needs
// an escape, and a path that has one is read differently by somebody.
func (s *Server) plainPath(c *gin.Context) {
	raw := c.Request.URL.EscapedPath()
	if strings.Contains(raw, "%") || strings.ContainsFunc(c.Request.URL.Path, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) {
		s.fail(c, refuse(http.StatusBadRequest, "path_invalid", "the path holds an escape or a control character"))
		return
	}
	c.Next()
}

// knownQuery refuses a parameter that the operation does not have, or that comes
// twice: a filter that is misspelt would otherwise widen what it should narrow.
func (s *Server) knownQuery(o operation) gin.HandlerFunc {
	known := map[string]bool{}
	for _, name := range o.Query {
		known[name] = true
	}
	return func(c *gin.Context) {
		if o.Open {
			c.Next()
			return
		}
		query, err := parseQuery(c.Request.URL.RawQuery)
		if err != nil {
			s.fail(c, err)
			return
		}
		for name, values := range query {
			if !known[name] {
				s.fail(c, refuse(http.StatusBadRequest, "parameter_unknown", fmt.Sprintf("unknown parameter %.64q", name)))
				return
			}
			if len(values) > 1 {
				s.fail(c, refuse(http.StatusBadRequest, "parameter_repeated", fmt.Sprintf("the parameter %.64q appears more than once", name)))
				return
			}
		}
		c.Next()
	}
}

// tenantName reads the tenant from the path alone, never from a header or a body.
func tenantName(c *gin.Context) string {
	if name := c.Param("tenant"); name != "" {
		return name
	}
	return tenant.DefaultName
}
