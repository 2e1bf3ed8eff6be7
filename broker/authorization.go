package broker

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// authorizationEndpoint answers whom a browser brings to /authorize that nobody can sign in here. The official MCP SDKs
// for TypeScript and Python refuse metadata without the endpoint, for grants too that never go there; so it is
// advertised, with no response type. Nothing is redirected: no redirect URI was verified (RFC 6749 §4.1.2.1).
func (s *Server) authorizationEndpoint(c *gin.Context) {
	if _, err := s.picture(c); err != nil {
		s.refuse(c, err)
		return
	}
	row, ok := oauth.Lookup(oauth.CodeSignInUnserved)
	if !ok {
		s.refuse(c, oauth.Refuse(oauth.CodeInternal, "", ""))
		return
	}
	s.showError(c, http.StatusBadRequest, row, traceOf(c))
}
