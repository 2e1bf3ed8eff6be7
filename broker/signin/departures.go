package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
	"github.com/chancery-dev/chancery/vault"
)

// What Departures answer besides success.
var (
	// ErrGone says that nobody left so, from this browser.
	ErrGone = errors.New("there is no such departure")
	// ErrCrowded says that too many of a tenant are under way to sign in.
	ErrCrowded = errors.New("too many departures")
)

// Kind is what somebody left for.
type Kind string

// The kinds.
const (
	KindOpenID  Kind = "oidc"
	KindSAML    Kind = "saml"
	KindConfirm Kind = "confirm"  // nobody left: an IdP began it, and the person's word is awaited
	KindSignOut Kind = "sign_out" // a logout at the IdP
)

// Kept is a departure as it rests.
type Kept struct {
	Tenant    tenant.UID
	ID        [32]byte // digest of the state
	Kind      Kind
	IdPUID    string
	Browser   [32]byte // digest of what the browser carries meanwhile
	Sealed    []byte
	ExpiresAt time.Time
}

// Departures keeps who left. What is taken is not there any more, on any replica.
type Departures interface {
	// Keep answers ErrCrowded for a sign-in where too many are under way: whoever leaves is a stranger.
	Keep(ctx context.Context, k Kept) error
	// Take finds a departure of this tenant, kind and browser, and removes it; ErrGone.
	Take(ctx context.Context, t tenant.UID, kind Kind, id, browser [32]byte) (Kept, error)
}

// confirmFor is how long a person may take to confirm.
const confirmFor = 5 * time.Minute

// carried is everything that is sealed with a departure.
type carried struct {
	OpenID *oidc.Departure `json:"oidc,omitempty"`
	SAML   *saml.Departure `json:"saml,omitempty"`
	Then   string          `json:"then,omitempty"`
	Only   string          `json:"only,omitempty"`
	Link   *linking        `json:"link,omitempty"`
	// Previous is the handle of the session that the browser had when it left: a cross-site POST does not bring its cookie.
	Previous []byte    `json:"previous,omitempty"`
	Word     *wordText `json:"word,omitempty"` // what waits for the person's word
	Back     string    `json:"back,omitempty"` // where a logout goes on
}

// linking is whose session asked to add an identity.
type linking struct {
	Handle  []byte `json:"handle"`
	UserUID string `json:"user"`
}

func (c carried) previous() (handle [32]byte, ok bool) {
	return handle, copy(handle[:], c.Previous) == len(handle) && len(c.Previous) == len(handle)
}

func (c carried) expires(now time.Time) time.Time {
	switch {
	case c.OpenID != nil:
		return c.OpenID.Expires()
	case c.SAML != nil:
		return c.SAML.Expires()
	case c.Word != nil:
		return now.Add(confirmFor)
	default:
		return now.Add(oidc.DepartureLifetime)
	}
}

// idOf is the key of a departure: the state itself is in URLs of others and is kept nowhere.
func idOf(kind Kind, name string) [32]byte {
	return sha256.Sum256([]byte(string(kind) + "\x00" + name))
}

// newName makes what nobody guesses: 256 random bits.
func newName() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand crashes the program first
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func sealedAt(k Kept) vault.AAD {
	return vault.AAD{Tenant: k.Tenant.String(), Table: "departures", UID: hex.EncodeToString(k.ID[:]), Column: "sealed"}
}

// keep remembers a departure and gives the cookie that ties it to the browser.
func (d *Desk) keep(ctx context.Context, t tenant.UID, idp *federation.IdentityProvider, kind Kind, name string, c carried, r *http.Request) ([]*http.Cookie, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	now := d.Now()
	k := Kept{Tenant: t, ID: idOf(kind, name), Kind: kind, IdPUID: idp.UID, ExpiresAt: c.expires(now)}
	value := strconv.FormatInt(now.Unix(), 36) + "." + newName()
	k.Browser = sha256.Sum256([]byte(value))
	if k.Sealed, err = d.Sealer.Seal(ctx, text, sealedAt(k)); err != nil {
		return nil, fmt.Errorf("seal a departure: %w", err)
	}
	if err := d.Departures.Keep(ctx, k); err != nil {
		return nil, err
	}
	return append(crowd(r), departureCookie(kind, cookieName(k.ID), value)), nil
}

