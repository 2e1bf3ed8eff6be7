package broker

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/trace"
)

// follow lets a request be traced, probes aside. Of the request it tells the method, the route as it was registered and
// the ids of the trace that it says to belong to; and whether the connection is a trusted proxy's, which alone may
// continue a trace.
func (s *Server) follow(c *gin.Context, ours, route string) trace.Answered {
	if s.Traces == nil || strings.HasSuffix(route, "z") {
		return nil
	}
	ctx, answered := s.Traces.Request(c.Request.Context(), trace.Request{
		Trace: ours, Method: c.Request.Method, Route: route, Parent: c.Request.Header.Values("Traceparent"), Trusted: s.fromProxy(c.Request.RemoteAddr),
	})
	if answered != nil {
		c.Request = c.Request.WithContext(ctx)
	}
	return answered
}

// fromProxy looks at the connection, never at what a header says of it.
func (s *Server) fromProxy(remote string) bool {
	endpoint, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	address := endpoint.Addr().Unmap()
	return slices.ContainsFunc(s.proxies, func(p netip.Prefix) bool { return p.Contains(address) })
}
