package authorize

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// browserCookie names what a browser keeps from its first request here until it is closed: whose the pages are before
// anybody is signed in. It is no session, and leads to none.
const browserCookie = "__Host-chancery-browser"

// browser is the browser of a visit.
type browser struct {
	secret string
	digest [sha256.Size]byte
	fresh  *http.Cookie // to be set; nil: it was kept
}

// browserOf finds what the browser keeps. Nobody but this host can have put it there (the __Host- prefix).
func browserOf(t *snapshot.Tenant, r *http.Request) (browser, bool) {
	kept, err := r.Cookie(browserCookie + ofTenant(t))
	if err != nil {
		return browser{}, false
	}
	digest, ok := readSecret(kept.Value)
	if !ok { // no secret of ours: nothing can be checked against it
		return browser{}, false
	}
	return browser{secret: kept.Value, digest: digest}, true
}

// greet is browserOf for a browser that may be new.
func greet(t *snapshot.Tenant, r *http.Request) browser {
	if b, ok := browserOf(t, r); ok {
		return b
	}
	secret, digest := newSecret()
	return browser{secret: secret, digest: digest, fresh: &http.Cookie{
		Name: browserCookie + ofTenant(t), Value: secret, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}}
}

// token is what a form of a page carries: good for this browser and what is named, and for nothing else.
func (b browser) token(of ...string) string {
	mac := hmac.New(sha256.New, []byte(b.secret))
	for _, part := range of {
		sum := sha256.Sum256([]byte(part))
		mac.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// check refuses a form that another page made (T37).
func (b browser) check(form oauth.Form, of ...string) error {
	if b.secret == "" || subtle.ConstantTimeCompare([]byte(form.Get("token")), []byte(b.token(of...))) != 1 {
		return oauth.Refuse(oauth.CodeFormTokenInvalid, "a token of another form", "the page's own")
	}
	return nil
}
