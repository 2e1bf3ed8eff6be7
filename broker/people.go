package broker

import (
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// People answers browsers; *authorize.Desk does.
type People interface {
	Routes() []authorize.Route
	// TurnAway records a form that was not even read.
	TurnAway(v authorize.Visit, err error)
}

// mountPeople registers the browser's way. What takes a form takes its slot once it has the form.
func (s *Server) mountPeople(unlimited, g *gin.RouterGroup) {
	for _, r := range s.People.Routes() {
		if r.Get != nil {
			g.GET(r.Path, func(c *gin.Context) { s.visit(c, r, r.Get, []byte(c.Request.URL.RawQuery)) })
			g.HEAD(r.Path, s.glance)
		}
		if r.Post != nil {
			unlimited.POST(r.Path, func(c *gin.Context) { s.visitWithForm(c, r) })
		}
		if r.Program && r.Post != nil && r.Abroad {
			unlimited.OPTIONS(r.Path, s.tokenPreflight)
		}
	}
}

// glance answers HEAD. A look at a page of this way does something (a request is put by, a code is issued), and whoever looks
// at a link before its person does (a chat, a mail filter) must not be him.
func (s *Server) glance(c *gin.Context) {
	noStore(c)
	c.Status(http.StatusOK)
}

// visitWithForm reads a form, which must be of a page of ours unless the route says otherwise.
func (s *Server) visitWithForm(c *gin.Context, r authorize.Route) {
	if r.Program {
		s.allowOrigin(c)
	}
	raw, done, unread := s.readBody(c, r.MaxBody)
	defer done()
	if !s.take(c) {
		return
	}
	defer s.give()
	if unread == nil && !r.Abroad && s.origins.Check(c.Request) != nil {
		unread = oauth.Refuse(oauth.CodeCrossSiteForm, "a form of another site", "one of ours")
	}
	if unread != nil {
		s.turnAway(c, r, unread)
		return
	}
	s.visit(c, r, r.Post, raw)
}

// turnAway answers a form that is not read. It is recorded for the tenant, if there is one.
func (s *Server) turnAway(c *gin.Context, r authorize.Route, unread error) {
	if picture, err := s.picture(c); err == nil {
		s.People.TurnAway(authorize.Visit{Tenant: picture, Trace: traceOf(c), Remote: c.ClientIP()}, unread)
	}
	if r.Program {
		s.refuse(c, unread)
		return
	}
	s.showRefusal(c, unread)
}

// largeForms is how many forms above the size of OAuth's are in memory at a time, 2 MiB each: anybody can send one, and they
// are read before a slot is taken. What IdPs send nearly always is smaller, and needs no place here.
const largeForms = 64

// readBody takes form encoding only, as readForm, and leaves what is in it to who verifies it. Whoever calls it is done with
// the body when he says so.
func (s *Server) readBody(c *gin.Context, most int64) (body []byte, done func(), err error) {
	done = func() {}
	media, _, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, done, oauth.Refuse(oauth.CodeContentTypeUnsupported, c.GetHeader("Content-Type"), "application/x-www-form-urlencoded")
	}
	if most == 0 {
		most = oauth.MaxBody
	}
	limited := http.MaxBytesReader(c.Writer, c.Request.Body, most)
	if most <= oauth.MaxBody {
		body, err = io.ReadAll(limited)
	} else if body, err = io.ReadAll(io.LimitReader(limited, oauth.MaxBody)); err == nil && len(body) == oauth.MaxBody {
		select {
		case s.large <- struct{}{}:
			done = func() { <-s.large }
		default:
			return nil, done, &oauth.Error{Code: oauth.CodeOverloaded, RetryAfter: retryAfter}
		}
		var rest []byte
		rest, err = io.ReadAll(limited)
		body = append(body, rest...)
	}
	if err != nil {
		return nil, done, oauth.Fail(oauth.CodeBodyTooLarge, err)
	}
	return body, done, nil
}

// visit makes the request a value, and writes the reply in one place.
func (s *Server) visit(c *gin.Context, r authorize.Route, h authorize.Handler, raw []byte) {
	noStore(c)
	picture, err := s.picture(c)
	if err != nil {
		s.refuse(c, err)
		return
	}
	v := authorize.Visit{Tenant: picture, Trace: traceOf(c), Remote: c.ClientIP(), Named: c.Param(r.Name), Raw: raw, Request: c.Request}
	if s.Nonces != nil && r.Program {
		t := picture.UID
		v.Nonce = func(nonce string) error { return s.Nonces.Check(t, nonce) }
		if len(c.Request.Header.Values("DPoP")) > 0 {
			fresh, err := s.Nonces.Fresh(t)
			if err != nil {
				s.refuse(c, err)
				return
			}
			c.Header("DPoP-Nonce", fresh)
		}
	}
	reply, err := h(c.Request.Context(), v)
	for _, cookie := range reply.Cookies {
		http.SetCookie(c.Writer, cookie)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	s.reply(c, reply)
}

func (s *Server) reply(c *gin.Context, r authorize.Reply) {
	comeLater(c, r.RetryAfter)
	var err error
	switch {
	case r.Location != "":
		c.Header("Location", r.Location) // as it is: http.Redirect would clean what was compared byte for byte
		c.Status(r.Status)
	case r.Page.Body != nil:
		err = r.Page.Write(c.Writer, r.Status)
	case r.Type != "":
		c.Data(r.Status, r.Type, r.Body)
	default:
		c.Status(r.Status)
	}
	if err != nil {
		s.Log.LogAttrs(c.Request.Context(), slog.LevelDebug, "page not sent", slog.String("trace_id", traceOf(c)), slog.String("error", err.Error()))
	}
}

// showRefusal is refuse for a person.
func (s *Server) showRefusal(c *gin.Context, err error) {
	refusal := oauth.AsError(err)
	row := oauth.Public(refusal.Code)
	comeLater(c, refusal.Wait())
	s.showError(c, row.Status, row, traceOf(c))
}

// ownOrigins lets forms come from pages of ours alone (T37). Behind a proxy the Host that arrives is not always the one that
// the browser sees; the configured one is.
func ownOrigins(publicURL string) (*http.CrossOriginProtection, error) {
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, err
	}
	protection := http.NewCrossOriginProtection()
	return protection, protection.AddTrustedOrigin(u.Scheme + "://" + u.Host)
}
