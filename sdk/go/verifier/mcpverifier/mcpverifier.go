// Package mcpverifier protects MCP servers built on the MCP Go SDK with
// [verifier.Verifier]: the HTTP endpoint as a whole, and each tool.
//
//	server.AddReceivingMiddleware(mcpverifier.Tools(tools))
//	mux.Handle("/mcp", mcpverifier.Require(v, tools)(mcp.NewStreamableHTTPHandler(…)))
//
// It is a module of its own, so that only who uses the SDK needs it. It decides nothing
// itself and must not read tokens.
package mcpverifier

import (
	"context"
	"errors"
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
)

// requestKey is where Require leaves the token for the SDK's middleware behind it.
type requestKey struct{}

// verifiedKey is where TokenInfo.Extra holds the verified token.
const verifiedKey = "chancery.verified"

// Require takes bearer tokens and tokens that are bound to a key (which the SDK's own
// middleware does not), answers refusals with the right challenge, and gives handlers the
// SDK's TokenInfo: UserID is the subject, so that a session belongs to one person.
//
// tools may be nil. With it, a call of a tool that needs more than the token has is
// answered as HTTP, with a challenge that clients act on. That is a courtesy: [Tools]
// enforces.
func Require(v *verifier.Verifier, tools ToolRequirements, needs ...verifier.Requirement) func(http.Handler) http.Handler {
	known := auth.RequireBearerToken(fromContext, &auth.RequireBearerTokenOptions{ClockSkew: maxSkew})
	return func(next http.Handler) http.Handler {
		inner := known(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, err := v.Verify(r, needs...)
			if err == nil {
				v.OfferNonce(w, token)
				err = tools.peek(r, token)
			}
			if err != nil {
				verifier.WriteError(w, err)
				return
			}
			// The SDK wants to see a bearer token before it asks for what it means. The token is
			// under a key of our own: an MCP session keeps the context of the request that
			// began it, and verifier.FromContext would give tools that one for ever.
			r = r.Clone(context.WithValue(r.Context(), requestKey{}, token))
			r.Header.Set("Authorization", "Bearer verified")
			inner.ServeHTTP(w, r)
		})
	}
}

// TokenVerifier fits auth.RequireBearerToken of the SDK, for servers that have it in place
// already. The SDK answers refusals in its own way, with less to act on, and passes no
// tokens but bearer tokens to it; a token that is bound to a key is refused.
func TokenVerifier(v *verifier.Verifier, needs ...verifier.Requirement) auth.TokenVerifier {
	return func(_ context.Context, _ string, r *http.Request) (*auth.TokenInfo, error) {
		token, err := v.Verify(r, needs...)
		if err != nil {
			if refusal, ok := errors.AsType[*verifier.Error](err); ok && refusal.Status < http.StatusInternalServerError {
				return nil, errors.Join(auth.ErrInvalidToken, err)
			}
			return nil, err
		}
		return tokenInfo(token), nil
	}
}

// fromContext gives what Require verified a moment ago.
func fromContext(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
	token, ok := ctx.Value(requestKey{}).(*verifier.Token)
	if !ok {
		return nil, auth.ErrInvalidToken
	}
	return tokenInfo(token), nil
}

func tokenInfo(t *verifier.Token) *auth.TokenInfo {
	c := t.Claims()
	return &auth.TokenInfo{Scopes: c.Scopes, Expiration: c.ExpiresAt, UserID: c.Subject, Extra: map[string]any{verifiedKey: t}}
}

// Token gives the token that a request of a tool came with. It is never taken from a
// context: within a session that is the one of the request that began the session, whose
// token may have been able to do more, and may have ended.
func Token(request mcp.Request) (*verifier.Token, bool) {
	if request == nil || request.GetExtra() == nil || request.GetExtra().TokenInfo == nil {
		return nil, false
	}
	token, ok := request.GetExtra().TokenInfo.Extra[verifiedKey].(*verifier.Token)
	return token, ok && token != nil
}
