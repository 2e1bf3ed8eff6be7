package broker

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
)

//go:embed errorpage.html
var errorPageSource string

var errorPage = template.Must(template.New("error").Parse(errorPageSource))

// errorPageStyle is the policy under which the page's one style block applies and nothing else does.
var errorPageStyle = func() string {
	_, rest, _ := strings.Cut(errorPageSource, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}()

type errorPageValues struct {
	oauth.Row
	Trace string
}

// Fixer says to people who it is that can do something.
func (v errorPageValues) Fixer() string {
	switch v.Who {
	case "admin":
		return "an administrator of the IdP or of Chancery"
	case "developer":
		return "the developer of the client"
	case "security":
		return "the security team, who write the policies"
	case "operator":
		return "the operator of this server"
	}
	return v.Who
}

// errorPage says what a code means and who fixes it; error_uri points here. Codes that stay inside have no page.
func (s *Server) errorPage(c *gin.Context) {
	row, ok := oauth.Lookup(oauth.Code(c.Param("code")))
	if !ok || row.Face != "" {
		s.notFound(c)
		return
	}
	trace := c.Query("trace")
	if _, ok := id.Time(id.Trace, trace); !ok {
		trace = ""
	}
	s.showError(c, http.StatusOK, row, trace)
}

// showError shows a code's page.
func (s *Server) showError(c *gin.Context, status int, row oauth.Row, trace string) {
	var page strings.Builder
	if err := errorPage.Execute(&page, errorPageValues{Row: row, Trace: trace}); err != nil {
		s.refuse(c, err)
		return
	}
	c.Header("Content-Security-Policy", errorPageStyle)
	noStore(c)
	c.Data(status, "text/html; charset=utf-8", []byte(page.String()))
}