// open finds a departure of this tenant, kind and browser, and uses it up. The cookie that it gives takes the departure's
// out of the browser.
func (d *Desk) open(ctx context.Context, t tenant.UID, kind Kind, name string, r *http.Request) (Kept, carried, *http.Cookie, error) {
	id := idOf(kind, name)
	cookies := r.CookiesNamed(cookieName(id))
	if name == "" || len(cookies) != 1 {
		return Kept{}, carried{}, nil, ErrGone
	}
	k, err := d.Departures.Take(ctx, t, kind, id, sha256.Sum256([]byte(cookies[0].Value)))
	if err != nil {
		return Kept{}, carried{}, nil, err
	}
	gone := departureCookie(kind, cookieName(id), "") //nolint:gosec // the attributes are set where it is made
	gone.MaxAge = -1
	text, err := d.Sealer.Open(ctx, k.Sealed, sealedAt(k))
	if err != nil {
		return k, carried{}, gone, fmt.Errorf("open a departure: %w", err)
	}
	var c carried
	if err := json.Unmarshal(text, &c); err != nil {
		return k, carried{}, gone, fmt.Errorf("read a departure: %w", err)
	}
	return k, c, gone, nil
}

// take is open for an answer that came to the place of one IdP: it must be of that one, and in time.
func (d *Desk) take(ctx context.Context, t tenant.UID, idp *federation.IdentityProvider, kind Kind, name string, r *http.Request) (carried, *http.Cookie, error) {
	k, c, gone, err := d.open(ctx, t, kind, name, r)
	if err != nil {
		return carried{}, gone, err
	}
	if k.IdPUID != idp.UID { // RFC 9700 §4.4: the answer of one IdP at the callback of another
		trail := federation.Trail{}
		trail.For(idp)
		return c, gone, trail.Refuse(federation.CodeIdPMixUp, "departure", "for another IdP", "for "+idp.Name, nil)
	}
	if !d.Now().Before(k.ExpiresAt) {
		trail := federation.Trail{}
		trail.For(idp)
		return c, gone, trail.Refuse(federation.CodeSignInExpired, "departure", k.ExpiresAt.UTC().Format(time.RFC3339), "not over", nil)
	}
	return c, gone, nil
}

// cookiePrefix has a dot, which no tenant's name has: no session's cookie is called so.
const cookiePrefix = "__Host-chancery.departure."

// cookieName tells departures of one browser, in several tabs, apart.
func cookieName(id [32]byte) string {
	return cookiePrefix + base64.RawURLEncoding.EncodeToString(id[:9])
}

// departureCookie: SAML's answers are posted from the IdP's site, and no Lax cookie comes with those.
func departureCookie(kind Kind, name, value string) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(oidc.DepartureLifetime.Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if kind == KindSAML || kind == KindSignOut {
		c.SameSite = http.SameSiteNoneMode
	}
	return c
}

// maxDepartures bounds how many sign-ins one browser has under way.
const maxDepartures = 8

// crowd takes the oldest departures out of a browser that has too many.
func crowd(r *http.Request) []*http.Cookie {
	var there []*http.Cookie
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, cookiePrefix) {
			there = append(there, c)
		}
	}
	slices.SortFunc(there, func(a, b *http.Cookie) int { return cmp.Compare(leftAt(a), leftAt(b)) })
	var gone []*http.Cookie
	for len(there) >= maxDepartures {
		c := departureCookie(KindSAML, there[0].Name, "") //nolint:gosec // the attributes are set where it is made
		c.MaxAge = -1
		gone, there = append(gone, c), there[1:]
	}
	return gone
}

// leftAt is when a departure began, by its cookie: it only chooses which goes first.
func leftAt(c *http.Cookie) int64 {
	at, _, _ := strings.Cut(c.Value, ".")
	seconds, err := strconv.ParseInt(at, 36, 64)
	if err != nil {
		return 0
	}
	return seconds
}
