package broker

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/registration"
)

// Registrations is where clients register themselves (RFC 7591) and look after it (RFC 7592); *registration.Desk is one.
// Answers are JSON.
type Registrations interface {
	Register(ctx context.Context, r registration.Request) ([]byte, error)
	Read(ctx context.Context, r registration.Request) ([]byte, error)
	Replace(ctx context.Context, r registration.Request) ([]byte, error)
	Remove(ctx context.Context, r registration.Request) error
}

// registrationRoutes: what takes a body takes its slot once it has the body.
func (s *Server) registrationRoutes(unlimited gin.IRoutes) {
	if s.Registrations == nil {
		return
	}
	unlimited.POST("/register", s.register)
	unlimited.OPTIONS("/register", s.registerPreflight)
	unlimited.GET("/register/:client", s.readRegistration)
	unlimited.PUT("/register/:client", s.replaceRegistration)
	unlimited.DELETE("/register/:client", s.removeRegistration)
}

func (s *Server) register(c *gin.Context) {
	s.allowOrigin(c)
	s.registered(c, http.StatusCreated, true, s.Registrations.Register)
}

func (s *Server) readRegistration(c *gin.Context) {
	s.registered(c, http.StatusOK, false, s.Registrations.Read)
}

func (s *Server) replaceRegistration(c *gin.Context) {
	s.registered(c, http.StatusOK, true, s.Registrations.Replace)
}

func (s *Server) removeRegistration(c *gin.Context) {
	s.registered(c, http.StatusNoContent, false, func(ctx context.Context, r registration.Request) ([]byte, error) {
		return nil, s.Registrations.Remove(ctx, r)
	})
}

// registered decodes a request, and answers or refuses in one place.
func (s *Server) registered(c *gin.Context, status int, hasBody bool, answer func(context.Context, registration.Request) ([]byte, error)) {
	var body []byte
	var unread error
	if hasBody {
		body, unread = readJSON(c) // before a slot is taken: who sends slowly holds nobody up but himself
	}
	if !s.take(c) {
		return
	}
	defer s.give()
	picture, err := s.picture(c)
	if err == nil {
		err = unread
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	answered, err := answer(c.Request.Context(), registration.Request{
		Tenant: picture, Trace: traceOf(c), Remote: c.ClientIP(), Bearer: bearer(c.Request.Header.Values("Authorization")),
		ClientID: c.Param("client"), Body: body,
	})
	if err != nil {
		if row := oauth.Public(oauth.AsError(err).Code); row.Status == http.StatusUnauthorized { // RFC 6750 §3
			challenge := `Bearer realm="chancery"`
			if c.GetHeader("Authorization") != "" {
				challenge += `, error="invalid_token"`
			}
			c.Header("WWW-Authenticate", challenge)
		}
		s.refuse(c, err)
		return
	}
	noStore(c) // RFC 7591 §3.2.1
	if status == http.StatusNoContent {
		c.Status(status)
		return
	}
	c.Data(status, "application/json", answered)
}

// readJSON takes JSON only (RFC 7591 §3.1).
func readJSON(c *gin.Context) ([]byte, error) {
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, oauth.Refuse(oauth.CodeRegistrationContentType, c.GetHeader("Content-Type"), "application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, registration.MaxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, oauth.Refuse(oauth.CodeBodyTooLarge, "more than 64 KiB", "at most 64 KiB")
	}
	if err != nil {
		return nil, &oauth.Error{Code: oauth.CodeRegistrationMalformed, Received: "a body that ended early", Cause: err}
	}
	return body, nil
}

// bearer reads a credential (RFC 6750 §2.1). What is there and cannot be read is no absence: it is a credential that does
// not count.
func bearer(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	scheme, rest, _ := strings.Cut(fields[0], " ")
	if len(fields) > 1 || !strings.EqualFold(scheme, "Bearer") || strings.TrimLeft(rest, " ") == "" {
		return "?"
	}
	return strings.TrimLeft(rest, " ")
}

func (s *Server) registerPreflight(c *gin.Context) {
	if s.allowOrigin(c) {
		c.Header("Access-Control-Allow-Methods", "POST")
		c.Header("Access-Control-Allow-Headers", "Authorization, Content-Type")
		c.Header("Access-Control-Max-Age", "600")
	}
	c.Status(http.StatusNoContent)
}
