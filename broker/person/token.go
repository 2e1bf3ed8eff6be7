package person

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Tokens verifies access tokens at a resource that we serve ourselves; *introspect.Endpoints does.
type Tokens interface {
	Admit(ctx context.Context, r introspect.Bearer, at introspect.Place) (introspect.Admission, error)
}

// Records finds a token's record.
type Records interface {
	Find(ctx context.Context, t tenant.UID, jti string) (lifecycle.Issued, error)
}

// Pictures finds tenants by name.
type Pictures interface {
	Get(ctx context.Context, name string) (*snapshot.Tenant, error)
}

// Door lets people in by an access token. Every part is required.
type Door struct {
	People    People
	Tokens    Tokens
	Records   Records
	Pictures  Pictures
	PublicURL string // the issuer of tenant default
	Audience  string // the URI of the Resource that stands for this door, in each tenant whose people come in by it
}

// Validate refuses what would leave a check empty.
func (d Door) Validate() error {
	if d.Tokens == nil || d.Records == nil || d.Pictures == nil || d.PublicURL == "" || d.Audience == "" {
		return errors.New("person: a part of the door is missing")
	}
	return d.People.Validate()
}

// Request is a request with an access token, decoded once.
type Request struct {
	Trace, Remote string
	Method        string
	Path          string   // of the address, without query
	Authorization []string // header values
	Proofs        []string // DPoP header values
}

// Enter finds who shows a token. It is one of a person who was there when it was given: it came out of a sign-in, not out of an
// assertion, and nobody else acts by it. What is wrong with a token is an *oauth.Error.
func (d Door) Enter(ctx context.Context, r Request) (Person, error) {
	// 1. Which tenant's it would be. Nothing is believed yet: the tenant's keys say so below.
	t, err := d.issuer(ctx, r.Authorization)
	if err != nil {
		return Person{}, err
	}
	// 2. A token for this place that counts now (RFC 9068 §4), with its key's proof if it is bound (RFC 9449 §7.1).
	shown, err := d.Tokens.Admit(ctx, introspect.Bearer{
		Tenant: t, Trace: r.Trace, Remote: r.Remote, Method: r.Method, Authorization: r.Authorization, Proofs: r.Proofs,
	}, introspect.Place{Audience: d.Audience, URL: strings.TrimSuffix(d.Audience, "/") + r.Path, Name: "admin"})
	if err != nil {
		return Person{}, err
	}
	// 3. Of a person himself: no chain of actors (RFC 8693 §4.1), and no assertion that a program redeemed for him.
	if shown.Claims().Actor != nil {
		return Person{}, refuse("a token with which somebody acts for another", "a person's own token")
	}
	issued, err := d.Records.Find(ctx, shown.Tenant().UID, shown.Claims().ID)
	if errors.Is(err, lifecycle.ErrUnknown) {
		return Person{}, refuse("a token without a record", "a live one")
	}
	if err != nil {
		return Person{}, err
	}
	if !slices.Contains(bySignIn(), issued.GrantType) {
		return Person{}, refuse("a token by "+issued.GrantType, "one that a person got by signing in")
	}
	// 4. Who is there and active, and what he may now.
	who, err := d.People.Find(ctx, shown.Tenant(), shown.Known().Subject, shown.Known().IdPUID)
	if errors.Is(err, ErrNobody) {
		return Person{}, refuse("a token of nobody who is there", "a person's")
	}
	return who, err
}

// bySignIn are the grants at whose beginning a person stands.
func bySignIn() []string {
	return []string{oauth.GrantTypeAuthorizationCode, oauth.GrantTypeRefreshToken, oauth.GrantTypeDeviceCode}
}

func refuse(received, expected string) error {
	return oauth.Refuse(oauth.CodeAccessTokenInvalid, received, expected)
}

// maxToken bounds what is looked into before its signature is verified.
const maxToken = 16 << 10

// issuer finds the tenant whose issuer the token names.
func (d Door) issuer(ctx context.Context, authorization []string) (*snapshot.Tenant, error) {
	if len(authorization) != 1 || len(authorization[0]) > maxToken {
		return nil, refuse("no token, or several", "one token")
	}
	_, compact, _ := strings.Cut(authorization[0], " ")
	parts := strings.Split(strings.TrimLeft(compact, " "), ".")
	if len(parts) != 3 {
		return nil, refuse("no access token of ours", "a live one")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var said struct {
		Issuer string `json:"iss"`
	}
	if err != nil || json.Unmarshal(payload, &said) != nil {
		return nil, refuse("no access token of ours", "a live one")
	}
	name := tenant.DefaultName
	if said.Issuer != d.PublicURL {
		var of bool
		if name, of = strings.CutPrefix(said.Issuer, d.PublicURL+"/t/"); !of || name == tenant.DefaultName || !object.IsName(name) {
			return nil, refuse("a token of another issuer", "one of ours")
		}
	}
	t, err := d.Pictures.Get(ctx, name)
	if errors.Is(err, snapshot.ErrUnknownTenant) {
		return nil, refuse("a token of an unknown tenant", "one of ours")
	}
	if err != nil {
		return nil, &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err}
	}
	return t, nil
}
