package downstream

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// tokenTypeJWT is what we present to a company's own authorization server (RFC 8693 §3).
const tokenTypeJWT = "urn:ietf:params:oauth:token-type:jwt" //nolint:gosec // a name

// presentedLife is how long what we present can be used: it is made for one request.
const presentedLife = time.Minute

// lendOwn lends a token of the company's own account, of an app's installation, or, from a company's own authorization
// server, for the token's person. It is kept in memory for minutes, for exactly who was lent it; nothing of it rests.
func (l *Lender) lendOwn(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, engine *provider.Provider, w Want) (provider.Lease, bool, error) {
	credential, err := l.obtained.take(ctx, useOf(t, p, w), engine, w.MinTTL, l.Now, func(ctx context.Context) (provider.Credential, error) {
		return l.obtain(ctx, t, p, engine, w)
	})
	if err != nil {
		return provider.Lease{}, false, err
	}
	return engine.Lend(credential), engine.Within(credential, w.Scopes), nil
}

func (l *Lender) obtain(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, engine *provider.Provider, w Want) (provider.Credential, error) {
	wanted := provider.Wanted{Scopes: w.Scopes}
	switch {
	case installed(p):
		wanted.Subject = p.Object.InstallationID
		return engine.Install(ctx, wanted)
	case p.Manifest.Kind == provider.TokenExchange:
		return l.exchange(ctx, t, engine, w)
	default:
		if p.Object != nil && p.Object.ActAs == object.ActAsEmail {
			if w.Email == "" { // never the service account's own power instead of a person's
				return provider.Credential{}, &connection.Refusal{Code: connection.CodeMisconfigured, Reason: "act_as: email, and no address is known for whom it is"}
			}
			wanted.Subject = w.Email
		}
		return engine.Obtain(ctx, wanted)
	}
}

// exchange presents a token that was made for that server and nobody else. What the agent brought stays here (T45).
func (l *Lender) exchange(ctx context.Context, t *snapshot.Tenant, engine *provider.Provider, w Want) (provider.Credential, error) {
	audience, err := engine.Audience()
	if err != nil {
		return provider.Credential{}, err
	}
	// Our key says it: whoever may write a Provider has it say nothing that we, a resource or a client of ours would take for
	// a token of theirs (RFC 8725 §2.7).
	if ours(t, audience) {
		return provider.Credential{}, &connection.Refusal{Code: connection.CodeMisconfigured, Reason: "the provider's issuer or token_url is ours, or a resource's"}
	}
	signer, err := l.Signers.Signer(ctx, t.UID, l.Algorithm)
	if err != nil {
		return provider.Credential{}, err
	}
	now := l.Now().Truncate(time.Second)
	claims := map[string]any{
		"iss": t.Issuer, "sub": w.Subject, "aud": audience, "client_id": w.ClientID,
		"iat": now.Unix(), "exp": now.Add(presentedLife).Unix(), "jti": id.New(id.Token, l.Now()),
	}
	if w.Email != "" {
		claims["email"] = w.Email
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return provider.Credential{}, err
	}
	signed, err := signer.Sign("JWT", text) // never at+jwt: it is no access token of ours
	if err != nil {
		return provider.Credential{}, err
	}
	return engine.ExchangeToken(ctx, provider.Presented{Token: provider.NewSecret(signed), TokenType: tokenTypeJWT}, provider.Wanted{Scopes: w.Scopes})
}

// ours tells whether an audience is this tenant, an endpoint of it, or one of its resources.
func ours(t *snapshot.Tenant, audience string) bool {
	_, resource := t.ResourceByURI(audience)
	return resource || audience == t.Issuer || strings.HasPrefix(audience, t.Issuer+"/")
}
