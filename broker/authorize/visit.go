package authorize

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Visit is one request of a browser, decoded once.
type Visit struct {
	Tenant *snapshot.Tenant
	Trace  string
	Remote string
	// Named is the part of the path that a route leaves open: a request's id, an IdP's name.
	Named string
	// Raw is the query of a GET, or the form of a POST, as it was sent.
	Raw []byte
	// Request is for what comes in headers: cookies, languages, proofs. Nobody reads its body again.
	Request *http.Request
	// Nonce judges a proof's nonce where one is asked for; nil asks for none.
	Nonce func(nonce string) error
}

// posted tells a form from a page that is looked at.
func (v Visit) posted() bool { return v.Request.Method == http.MethodPost }

// form reads what was sent strictly: every parameter once.
func (v Visit) form() (oauth.Form, error) { return oauth.ParseForm(v.Raw) }

// values reads what an IdP sends. What may be in it twice is for the room that verifies it to say.
func (v Visit) values() (url.Values, error) {
	values, err := url.ParseQuery(string(v.Raw))
	if err != nil {
		return nil, oauth.Refuse(oauth.CodeRequestMalformed, "an answer that is not form-encoded", "form encoding")
	}
	return values, nil
}

// path is a path below the tenant's issuer, as the browser has to ask for it.
func (v Visit) path(below string) string { return prefixOf(v.Tenant) + below }

func prefixOf(t *snapshot.Tenant) string {
	u, err := url.Parse(t.Issuer)
	if err != nil { // an issuer was parsed before it became one
		return ""
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// Reply is the answer to a visit.
type Reply struct {
	Status   int
	Page     page.Page      // with a body, if Location and Body are empty
	Location string         // where the browser goes, by GET (303)
	Type     string         // of Body
	Body     []byte         // for programs
	Cookies  []*http.Cookie // in any case
	// RetryAfter is when to come again, in whole seconds; 0 where it is not said.
	RetryAfter time.Duration
}

func (r Reply) with(cookies ...*http.Cookie) Reply {
	for _, c := range cookies {
		if c != nil {
			r.Cookies = append(r.Cookies, c)
		}
	}
	return r
}

// Handler answers a visit. What it returns as an error nothing was shown for.
type Handler func(ctx context.Context, v Visit) (Reply, error)

// Route is a place below a tenant's issuer.
type Route struct {
	Path string  // as the router writes it
	Name string  // of the open part of the path, "" for none
	Get  Handler // HEAD too; nil: not served
	Post Handler // nil: not served
	// Abroad: other sites post here (an IdP, through a browser or by itself). Every other form must be of a page of ours.
	Abroad bool
	// Program: whoever asks is no browser. Its errors are JSON, and come back as errors.
	Program bool
	MaxBody int64 // in bytes; 0: what OAuth's forms may have
}

// samePath tells a path of ours from what a browser would take for another place (T39).
func samePath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && !strings.ContainsFunc(path, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || r == '\\'
	})
}

// ofTenant is the end of a cookie's name: cookies of a host are seen by all its tenants.
func ofTenant(t *snapshot.Tenant) string {
	if t.Name == tenant.DefaultName {
		return ""
	}
	return "-" + t.Name
}
