package dpop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Type is the media type of a proof (RFC 9449 §4.2).
const Type = "dpop+jwt"

// Window is how far a proof's iat may be from our clock, either way.
const Window = 60 * time.Second

// Algorithms lists what proofs may be signed with, for
// dpop_signing_alg_values_supported (RFC 9449 §5.1).
func Algorithms() []string { return []string{"ES256", "ES384", "EdDSA", "PS256", "RS256"} }

// Expectation says what a proof must be for. Tenant, Method, URL and Now are
// required.
type Expectation struct {
	Tenant tenant.UID
	Method string // of the request, as RFC 9110 writes it
	URL    string // the endpoint's public URL, from configuration
	Now    time.Time
	// AccessToken is not empty where a token comes with the proof: ath must be its
	// hash (RFC 9449 §4.2). At the token endpoint there is none.
	AccessToken string
	// Nonce, where the server asks for one, judges the proof's, or its absence (""); nil
	// asks for none (RFC 9449 §8). ErrNonce becomes a challenge, CodeDPoPNonceRequired.
	Nonce func(nonce string) error
}

// Proof is a verified proof. Only Verify builds one; the zero value is no proof.
type Proof struct {
	thumbprint string
	id         string
	ath        string
	redemption ledger.Redemption
}

// Thumbprint is the RFC 7638 thumbprint of the proved key, as cnf.jkt has it.
func (p Proof) Thumbprint() string { return p.thumbprint }

// ID is the proof's jti.
func (p Proof) ID() string { return p.id }

// Token is the hash of a token that the proof names (ath), "" if it names none. Where no token was expected it is not compared
// with anything.
func (p Proof) Token() string { return p.ath }

// Redemption makes the proof good for one use (RFC 9449 §11.1).
func (p Proof) Redemption() ledger.Redemption { return p.redemption }

// IsZero tells that nothing was proved.
func (p Proof) IsZero() bool { return p.thumbprint == "" }

// Verify checks the DPoP header fields of a request, in the order of RFC 9449
// §4.3. Without any it answers a zero Proof and no error. Refusals are
// *oauth.Error.
func Verify(headers []string, want Expectation) (Proof, error) {
	if err := want.check(); err != nil {
		return Proof{}, oauth.Fail(oauth.CodeInternal, err)
	}
	// 1. Not more than one header field, and one value in it.
	switch {
	case len(headers) == 0:
		return Proof{}, nil
	case len(headers) > 1:
		return Proof{}, refuse("DPoP header", strconv.Itoa(len(headers))+" fields", "one")
	}
	// 2. A well-formed JWT.
	message, err := jws.Parse(headers[0])
	if err != nil {
		return Proof{}, fail("DPoP header", err)
	}
	header := message.Header()
	// 4. typ.
	if header.Type != Type {
		return Proof{}, refuse("typ", header.Type, Type)
	}
	// 5, 6, 7. An asymmetric algorithm of the list, and a signature by the key in
	// the header, which is public and nothing else.
	key, err := proofKey(header)
	if err != nil {
		return Proof{}, fail("jwk", err)
	}
	claims, _, err := message.VerifyClaims([]jwks.Key{key}, Algorithms())
	if err != nil {
		return Proof{}, fail("signature", err)
	}
	// 3, 8-12. The claims.
	return verifyClaims(claims, key.Thumbprint, want)
}

func (e Expectation) check() error {
	if err := e.Tenant.Check(); err != nil {
		return err
	}
	if e.Method == "" || e.URL == "" || e.Now.IsZero() {
		return errors.New("a proof is expected for no request")
	}
	return nil
}

// proofKey reads the jwk parameter. jwks.ParseKey refuses private members,
// symmetric keys and weak ones. A kid in the header has no meaning here.
func proofKey(header jws.Header) (jwks.Key, error) {
	if header.JWK == nil {
		return jwks.Key{}, errors.New("it is absent")
	}
	key, err := jwks.ParseKey(header.JWK)
	if err != nil {
		return jwks.Key{}, err
	}
	key.ID = header.KeyID
	return key, nil
}

