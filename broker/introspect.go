package broker

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// Introspection answers what is asked about a token that somebody holds.
type Introspection interface {
	// Introspect gives the JSON object of RFC 7662 §2.2.
	Introspect(ctx context.Context, r introspect.Request) ([]byte, error)
	// Revoke is RFC 7009.
	Revoke(ctx context.Context, r introspect.Request) error
	// TurnAway records that a request could not even be read.
	TurnAway(r introspect.Request, err error)
}

func (s *Server) introspect(c *gin.Context) {
	s.ofToken(c, func(r introspect.Request) error {
		body, err := s.Introspection.Introspect(c.Request.Context(), r)
		if err != nil {
			return err
		}
		noStore(c) // RFC 7662 §4: what is active now may not be a moment later
		c.Data(http.StatusOK, "application/json", body)
		return nil
	})
}

func (s *Server) revoke(c *gin.Context) {
	s.ofToken(c, func(r introspect.Request) error {
		if err := s.Introspection.Revoke(c.Request.Context(), r); err != nil {
			return err
		}
		noStore(c)
		c.Status(http.StatusOK) // RFC 7009 §2.2: the body is not looked at
		return nil
	})
}

// ofToken reads a request about a token, and refuses in one place.
func (s *Server) ofToken(c *gin.Context, answer func(introspect.Request) error) {
	form, unread := readForm(c) // before a slot is taken: who sends slowly holds nobody up but himself
	if !s.take(c) {
		return
	}
	defer s.give()
	request, err := s.decodeAboutToken(c, form)
	if err == nil && unread != nil {
		s.Introspection.TurnAway(request, unread)
		err = unread
	}
	if err == nil {
		err = answer(request)
	}
	if err != nil {
		s.refuse(c, err)
	}
}

// decodeAboutToken makes the request a value.
func (s *Server) decodeAboutToken(c *gin.Context, form oauth.Form) (introspect.Request, error) {
	picture, err := s.picture(c)
	if err != nil {
		return introspect.Request{}, err
	}
	return introspect.Request{
		Tenant: picture, Trace: traceOf(c), Remote: c.ClientIP(), Form: form, Authorization: c.Request.Header.Values("Authorization"),
	}, nil
}
