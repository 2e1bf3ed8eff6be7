package oidc

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// kind is a kind of token that the IdP signs for us.
type kind struct {
	malformed federation.Code
	issuer    federation.Code // another issuer's
	types     []string        // typ in its one form; "" is none
	expected  string
}

// The kinds, and which typ they may have (RFC 8725 §3.11): ID tokens have none of their
// own, a logout token should (Back-Channel Logout §2.4).
func kindIDToken() kind {
	return kind{federation.CodeIDTokenMalformed, federation.CodeIDTokenIssuer, []string{"", "jwt"}, "JWT or none"}
}

func kindLogout() kind {
	return kind{federation.CodeLogoutMalformed, federation.CodeLogoutNotForUs, []string{"logout+jwt", "", "jwt"}, "logout+jwt, JWT or none"}
}

func kindUserinfo() kind {
	return kind{federation.CodeUserinfoUnusable, federation.CodeUserinfoUnusable, []string{"", "jwt"}, "JWT or none"}
}

// signed is a token whose signature and issuer hold, and nothing else yet.
type signed struct {
	claims jws.Claims
	header jws.Header
	key    jwks.Key
	digest string
}

// verify is the way of every token of the IdP: shape, typ, issuer, algorithm, key,
// signature. Neither go-oidc nor what the token says of keys has a part in it (M2, T3).
func (rp *RelyingParty) verify(ctx context.Context, owner string, e *Entry, k kind, compact string, trail *federation.Trail) (signed, error) {
	// 1. One compact JWS in canonical form, strict JSON inside (RFC 7515 §7.1).
	size := strconv.Itoa(len(compact)) + " bytes"
	message, err := jws.Parse(compact)
	if err != nil {
		if problem, ok := errors.AsType[*jws.Error](err); ok && errors.Is(err, jws.ErrHeader) && problem.Name != "" { // RFC 7515 §4.1.11
			return signed{}, trail.Refuse(federation.CodeHeaderUnsupported, "shape", problem.Name+" "+problem.Received, problem.Expected, err)
		}
		return signed{}, trail.Refuse(k.malformed, "shape", size, "one compact JWS of at most 16 KiB", err)
	}
	trail.Pass("shape", size, "one compact JWS")
	header := message.Header()
	// 2. Its kind.
	if !slices.Contains(k.types, header.Type) {
		return signed{}, trail.Refuse(federation.CodeTypWrong, "typ", header.Type, k.expected, nil)
	}
	// 3. Whose it says it is, byte for byte (OIDC Core §3.1.3.7 (2)), before anything is
	// fetched for it.
	unverified, err := message.Unverified()
	if err != nil {
		return signed{}, refuseClaims(trail, err)
	}
	switch unverified.Issuer {
	case e.Provider.Issuer:
	case "":
		return signed{}, trail.Refuse(federation.CodeClaimMissing, "iss", "", e.Provider.Issuer, nil)
	default:
		return signed{}, trail.Refuse(k.issuer, "iss", unverified.Issuer, e.Provider.Issuer, nil)
	}
	trail.Pass("iss", unverified.Issuer, e.Provider.Issuer)
	// 4. The signature, by a key of that issuer and an algorithm of the entry (RFC 8725 §3.1).
	if !slices.Contains(e.Algorithms, header.Algorithm) {
		return signed{}, trail.Refuse(federation.CodeAlgorithmNotAllowed, "alg", header.Algorithm, "an algorithm of the entry", nil)
	}
	claims, key, err := rp.verifySignature(ctx, owner, e, message)
	if err != nil {
		return signed{}, refuseSignature(trail, header, err)
	}
	trail.Pass("signature", header.Algorithm+" "+key.ID, e.Provider.Name)
	return signed{claims: claims, header: header, key: key, digest: message.Digest()}, nil
}

func (rp *RelyingParty) verifySignature(ctx context.Context, owner string, e *Entry, message *jws.Message) (jws.Claims, jwks.Key, error) {
	source := e.Provider.Keys
	source.Issuer = e.Provider.Issuer // the entry's, whatever the source says
	keys, err := rp.keys.Keys(ctx, owner, source, message.Header().KeyID)
	if err != nil {
		return jws.Claims{}, jwks.Key{}, err
	}
	claims, key, err := message.VerifyClaims(keys, e.Algorithms)
	if errors.Is(err, jws.ErrSignature) || errors.Is(err, jws.ErrKeyNotFound) || errors.Is(err, jws.ErrKeyAmbiguous) {
		// A key may have changed and kept its kid; asked at most every 30 s.
		if renewed, changed, renewErr := rp.keys.Renew(ctx, owner, source, keys); renewErr == nil && changed {
			return message.VerifyClaims(renewed, e.Algorithms)
		}
	}
	return claims, key, err
}

func refuseSignature(trail *federation.Trail, header jws.Header, err error) error {
	switch {
	case errors.Is(err, jwks.ErrUnavailable):
		return trail.Refuse(federation.CodeKeysUnavailable, "keys", "none", "the IdP's key set", err)
	case errors.Is(err, jwks.ErrExpired):
		return trail.Refuse(federation.CodeJWKSStale, "keys", "past their end", "keys that hold", err)
	case errors.Is(err, jws.ErrSignature):
		return trail.Refuse(federation.CodeSignatureInvalid, "signature", header.KeyID, "a signature by the IdP's key", err)
	case errors.Is(err, jws.ErrAlgorithm):
		return trail.Refuse(federation.CodeAlgorithmNotAllowed, "alg", header.Algorithm, "an algorithm of the entry", err)
	case errors.Is(err, jws.ErrClaims), errors.Is(err, jws.ErrClaim):
		return refuseClaims(trail, err)
	default: // no key fits, or several do
		return trail.Refuse(federation.CodeKeyUnknown, "kid", header.KeyID, "one key of the IdP for "+header.Algorithm, err)
	}
}

// refuseClaims: claims that are no strict object, or one of them of the wrong form.
func refuseClaims(trail *federation.Trail, err error) error {
	name, expected := "claims", "one strict JSON object"
	if problem, ok := errors.AsType[*jws.Error](err); ok && errors.Is(err, jws.ErrClaim) {
		name, expected = problem.Name, problem.Expected
	}
	return trail.Refuse(federation.CodeClaimMalformed, name, "", expected, err)
}
