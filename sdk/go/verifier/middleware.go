package verifier

import (
	"context"
	"net/http"
)

type tokenKey struct{}

// Require lets requests through that have a valid token and meet every requirement, and
// answers others with [WriteError].
func (v *Verifier) Require(needs ...Requirement) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := v.Verify(r, needs...)
			if err != nil {
				WriteError(w, err)
				return
			}
			v.OfferNonce(w, token)
			next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), token)))
		})
	}
}

// OfferNonce sets DPoP-Nonce on the answer to a request with a proof (RFC 9449 §8.2), so
// that a client always has a fresh one. It does nothing without [WithNonces]. Require
// calls it; other middleware should.
func (v *Verifier) OfferNonce(w http.ResponseWriter, t *Token) {
	if t.claims.Thumbprint == "" {
		return
	}
	if nonce := v.proofs.nonces.issue(v.now()); nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
}

// NewContext carries a token to handlers.
func NewContext(ctx context.Context, t *Token) context.Context {
	return context.WithValue(ctx, tokenKey{}, t)
}

// FromContext gives the token that [Verifier.Require] verified.
func FromContext(ctx context.Context) (*Token, bool) {
	t, ok := ctx.Value(tokenKey{}).(*Token)
	return t, ok && t != nil
}
