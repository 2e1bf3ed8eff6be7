package grant

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/identity"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/token"
)

// idToken tells the client who signed in (OpenID Connect Core §2, §3.1.3.3), beside the access token with which it comes.
// It is empty where openid was not granted. nonce is the authorization request's; a refresh has none (§12.2).
func (g *Grants) idToken(ctx context.Context, c *call, s signedIn, nonce, accessToken string) (string, error) {
	if !slices.Contains(s.identity, authorization.ScopeOpenID) {
		return "", nil
	}
	signer, err := g.Signers.Signer(ctx, c.Tenant.UID, token.IdentityAlgorithm)
	if err != nil {
		return "", &oauth.Error{Code: oauth.CodeTenantUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	now := c.now.Truncate(time.Second)
	return token.MintIdentity(token.Identity{
		Issuer:      c.Tenant.Issuer,
		Subject:     s.account.UID, // as in the access token: one subject for all clients (subject_types_supported: public)
		Audience:    c.client().ClientID,
		IssuedAt:    now,
		ExpiresAt:   now.Add(token.IdentityLifetime),
		Nonce:       nonce,
		AccessToken: accessToken,
		SessionID:   sessionID(c.Tenant.UID.String(), s.session),
		AuthTime:    s.proof.AuthTime,
		ACR:         s.proof.ACR,
		AMR:         s.proof.AMR,
		Profile:     identity.Profile(s.account, s.profile, s.identity),
	}, signer)
}

// sessionID names the session to clients, so that one logout can be told from another (OpenID Connect Front- and
// Back-Channel Logout, sid). It leads neither to the cookie nor to the row.
func sessionID(tenant string, handle [32]byte) string {
	if handle == [32]byte{} {
		return ""
	}
	sum := sha256.Sum256([]byte("chancery/sid\x00" + tenant + "\x00" + string(handle[:])))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
