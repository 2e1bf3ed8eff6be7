package provider

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Origin is how a credential was had, and so how it is had again.
type Origin string

// The origins.
const (
	FromPerson       Origin = "person"       // a code; with a refresh token, perhaps
	FromClient       Origin = "client"       // our own registration or key: obtained anew at will
	FromExchange     Origin = "exchange"     // somebody's token
	FromInstallation Origin = "installation" // an app's key
	FromHand         Origin = "hand"         // entered
)

// Credential is what a provider gave. It prints without its secrets.
type Credential struct {
	Origin           Origin
	Access           Secret
	Refresh          Secret
	Scopes           []string // granted, under the names that we ask with
	Resources        []string // of an installation: its repositories
	IssuedAt         time.Time
	ExpiresAt        time.Time // zero: the provider names no end
	RefreshExpiresAt time.Time // zero: likewise
	Subject          string    // of FromClient and FromInstallation: whom it is for
	Kept             map[string]string
}

// RefreshAt is from when on a credential should be refreshed before it is lent: its end less a tenth of its life, at least a
// minute. Zero: never.
func (c Credential) RefreshAt() time.Time {
	if c.ExpiresAt.IsZero() {
		return time.Time{}
	}
	return c.ExpiresAt.Add(-max(time.Minute, c.ExpiresAt.Sub(c.IssuedAt)/10))
}

// Stale tells whether it should be refreshed now.
func (c Credential) Stale(now time.Time) bool {
	at := c.RefreshAt()
	return !at.IsZero() && !now.Before(at)
}

// sealed is a credential as it rests; the field names are for ever.
type sealed struct {
	Version          int               `json:"v"`
	Origin           Origin            `json:"origin"`
	Access           string            `json:"access"`
	Refresh          string            `json:"refresh,omitempty"`
	Scopes           []string          `json:"scopes,omitempty"`
	Resources        []string          `json:"resources,omitempty"`
	IssuedAt         int64             `json:"iat,omitempty"` // microseconds
	ExpiresAt        int64             `json:"exp,omitempty"`
	RefreshExpiresAt int64             `json:"refresh_exp,omitempty"`
	Subject          string            `json:"subject,omitempty"`
	Kept             map[string]string `json:"kept,omitempty"`
}

const credentialVersion = 1

// Plaintext is the credential with its secrets, to be sealed. Wipe it afterwards.
func (c Credential) Plaintext() ([]byte, error) {
	return json.Marshal(sealed{
		credentialVersion, c.Origin, c.Access.Reveal(), c.Refresh.Reveal(), c.Scopes, c.Resources,
		micros(c.IssuedAt), micros(c.ExpiresAt), micros(c.RefreshExpiresAt), c.Subject, c.Kept,
	})
}

// ParseCredential reads what Plaintext wrote, after it was opened.
func ParseCredential(plaintext []byte) (Credential, error) {
	var s sealed
	if err := json.Unmarshal(plaintext, &s); err != nil || s.Version != credentialVersion || s.Access == "" {
		return Credential{}, ErrNotCredential // the cause would quote it
	}
	return Credential{
		Origin: s.Origin, Access: NewSecret(s.Access), Refresh: optional(s.Refresh), Scopes: s.Scopes, Resources: s.Resources,
		IssuedAt: instant(s.IssuedAt), ExpiresAt: instant(s.ExpiresAt), RefreshExpiresAt: instant(s.RefreshExpiresAt), Subject: s.Subject, Kept: s.Kept,
	}, nil
}

func optional(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return NewSecret(s)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Lease is what an agent may borrow: an access token and how to show it.
type Lease struct {
	Access    Secret
	Header    string // the header that it goes into
	Scheme    string // in front of it; empty: the bare value
	Scopes    []string
	Resources []string
	ExpiresAt time.Time // zero: the provider names no end
	Kept      map[string]string
}

// Value is the header's value.
func (l Lease) Value() Secret {
	if l.Scheme == "" {
		return l.Access
	}
	return NewSecret(l.Scheme + " " + l.Access.Reveal())
}

// Lend makes a lease of the whole credential.
func (p *Provider) Lend(c Credential) Lease {
	l := Lease{
		Access: c.Access, Header: p.manifest.Present.Header, Scheme: p.manifest.Present.Scheme, Scopes: slices.Clone(c.Scopes),
		Resources: slices.Clone(c.Resources), ExpiresAt: c.ExpiresAt, Kept: maps.Clone(c.Kept),
	}
	if l.Scheme == "none" {
		l.Scheme = ""
	}
	return l
}

// Enter makes a credential of a secret that somebody typed in. With scheme Basic it is a user name and a password.
func (p *Provider) Enter(user string, entered Secret) (Credential, error) {
	if p.manifest.Kind != Static {
		return Credential{}, ErrUnsupported
	}
	value := entered.Reveal()
	if p.manifest.Present.Scheme == "Basic" {
		value = base64.StdEncoding.EncodeToString([]byte(user + ":" + value))
	}
	if entered.IsZero() || !isToken(value) {
		return Credential{}, invalid("the secret is empty, too long, or holds what no header can")
	}
	return Credential{Origin: FromHand, Access: NewSecret(value), Subject: user, IssuedAt: p.now().UTC()}, nil
}
