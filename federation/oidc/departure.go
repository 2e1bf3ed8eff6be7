package oidc

import (
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// DepartureLifetime is how long a person may take at the IdP.
const DepartureLifetime = 10 * time.Minute

// Ask is what the IdP is asked for. The zero value asks for a sign-in of any kind.
type Ask struct {
	LoginHint string
	Prompt    []string // none alone, or of login, consent, select_account
	// MaxAge, if not nil, is how long ago the person may have signed in there; it makes
	// auth_time required. 0 means now: prompt=login alone is nothing that an IdP shows.
	MaxAge *time.Duration
	// ACRValues, in order of preference; what comes back must be one of them.
	ACRValues []string
	UILocales []string // RFC 5646
}

const (
	maxACRValues = 16
	maxLocales   = 16
)

func (a Ask) valid() bool {
	known := []string{"none", "login", "consent", "select_account"} // OIDC Core §3.1.2.1
	switch {
	case a.LoginHint != "" && (len(a.LoginHint) > maxText || hasControl(a.LoginHint)),
		slices.ContainsFunc(a.Prompt, func(p string) bool { return !slices.Contains(known, p) }),
		slices.Contains(a.Prompt, "none") && len(a.Prompt) > 1,
		a.MaxAge != nil && (*a.MaxAge < 0 || *a.MaxAge%time.Second != 0),
		len(a.ACRValues) > maxACRValues || slices.ContainsFunc(a.ACRValues, isNoWord),
		len(a.UILocales) > maxLocales || slices.ContainsFunc(a.UILocales, isNoWord):
		return false
	}
	return true
}

// isNoWord: what is sent in a list with spaces between has none itself.
func isNoWord(s string) bool { return !isPlain(s) || slices.Contains([]byte(s), ' ') }

// Departure is a sign-in under way: what the caller keeps until the person comes back,
// tied to the browser, and uses once. It holds the PKCE verifier, which is a secret
// until then: keep it sealed. Its JSON form is for that, and for nothing else.
type Departure struct {
	StateHash   string         `json:"state_hash"` // by which the caller finds it: StateHash
	Nonce       string         `json:"nonce"`
	Verifier    string         `json:"verifier"`
	IdPUID      string         `json:"idp_uid"`
	Issuer      string         `json:"issuer"`
	ClientID    string         `json:"client_id"`
	CallbackURL string         `json:"callback_url"`
	At          time.Time      `json:"at"`
	MaxAge      *time.Duration `json:"max_age,omitempty"`
	ACRValues   []string       `json:"acr_values,omitempty"`
	// NamesItself: the IdP said when the person left that it puts its issuer into answers.
	NamesItself bool `json:"names_itself,omitempty"`
}

// String names the IdP and shows nothing else.
func (d Departure) String() string { return "departure to " + d.Issuer }

// GoString is String, for %#v.
func (d Departure) GoString() string { return d.String() }

// LogValue is String, for slog.
func (d Departure) LogValue() slog.Value { return slog.StringValue(d.String()) }

// complete: a departure that lacks anything was not made by Begin.
func (d Departure) complete() bool {
	return d.StateHash != "" && d.Nonce != "" && d.Verifier != "" && d.IdPUID != "" && d.Issuer != "" &&
		d.ClientID != "" && d.CallbackURL != "" && !d.At.IsZero()
}

// Expires is the first moment at which Finish refuses it.
func (d Departure) Expires() time.Time { return d.At.Add(DepartureLifetime) }

// StateHash is the name of a departure: the state itself is in URLs and logs of others
// and is kept nowhere.
func StateHash(state string) string {
	digest := sha256.Sum256([]byte(state))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// checkDeparture: is this the departure that the answer belongs to, and is it still one?
func checkDeparture(d Departure, e *Entry, now time.Time, trail *federation.Trail) error {
	switch {
	case d.IdPUID != e.Provider.UID, d.Issuer != e.Provider.Issuer: // RFC 9700 §4.4: mix-up
		return trail.Refuse(federation.CodeIdPMixUp, "idp", e.Provider.Issuer, d.Issuer, nil)
	case d.ClientID != e.ClientID, d.CallbackURL != e.CallbackURL:
		return trail.Refuse(federation.CodeSignInExpired, "departure", "client or callback changed since", e.ClientID, nil)
	case now.Before(d.At.Add(-e.ClockSkew)), !now.Before(d.Expires()): // another replica may have made it
		return trail.Refuse(federation.CodeSignInExpired, "departure", stamp(d.At), "at most "+DepartureLifetime.String()+" before "+stamp(now), nil)
	}
	trail.Pass("departure", stamp(d.At), e.Provider.Name)
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
