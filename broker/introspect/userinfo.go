package introspect

import (
	"context"
	"errors"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/identity"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation"
)

// Bearer is a request with one of our access tokens instead of a client's authentication, decoded once.
type Bearer struct {
	Tenant        *snapshot.Tenant
	Trace         string
	Remote        string
	Method        string
	Authorization []string // header values
	Proofs        []string // DPoP header values
	// Nonce judges the proof's nonce where one is asked for (dpop.Expectation); nil asks for none.
	Nonce func(nonce string) error
}

// Profiles tells what an IdP said of a person last.
type Profiles interface {
	Profile(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (session.Profile, bool, error)
}

// UserInfo answers OpenID Connect Core §5.3: the JSON object to send. The token is one that a client got when a person let it
// know who he is: openid is in its scope, and no scope of its resource. It is looked up as in introspection: one that was
// revoked, or whose client, IdP or user is gone, gets nothing.
func (e *Endpoints) UserInfo(ctx context.Context, r Bearer) ([]byte, error) {
	var body []byte
	err := e.current(ctx, Request{Tenant: r.Tenant, Trace: r.Trace, Remote: r.Remote, Authorization: r.Authorization}, func(now Request) (err error) {
		r.Tenant = now.Tenant
		body, err = e.userInfo(ctx, &call{Request: now, now: e.Now()}, r)
		return err
	})
	return body, err
}

func (e *Endpoints) userInfo(ctx context.Context, c *call, r Bearer) ([]byte, error) {
	// 1. One token, in the header (RFC 6750 §2.1, RFC 9449 §7.1).
	scheme, compact, err := bearer(r.Authorization)
	if err != nil {
		return nil, e.turnAway(c, err)
	}
	// 2. One of ours, as the database knows it at this moment.
	if err := e.look(ctx, c, compact, 0); err != nil {
		return nil, err
	}
	if !c.found {
		return nil, e.turnAway(c, oauth.Refuse(oauth.CodeAccessTokenInvalid, "no access token of ours", "a live one"))
	}
	// 3. Of the key that it is bound to, if it is bound: it is no bearer token then (T42).
	proof, err := e.proved(c, r, c.Tenant.Issuer+"/userinfo", scheme, compact)
	if err != nil {
		return nil, e.turnAway(c, err)
	}
	// 4. That counts, with everybody who took part. A resource that is gone or disabled has no tokens.
	claims := c.token.Claims()
	resource, ok := c.Tenant.ResourceByURI(claims.Audience)
	if !ok || resource.Disabled || resource.URI != claims.Audience || resource.UID != c.known.ResourceUID {
		return nil, e.turnAway(c, oauth.Refuse(oauth.CodeAccessTokenInvalid, claims.Audience, "a resource that is there"))
	}
	active, err2 := e.counts(ctx, c)
	if err2 != nil {
		return nil, err2
	}
	if !active {
		return nil, e.turnAway(c, oauth.Refuse(oauth.CodeAccessTokenInvalid, "a token that counts no more", "a live one"))
	}
	// 5. With which its person let the client know who he is.
	granted := identity.Granted(claims.Scope, resource)
	if len(granted) == 0 || !strings.HasPrefix(claims.Subject, string(id.User)+"_") {
		return nil, e.turnAway(c, oauth.Refuse(oauth.CodeOpenidNotGranted, claims.Scope, "openid"))
	}
	body, err2 := e.describePerson(ctx, c, granted)
	if err2 != nil {
		return nil, err2
	}
	// 6. The proof is used up (RFC 9449 §11.1).
	return body, e.spendProof(ctx, c, proof, "userinfo")
}

// bearer reads the Authorization header. The token in a form or in the address is not looked at (RFC 6750 §2.2, §2.3 are
// optional, and RFC 9700 §4.3.2 is against the latter).
func bearer(headers []string) (scheme, compact string, refusal *oauth.Error) {
	if len(headers) == 0 {
		return "", "", oauth.Refuse(oauth.CodeAccessTokenMissing, "no Authorization header", "Bearer or DPoP")
	}
	scheme, compact, _ = strings.Cut(headers[0], " ")
	compact = strings.TrimLeft(compact, " ") // RFC 9110 §11.4: one or more spaces
	switch {
	case len(headers) > 1 || compact == "":
		return "", "", oauth.Refuse(oauth.CodeAccessTokenInvalid, "several headers, or one without a token", "one token")
	case strings.EqualFold(scheme, oauth.TokenTypeBearer):
		return oauth.TokenTypeBearer, compact, nil
	case strings.EqualFold(scheme, oauth.TokenTypeDPoP):
		return oauth.TokenTypeDPoP, compact, nil
	default: // no token was sent
		return "", "", oauth.Refuse(oauth.CodeAccessTokenMissing, "another scheme", "Bearer or DPoP")
	}
}

// proved verifies the proof of a token that is bound, and refuses one that comes as what it is not.
func (e *Endpoints) proved(c *call, r Bearer, url, scheme, compact string) (dpop.Proof, *oauth.Error) {
	bound := c.token.Claims().Thumbprint
	if (bound != "") != (scheme == oauth.TokenTypeDPoP) {
		return dpop.Proof{}, oauth.Refuse(oauth.CodeAccessTokenInvalid, "scheme "+scheme, "the token_type with which the token came")
	}
	if bound == "" {
		return dpop.Proof{}, nil
	}
	proof, err := dpop.Verify(r.Proofs, dpop.Expectation{
		Tenant: c.Tenant.UID, Method: r.Method, URL: url, Now: c.now, AccessToken: compact, Nonce: r.Nonce,
	})
	switch {
	case err != nil:
		return dpop.Proof{}, oauth.AsError(err)
	case proof.IsZero():
		return dpop.Proof{}, oauth.Refuse(oauth.CodeDPoPProofRequired, "no proof", "a proof with the token's key")
	case proof.Thumbprint() != bound: // RFC 9449 §7.1
		return dpop.Proof{}, oauth.Refuse(oauth.CodeAccessTokenInvalid, proof.Thumbprint(), bound)
	}
	return proof, nil
}

// describePerson is what the identity scopes are about, as it is now.
func (e *Endpoints) describePerson(ctx context.Context, c *call, granted []string) ([]byte, error) {
	account, err := e.account(ctx, c)
	if err != nil {
		return nil, err
	}
	var said session.Profile
	if e.Profiles != nil && c.known.IdPUID != "" {
		said, _, err = e.Profiles.Profile(ctx, c.Tenant, c.known.Subject, c.known.IdPUID)
		if err != nil {
			return nil, unavailable(err)
		}
	}
	return token.UserInfo(c.known.Subject, identity.Profile(account, said, granted))
}

func (e *Endpoints) account(ctx context.Context, c *call) (federation.Account, error) {
	accounts, err := e.Directories.Directory(c.Tenant).ByID(ctx, c.known.Subject)
	if err == nil && len(accounts) != 1 { // he was there a moment ago
		err = errors.New("the user is not one")
	}
	if err != nil {
		return federation.Account{}, unavailable(err)
	}
	return accounts[0], nil
}

// spendProof records the use of a proof. Without one there is nothing to record, and nothing is written.
func (e *Endpoints) spendProof(ctx context.Context, c *call, proof dpop.Proof, endpoint string) error {
	if proof.IsZero() {
		return nil
	}
	claims := c.token.Claims()
	event := c.event(audit.TypeProofUsed, audit.Allowed)
	event.Principal, event.Client = audit.Principal{Kind: "client", ID: c.known.ClientUID}, claims.ClientID
	event.TokenID, event.OnBehalf, event.Detail = claims.ID, claims.Subject, map[string]string{"endpoint": endpoint}
	return e.commit(ctx, c, ledger.Entry{Redemptions: []ledger.Redemption{proof.Redemption()}, Event: event})
}
