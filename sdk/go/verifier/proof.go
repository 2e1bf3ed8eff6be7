package verifier

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/jose"
)

// proofType is the media type of a DPoP proof (RFC 9449 §4.2).
const proofType = "dpop+jwt"

const (
	defaultProofWindow = 60 * time.Second
	maxProofWindow     = 5 * time.Minute
	defaultMaxBody     = 4 << 20
)

func proofAlgorithms() []string { return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"} }

type proofRules struct {
	required       bool
	window         time.Duration
	replays        ReplayStore
	nonces         *nonces // nil for none
	digestRequired bool
	maxBody        int64
}

var proofNames = []string{"jti", "htm", "htu", "iat", "exp", "nbf", "ath", "nonce", "content_digest"} //nolint:gochecknoglobals // a constant list

// verifyPossession: RFC 9449 §7.1 and §7.2. The scheme, the token and the proof must
// tell the same story.
func (v *Verifier) verifyPossession(r *http.Request, given credentials, t *Token) *Error {
	bound := t.claims.Thumbprint != ""
	switch {
	case bound && given.scheme != schemeDPoP: // §7.2: not to be downgraded
		return invalidToken("dpop_bound_as_bearer", "the token is bound to a key", nil)
	case !bound && given.scheme == schemeDPoP:
		return invalidToken("token_not_bound", "the token is bound to no key", nil)
	case !bound && v.proofs.required:
		return invalidToken("dpop_required", "a token bound to a key is needed", nil)
	case !bound:
		return nil
	}
	return v.verifyProof(r, given.token, t.claims.Thumbprint)
}

// verifyProof: RFC 9449 §4.3, by its numbers.
func (v *Verifier) verifyProof(r *http.Request, token, thumbprint string) *Error {
	// 1. One header field with one value.
	fields := r.Header.Values("DPoP")
	if len(fields) != 1 {
		return invalidProof("proof_missing", fmt.Sprintf("%d DPoP fields, one is needed", len(fields)), nil)
	}
	// 2. A well-formed JWT. 4. typ.
	message, err := jose.Parse(fields[0])
	if err != nil {
		return invalidProof("proof_malformed", "the proof is not a signed JWT", err)
	}
	if message.Type != proofType {
		return invalidProof("proof_typ", "the proof is not a DPoP proof", nil)
	}
	// 5-7. An asymmetric algorithm of ours; a public key in jwk; its signature.
	if !jose.Allowed(message.Algorithm, proofAlgorithms()) {
		return invalidProof("proof_alg", "the algorithm of the proof is not allowed", nil)
	}
	key, err := jose.ParseKey(message.JWK)
	if err != nil {
		return invalidProof("proof_jwk", "jwk is not a public key", err)
	}
	claims, err := message.Verify(key, proofAlgorithms(), proofNames...)
	if err != nil {
		return invalidProof("proof_signature", "the proof does not verify", err)
	}
	// 12b. The key is the one that the token is bound to.
	if subtle.ConstantTimeCompare([]byte(key.Thumbprint), []byte(thumbprint)) != 1 {
		return invalidToken("proof_key", "the proof is by another key", nil)
	}
	return v.verifyProofClaims(r, token, key.Thumbprint, claims)
}

func (v *Verifier) verifyProofClaims(r *http.Request, token, thumbprint string, claims map[string]any) *Error {
	c := reader{members: claims}
	id, method, target, ath := c.identifier("jti"), c.text("htm", true), c.text("htu", true), c.text("ath", true)
	issued, ends, begins := c.time("iat", true), c.time("exp", false), c.time("nbf", false)
	if c.err != nil { // 3. The required claims.
		return invalidProof("proof_claim", c.err.Error(), nil)
	}
	// 8. The method, with case.
	if method != r.Method {
		return invalidProof("proof_htm", "htm is another method", nil)
	}
	// 9. The public URL without query and fragment; never what Host says.
	expected, err := normalise(v.publicURL + r.URL.EscapedPath())
	if err != nil {
		return invalidProof("proof_htu", "the request is for no URL of ours", err)
	}
	if received, err := normalise(target); err != nil || received != expected {
		return invalidProof("proof_htu", "htu is another URL", fmt.Errorf("expected %s", expected))
	}
	// 10. The nonce, where one is asked for (§9).
	now := v.now()
	if refusal := v.proofs.nonces.check(claims["nonce"], now); refusal != nil {
		return refusal
	}
	// 11. Recent; and within what it says itself.
	window := v.proofs.window
	if age := now.Sub(issued); age > window || age < -window {
		return invalidProof("proof_iat", "iat is not now", fmt.Errorf("iat is %s", issued.Format(time.RFC3339)))
	}
	if !ends.IsZero() && !now.Before(ends.Add(window)) || begins.After(now.Add(window)) {
		return invalidProof("proof_expired", "exp or nbf do not hold", nil)
	}
	// 12a. This token.
	digest := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare([]byte(ath), []byte(base64.RawURLEncoding.EncodeToString(digest[:]))) != 1 {
		return invalidProof("proof_ath", "ath is of another token", nil)
	}
	// The body, as the draft DPoP extension of MCP has it.
	if refusal := v.verifyDigest(r, claims); refusal != nil {
		return refusal
	}
	// §11.1: once. Last, so that only the holder of the token and its key uses memory.
	key := sha256.Sum256([]byte(strings.Join([]string{thumbprint, id, expected}, "\x00")))
	first, err := v.proofs.replays.Use(r.Context(), key, issued.Add(2*window))
	switch {
	case err != nil:
		return unavailable("replay_unknown", "whether the proof is new cannot be told", err)
	case !first:
		return invalidProof("proof_replayed", "the proof was used before", nil)
	}
	return nil
}
