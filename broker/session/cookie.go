package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"

	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// CookieName is where a tenant's sessions are in a browser: tenants share a host, and have nothing else in common. No tenant
// has a dot in its name, so that none can be called what makes it another cookie of ours (__Host-chancery-browser).
func CookieName(t *snapshot.Tenant) string {
	const name = "__Host-chancery"
	if t.Name == tenant.DefaultName {
		return name
	}
	return name + "." + t.Name
}

// secretBytes are 256 random bits.
const secretBytes = 32

// newSecret makes what a cookie carries, and its handle.
func newSecret() (value string, handle [32]byte) {
	var secret [secretBytes]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand crashes the program first
	value = base64.RawURLEncoding.EncodeToString(secret[:])
	return value, sha256.Sum256([]byte(value))
}

// HandleOf is the handle of the session that a browser says it has; false where it says none, or several, which no
// browser of ours does.
func HandleOf(t *snapshot.Tenant, r *http.Request) (handle [32]byte, ok bool) {
	cookies := r.CookiesNamed(CookieName(t))
	if len(cookies) != 1 {
		return handle, false
	}
	value := cookies[0].Value
	secret, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(secret) != secretBytes || len(value) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return handle, false
	}
	return sha256.Sum256([]byte(value)), true
}

// cookie lives as long as the browser runs; when the session ends is the database's to say.
func cookie(t *snapshot.Tenant, value string) *http.Cookie {
	return &http.Cookie{Name: CookieName(t), Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}

// Forget takes the cookie of a tenant out of the browser.
func (k *Keeper) Forget(t *snapshot.Tenant) *http.Cookie {
	c := cookie(t, "") //nolint:gosec // the attributes are set where it is made
	c.MaxAge = -1
	return c
}
