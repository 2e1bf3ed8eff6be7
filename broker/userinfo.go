package broker

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// UserInfo tells clients who signed in; *introspect.Endpoints does.
type UserInfo interface {
	// UserInfo gives the JSON object of OpenID Connect Core §5.3.2.
	UserInfo(ctx context.Context, r introspect.Bearer) ([]byte, error)
}

// userInfo answers GET and POST (OpenID Connect Core §5.3.1). No origin is let in: a page of a browser client has its ID token.
func (s *Server) userInfo(c *gin.Context) {
	picture, err := s.picture(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	r := introspect.Bearer{
		Tenant: picture, Trace: traceOf(c), Remote: c.ClientIP(), Method: c.Request.Method,
		Authorization: c.Request.Header.Values("Authorization"), Proofs: c.Request.Header.Values("DPoP"),
	}
	if r.Nonce, err = s.judgeNonce(c, picture.UID, r.Proofs); err != nil {
		s.refuse(c, err)
		return
	}
	body, err := s.UserInfo.UserInfo(c.Request.Context(), r)
	if err != nil {
		s.refuseToken(c, err)
		return
	}
	noStore(c)
	c.Data(http.StatusOK, "application/json", body)
}

// refuseToken is refuse where an access token authenticates: the challenges of RFC 6750 §3 and RFC 9449 §7.1 say how. What is
// wrong with a proof is answered 401 here, not 400 (RFC 9449 §7.1, §9).
func (s *Server) refuseToken(c *gin.Context, err error) {
	refusal := oauth.AsError(err)
	w := refusal.Wire(s.issuerOf(c), traceOf(c))
	ofProof := w.Error == "invalid_dpop_proof" || w.Error == "use_dpop_nonce"
	if ofProof {
		w.Status = http.StatusUnauthorized
	}
	if w.Status != http.StatusUnauthorized && w.Status != http.StatusForbidden {
		s.refuse(c, err)
		return
	}
	why := fmt.Sprintf(`, error="%s", error_description="%s"`, w.Error, w.Description) // without quotes (RFC 6749 §5.2)
	if w.Status == http.StatusForbidden {
		why += `, scope="openid"`
	}
	if refusal.Code == oauth.CodeAccessTokenMissing { // RFC 6750 §3.1: no error where nothing was sent
		why = ""
	}
	algorithms := `, algs="` + strings.Join(dpop.Algorithms(), " ") + `"`
	if !ofProof {
		c.Writer.Header().Add("WWW-Authenticate", `Bearer realm="chancery"`+why)
	}
	c.Writer.Header().Add("WWW-Authenticate", `DPoP realm="chancery"`+why+algorithms)
	s.writeRefusal(c, refusal, w)
}
