package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/cimd"
)

// Party is an object that took part.
type Party struct {
	UID  string `json:"uid"`
	Name string `json:"name,omitempty"` // "" once it is deleted
}

// String is the name, or the uid of what has none any more.
func (p Party) String() string {
	if p.Name != "" {
		return p.Name
	}
	return p.UID
}

// Token is the record of a token that was issued.
type Token struct {
	ID          string    `json:"jti"`
	State       string    `json:"state"`
	Revoked     *End      `json:"revoked,omitempty"`
	IssuedAt    time.Time `json:"issued_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	GrantType   string    `json:"grant_type"`
	Subject     Party     `json:"subject"`
	Client      Party     `json:"client"`
	IdP         *Party    `json:"idp,omitempty"`
	Resource    Party     `json:"resource"`
	Audience    string    `json:"audience"`
	Scope       string    `json:"scope"`
	Thumbprint  string    `json:"jkt,omitempty"`
	KeyID       string    `json:"kid"`
	Decision    string    `json:"decision_id,omitempty"`
	Trace       string    `json:"trace,omitempty"`
	AssertionID string    `json:"assertion_jti,omitempty"`
	AssertionBy string    `json:"assertion_iss,omitempty"`
}

// End is what ended a token before its time.
type End struct {
	By    string    `json:"by"`
	UID   string    `json:"uid,omitempty"`
	At    time.Time `json:"at"`
	Event string    `json:"event,omitempty"`
}

// TokenQuery narrows a list; what is empty does not. At most one of Client, User and IdP: a name or a uid.
type TokenQuery struct {
	Client, User, IdP string
	Live              bool
	Since             time.Time
	Limit             int
}

// Token tells where a token comes from, and what became of it.
func (c *Client) Token(ctx context.Context, jti string) (Token, error) {
	var t Token
	err := c.call(ctx, http.MethodGet, c.path("tokens", jti), nil, nil, &t)
	return t, err
}

// maxTokenPage is how many tokens are asked for at once.
const maxTokenPage = 1000

// Tokens lists tokens, the newest first, at most q.Limit of them.
func (c *Client) Tokens(ctx context.Context, q TokenQuery) ([]Token, error) {
	query := url.Values{}
	for name, value := range map[string]string{"client": q.Client, "user": q.User, "idp": q.IdP} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if q.Live {
		query.Set("live", "true")
	}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	var all []Token
	for len(all) < q.Limit {
		query.Set("limit", strconv.Itoa(min(maxTokenPage, q.Limit-len(all))))
		var l struct {
			Items []Token `json:"items"`
			Next  string  `json:"next"`
		}
		if err := c.call(ctx, http.MethodGet, c.path("tokens"), query, nil, &l); err != nil {
			return nil, err
		}
		all = append(all, l.Items...)
		if l.Next == "" {
			break
		}
		query.Set("cursor", l.Next)
	}
	return all, nil
}

// Revocation is what ended, or would end.
type Revocation struct {
	Kind   string `json:"kind"`
	UID    string `json:"uid"`
	Name   string `json:"name,omitempty"`
	Tokens *int64 `json:"tokens"` // nil: they are dead and could not be counted
	// Families of refresh tokens; nil of a token, and if they could not be counted.
	Families *int64 `json:"refresh_families,omitempty"`
	// Connections are accounts at other services; nil of a token and an IdP, and where not all could be ended.
	Connections *int64 `json:"connections,omitempty"`
	Applied     bool   `json:"applied"`
	Event       string `json:"event,omitempty"`
}

// Revoke ends a token (kind token, which is its jti), or everything of a user, a client or an idp (a name or a uid).
func (c *Client) Revoke(ctx context.Context, kind, which, reason string, dryRun bool) (Revocation, error) {
	plural, known := map[string]string{"token": "tokens", "user": "users", "client": "clients", "idp": "identity-providers"}[kind]
	if !known {
		return Revocation{}, fmt.Errorf("%.64q is not revoked: user, client, idp or token is expected", kind)
	}
	if kind == "client" && cimd.IsURL(which) {
		which = cimd.UID(which)
	}
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	if dryRun {
		query.Set("dry_run", "true")
	}
	var r Revocation
	err := c.call(ctx, http.MethodPost, c.path(plural, which, "revoke"), query, nil, &r)
	return r, err
}
