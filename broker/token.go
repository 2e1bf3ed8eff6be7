package broker

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
)

func (s *Server) token(c *gin.Context) {
	s.allowOrigin(c)
	request, ok := s.readTokenRequest(c)
	if !ok {
		return
	}
	defer s.give()
	response, err := s.Tokens.Token(c.Request.Context(), request)
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.writeToken(c, response)
}

// readTokenRequest reads what a client sends, with a slot for as long as it is served: who gets a request gives it back. It
// is false for what was answered already.
func (s *Server) readTokenRequest(c *gin.Context) (grant.Request, bool) {
	form, unread := readForm(c) // before a slot is taken: who sends slowly holds nobody up but himself
	if !s.take(c) {
		return grant.Request{}, false
	}
	request, err := s.decodeTokenRequest(c, form)
	if err == nil {
		err = unread
	}
	if err == nil {
		err = s.askNonce(c, &request)
	}
	if err != nil {
		s.give()
		if request.Tenant != nil {
			s.Tokens.TurnAway(request, err)
		}
		s.refuse(c, err)
		return grant.Request{}, false
	}
	return request, true
}

// decodeTokenRequest makes the request a value. No grant reaches back into the form. Where the form could not be read,
// the request is what is known without it.
func (s *Server) decodeTokenRequest(c *gin.Context, form oauth.Form) (grant.Request, error) {
	picture, err := s.picture(c)
	if err != nil {
		return grant.Request{}, err
	}
	return grant.Request{
		Tenant:        picture,
		Trace:         traceOf(c),
		Remote:        c.ClientIP(),
		Authorization: c.Request.Header.Values("Authorization"),
		Proofs:        c.Request.Header.Values("DPoP"),
		Form:          form,
	}, nil
}

// readForm takes form encoding only (RFC 6749 §4), and nothing from the query (§3.2: no credentials in a URL).
func readForm(c *gin.Context) (oauth.Form, error) {
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return oauth.Form{}, oauth.Refuse(oauth.CodeContentTypeUnsupported, c.GetHeader("Content-Type"), "application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, oauth.MaxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return oauth.Form{}, oauth.Refuse(oauth.CodeBodyTooLarge, "more than 64 KiB", "at most 64 KiB")
		}
		return oauth.Form{}, &oauth.Error{Code: oauth.CodeRequestMalformed, Received: "a body that ended early", Cause: err}
	}
	return oauth.ParseForm(body)
}

// allowOrigin lets listed browser origins read the token endpoint's answers; there is no wildcard.
func (s *Server) allowOrigin(c *gin.Context) bool {
	origin := c.GetHeader("Origin")
	c.Header("Vary", "Origin") // whether it is listed or not: caches must not mix the answers
	if origin == "" || !slices.Contains(s.CORSOrigins, origin) {
		return false
	}
	c.Header("Access-Control-Allow-Origin", origin)
	c.Header("Access-Control-Expose-Headers", traceHeader+", DPoP-Nonce, Retry-After, WWW-Authenticate")
	return true
}

func (s *Server) tokenPreflight(c *gin.Context) {
	if s.allowOrigin(c) {
		c.Header("Access-Control-Allow-Methods", "POST")
		c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		c.Header("Access-Control-Max-Age", "600")
	}
	c.Status(http.StatusNoContent)
}
