// Package broker is the HTTP face of the authorization server: it decodes a
// request once into a value, hands it on, and writes the answer in one place.
// What is granted is decided in broker/grant; which policy, key or user counts
// is in the snapshot that travels with the request. No handler reaches a
// database, and *gin.Context stays in the files that register routes.
package broker

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/trace"
)

// Config is what the public listener needs. Everything but People, Registrations, DevDocuments, Devices, UserInfo, Evaluations, Door, Nonces, Traces, TrustedProxies and CORSOrigins is required.
type Config struct {
	PublicURL      string // the default tenant's issuer
	Pictures       Pictures
	Tokens         Tokens
	Introspection  Introspection
	JWKS           KeySets
	Ready          func(context.Context) error
	Observer       Observer
	People         People         // nil: nobody signs in
	Registrations  Registrations  // nil: nobody registers himself
	DevDocuments   bool           // client ID metadata documents of every host count, as in development only
	Devices        Devices        // nil: no device begins
	UserInfo       UserInfo       // nil: clients are told in ID tokens alone
	Evaluations    Evaluations    // nil: nobody is told what policy would say
	Door           Door           // nil: addresses are not limited
	Nonces         Nonces         // nil: proofs need none
	Traces         trace.Requests // nil: nothing is traced
	TrustedProxies []string       // CIDRs; none by default
	CORSOrigins    []string       // exact origins for the token endpoint
	InFlight       int            // requests served at a time; more are answered 503
	Log            *slog.Logger
	Now            func() time.Time
}

// Pictures gives the current picture of a tenant, or snapshot.ErrUnknownTenant where there is none.
type Pictures interface {
	Get(ctx context.Context, name string) (*snapshot.Tenant, error)
}

// Tokens answers token requests.
type Tokens interface {
	Token(ctx context.Context, r grant.Request) (grant.Response, error)
	// TurnAway records that a request could not even be read.
	TurnAway(r grant.Request, err error)
}

// KeySets gives a tenant's public keys as prepared bytes.
type KeySets interface {
	JWKS(ctx context.Context, t tenant.UID) ([]byte, error)
}

// Observer counts what the outside asked for.
type Observer interface {
	Request(endpoint string, status int, took time.Duration)
}

// Validate refuses a configuration with which a check would be empty.
func (c Config) Validate() error {
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || strings.HasSuffix(c.PublicURL, "/") {
		return errors.New("public URL: an absolute URL without a trailing slash is needed")
	}
	if c.Pictures == nil || c.Tokens == nil || c.Introspection == nil || c.JWKS == nil || c.Ready == nil || c.Observer == nil || c.Log == nil || c.Now == nil {
		return errors.New("broker: a part is missing")
	}
	if c.InFlight < 1 {
		return errors.New("limits.in_flight: at least 1 is needed")
	}
	return nil
}

// Server is the public listener's handler.
type Server struct {
	Config
	engine    *gin.Engine
	proxies   []netip.Prefix
	draining  atomic.Bool
	shed      shed
	probe     probe
	slots     chan struct{}
	large     chan struct{} // forms in memory that are larger than OAuth's
	documents documents
	has       served // what is routed
	origins   *http.CrossOriginProtection
}

// New builds the routes.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{Config: c, engine: gin.New(), slots: limiter(c.InFlight), large: limiter(largeForms)}
	// gin trusts every proxy unless told otherwise, and X-Real-IP where the header that is meant is absent.
	s.engine.RemoteIPHeaders = []string{forwardedFor}
	if err := s.engine.SetTrustedProxies(c.TrustedProxies); err != nil {
		return nil, err
	}
	for _, cidr := range c.TrustedProxies { // as gin reads them
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			s.proxies = append(s.proxies, prefix)
		}
	}
	origins, err := ownOrigins(c.PublicURL)
	if err != nil {
		return nil, err
	}
	s.origins = origins
	s.engine.RedirectTrailingSlash = false
	s.engine.HandleMethodNotAllowed = true
	s.routes()
	s.has = s.served()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Drain makes readiness fail, so that no new work is sent here.
func (s *Server) Drain() { s.draining.Store(true) }

// Serving is how many requests are in flight, probes aside.
func (s *Server) Serving() int { return len(s.slots) }

// Routes lists what is served, as "METHOD path", so that nothing of it is served on another listener too.
func (s *Server) Routes() []string {
	var all []string
	for _, r := range s.engine.Routes() {
		all = append(all, r.Method+" "+r.Path)
	}
	return all
}

func (s *Server) routes() {
	e := s.engine
	e.Use(s.trace, s.headers, s.recover, forwarded)
	read(e, "/livez", s.live)
	read(e, "/readyz", s.ready)
	e.NoRoute(s.enter, s.notFound)
	e.NoMethod(s.enter, s.methodNotAllowed)

	unlimited := e.Group("/", s.enter)
	open := unlimited.Group("/", s.limit)
	s.tenantRoutes(unlimited, open)
	s.tenantRoutes(unlimited.Group("/t/:tenant"), open.Group("/t/:tenant"))
	// RFC 8414 §3.1 and OpenID Connect Discovery put the well-known part before or behind an issuer's path.
	publish(open, "/.well-known/oauth-authorization-server/t/:tenant", s.metadata)
	publish(open, "/.well-known/openid-configuration/t/:tenant", s.metadata)
	if s.Evaluations != nil {
		publish(open, authzenMetadata+"/t/:tenant", s.decisionPoint)
	}
}

// publish routes a public document, for browser clients too: those that send a header of their own ask first.
func publish(r gin.IRoutes, path string, h gin.HandlerFunc) {
	read(r, path, h)
	r.OPTIONS(path, documentPreflight)
}

// read routes GET, and HEAD with it (RFC 9110 §9.3.2), which gin keeps apart.
func read(r gin.IRoutes, path string, h gin.HandlerFunc) {
	r.GET(path, h)
	r.HEAD(path, h)
}

// tenantRoutes: what is in g has a slot while it is served; what takes a form takes its own, once it has the form.
func (s *Server) tenantRoutes(unlimited, g *gin.RouterGroup) {
	publish(g, "/.well-known/oauth-authorization-server", s.metadata)
	publish(g, "/.well-known/openid-configuration", s.metadata)
	publish(g, "/.well-known/oauth-protected-resource/:resource", s.protectedResource)
	publish(g, "/.well-known/jwks.json", s.jwks)
	unlimited.POST("/token", s.token)
	unlimited.OPTIONS("/token", s.tokenPreflight)
	unlimited.POST("/introspect", s.introspect)
	unlimited.POST("/revoke", s.revoke)
	s.registrationRoutes(unlimited)
	if s.Devices != nil {
		unlimited.POST("/device_authorization", s.deviceAuthorization)
		unlimited.OPTIONS("/device_authorization", s.tokenPreflight)
	}
	if s.UserInfo != nil {
		read(g, "/userinfo", s.userInfo)
		g.POST("/userinfo", s.userInfo)
	}
	if s.Evaluations != nil {
		publish(g, authzenMetadata, s.decisionPoint)
		unlimited.POST(evaluationPath, s.evaluation(false))
		unlimited.POST(evaluationsPath, s.evaluation(true))
	}
	read(g, "/errors/:code", s.errorPage)
	if s.People != nil {
		s.mountPeople(unlimited, g)
		return
	}
	read(g, "/authorize", s.authorizationEndpoint)
	g.POST("/authorize", s.authorizationEndpoint) // RFC 6749 §3.1
}