func verifyClaims(claims jws.Claims, thumbprint string, want Expectation) (Proof, error) {
	var id, method, target string
	for _, required := range []struct {
		name string
		into *string
	}{{"jti", &id}, {"htm", &method}, {"htu", &target}} {
		value, _, err := claims.String(required.name)
		if err != nil {
			return Proof{}, fail(required.name, err)
		}
		if value == "" {
			return Proof{}, refuse(required.name, "nothing", "a string")
		}
		*required.into = value
	}
	// 8. htm is the method, case-sensitive as RFC 9110 §9.1 has it.
	if method != want.Method {
		return Proof{}, refuse("htm", method, want.Method)
	}
	// 9. htu is the URL without query and fragment, both sides normalised.
	expected, err := normalise(want.URL)
	if err != nil {
		return Proof{}, oauth.Fail(oauth.CodeInternal, fmt.Errorf("expected URL: %w", err))
	}
	received, err := normalise(target)
	if err != nil || received != expected {
		return Proof{}, refuse("htu", target, expected)
	}
	// 10. The nonce, where one was asked for.
	if err := verifyNonce(claims, want); err != nil {
		return Proof{}, err
	}
	// 11. iat within the window, either way.
	issued, present, err := claims.Time("iat")
	if err != nil {
		return Proof{}, fail("iat", err)
	}
	if !present {
		return Proof{}, refuse("iat", "nothing", "a time")
	}
	if age := want.Now.Sub(issued); age > Window || age < -Window {
		return Proof{}, refuse("iat", issued.Format(time.RFC3339), want.Now.UTC().Format(time.RFC3339)+" within "+Window.String())
	}
	// A proof that says itself when it ends is taken at its word.
	if err := verifyOwnTimes(claims, want.Now); err != nil {
		return Proof{}, err
	}
	// 12. The token that comes with it.
	if err := verifyToken(claims, want.AccessToken); err != nil {
		return Proof{}, err
	}
	ath, _, err := claims.String("ath")
	if err != nil {
		return Proof{}, fail("ath", err)
	}
	return Proof{thumbprint: thumbprint, id: id, ath: ath, redemption: ledger.Redemption{
		Tenant: want.Tenant,
		Space:  ledger.SpaceProof,
		// Single use per key and URL, so that nobody can use up another's jti.
		Key:       sha256.Sum256([]byte(strings.Join([]string{thumbprint, id, expected}, "\x00"))),
		ExpiresAt: issued.Add(2 * Window), // any replica that may still take it has a clock within the window
		Always:    true,
		Code:      string(oauth.CodeDPoPReplayed),
	}}, nil
}

func verifyNonce(claims jws.Claims, want Expectation) error {
	if want.Nonce == nil {
		return nil
	}
	nonce, _, err := claims.String("nonce")
	if err != nil {
		return fail("nonce", err)
	}
	err = want.Nonce(nonce)
	if errors.Is(err, ErrNonce) {
		challenge := oauth.Fail(oauth.CodeDPoPNonceRequired, err)
		challenge.Received, challenge.Expected = clip("nonce: "+nonce), "nonce: a fresh one of this server"
		return challenge
	}
	if err != nil { // it could not be judged
		return oauth.Fail(oauth.CodeInternal, err)
	}
	return nil
}

func verifyOwnTimes(claims jws.Claims, now time.Time) error {
	end, present, err := claims.Time("exp")
	if err != nil {
		return fail("exp", err)
	}
	if present && !now.Before(end.Add(Window)) {
		return refuse("exp", end.Format(time.RFC3339), "later than "+now.UTC().Format(time.RFC3339))
	}
	begin, present, err := claims.Time("nbf")
	if err != nil {
		return fail("nbf", err)
	}
	if present && begin.After(now.Add(Window)) {
		return refuse("nbf", begin.Format(time.RFC3339), "not later than "+now.UTC().Format(time.RFC3339))
	}
	return nil
}

func verifyToken(claims jws.Claims, token string) error {
	if token == "" {
		return nil
	}
	ath, _, err := claims.String("ath")
	if err != nil {
		return fail("ath", err)
	}
	expected := Hash(token)
	if subtle.ConstantTimeCompare([]byte(ath), []byte(expected)) != 1 {
		return refuse("ath", ath, expected)
	}
	return nil
}

// Hash is what ath says of a token (RFC 9449 §4.2).
func Hash(token string) string {
	digest := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}

// refuse names the check in both values: the code is one for all of them.
func refuse(check, received, expected string) *oauth.Error {
	return oauth.Refuse(oauth.CodeDPoPProofInvalid, clip(check+": "+received), clip(check+": "+expected))
}

func fail(check string, cause error) *oauth.Error {
	e := oauth.Fail(oauth.CodeDPoPProofInvalid, fmt.Errorf("%s: %w", check, cause))
	e.Expected = "a valid " + check
	return e
}

func clip(s string) string {
	const most = 256
	s = strings.ToValidUTF8(s, "?")
	return s[:min(len(s), most)]
}
