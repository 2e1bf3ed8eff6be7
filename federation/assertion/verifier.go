package assertion

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Verifier verifies assertions. It is safe for concurrent use.
type Verifier struct {
	Keys *jwks.Cache
	Now  func() time.Time
}

// Request is an assertion and what is known about who presents it, and where.
type Request struct {
	Compact string
	Issuer  string // ours: the tenant's, byte for byte as published
	// TokenEndpoint is ours too: the other audience of plain assertions (RFC 7523
	// §3); "" is none.
	TokenEndpoint string
	ClientID      string   // of the client that authenticated; "" when nobody did
	ClientNames   []string // what an entry's clients may call it: its name, the host of its metadata document
	// ProofThumbprint is the RFC 7638 thumbprint of the key that a verified DPoP
	// proof of this request showed; "" when there was no proof.
	ProofThumbprint string
	TenantName      string // ours
	TenantUID       string
	// IsResource tells whether a URI is a resource of the tenant. It only makes a
	// refusal more telling; nil knows none.
	IsResource func(uri string) bool
}

// String names who asks; the assertion, which is a secret while it can be
// redeemed, stays out of logs.
func (r Request) String() string { return "assertion presented by " + r.ClientID }

// GoString is String, for %#v.
func (r Request) GoString() string { return r.String() }

// LogValue is String, for slog.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// ErrIncomplete is returned for a call in which a check would be empty. It is a
// mistake of the caller, not of who sent the assertion.
var ErrIncomplete = errors.New("assertion: verifier or request is incomplete")

// ErrClientNeeded is returned for an assertion that only an authenticated client
// may present, where none did: an ID-JAG, at once (EMA 7.7), or a plain one whose
// signature holds. It says nothing about the assertion otherwise.
var ErrClientNeeded = errors.New("assertion: a client must authenticate to present it")

// Verify checks an assertion. Every error is a *federation.Refusal, except
// ErrIncomplete and ErrClientNeeded. owner is the tenant's uid, to which cached keys belong.
func (v *Verifier) Verify(ctx context.Context, registry *federation.Registry, owner string, r Request) (*Verified, error) {
	if v.Keys == nil || v.Now == nil || registry == nil || owner == "" || r.Issuer == "" || r.TenantUID == "" {
		return nil, ErrIncomplete
	}
	w := &walk{request: r, now: v.Now(), groups: Groups{State: GroupsAbsent}}

	// 1. One compact JWS in canonical form, strict JSON inside (RFC 7515 §7.1).
	message, err := w.parse()
	if err != nil {
		return nil, err
	}
	// 2. Its kind, by typ (ID-JAG §3.1, RFC 8725 §3.11).
	if err := w.checkType(message.Header().Type); err != nil {
		return nil, err
	}
	if w.profile == federation.ProfileIDJAG && r.ClientID == "" {
		return nil, ErrClientNeeded
	}
	// 3. Whose it is, by exact match, before anything that it names is fetched.
	idp, err := w.findIssuer(registry, message)
	if err != nil {
		return nil, err
	}
	// 4. The signature, with that issuer's keys and algorithms only.
	claims, err := w.checkSignature(ctx, v.Keys, owner, idp, message)
	if err != nil {
		return nil, err
	}
	// 5. What it is for, where typ did not say: only now, since the answer tells
	// that the issuer is trusted.
	if err := w.checkPlainType(w.header.Type); err != nil {
		return nil, err
	}
	if w.profile == federation.ProfileJWTBearer && r.ClientID == "" {
		return nil, ErrClientNeeded
	}
	// 6. The claims: types first, then what each must say.
	c := read(claims, w.profile, w.idp, &w.trail)
	if c.refusal != nil {
		return nil, c.refusal
	}
	for _, check := range w.checks() {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	// 7. Who presents it. Last: this is not about the assertion's validity, and
	// has its own error under idjag-06. A workload's client is found later.
	if w.profile != federation.ProfileWorkload {
		if err := w.checkPresenter(); err != nil {
			return nil, err
		}
	}
	if c.id == "" {
		w.digest = message.Digest()
	}
	return newVerified(w, c), nil
}

// walk is one verification under way.
type walk struct {
	request Request
	now     time.Time
	profile federation.Profile // "" while it is not known, and where the entry lists none that fits
	idp     *federation.IdentityProvider
	digest  string // of what was signed; "" where jti names it
	key     jwks.Key
	header  jws.Header
	groups  Groups
	private map[string]any
	trail   federation.Trail
}

// checks are those of the profile, in their order. Nothing here is left out because
// an input is missing: what a profile does not ask is another profile's word.
func (w *walk) checks() []func(*claimSet) error {
	switch w.profile {
	case federation.ProfileIDJAG:
		return []func(*claimSet) error{
			w.checkAudience, w.checkTimes, w.checkClient, w.checkConfirmation, w.checkTenant, w.checkAudTenant, w.checkActor, w.readGroups, w.readPrivate,
		}
	case federation.ProfileJWTBearer:
		return []func(*claimSet) error{
			w.checkPurpose, w.checkPlainAudience, w.checkTimes, w.checkNamedClient, w.checkConfirmation, w.checkSubjectTenant,
			w.checkAudTenant, w.checkActor, w.readGroups, w.readPrivate,
		}
	case federation.ProfileWorkload:
		return []func(*claimSet) error{
			w.checkPurpose, w.checkPlainAudience, w.checkTimes, w.checkConfirmation, w.checkSubjectTenant, w.checkActor, w.readPrivate,
		}
	case federation.ProfileSAML2Bearer:
	}
	return []func(*claimSet) error{w.refuseProfile} // no profile of this package gets here
}

func (w *walk) refuseProfile(*claimSet) error {
	return w.trail.Refuse(federation.CodeProfileNotAllowed, "profile", string(w.profile), "a profile that is served", nil)
}

func (w *walk) parse() (*jws.Message, error) {
	size := strconv.Itoa(len(w.request.Compact)) + " bytes"
	message, err := jws.Parse(w.request.Compact)
	if err != nil {
		code, received, expected := federation.CodeAssertionMalformed, size, "one compact JWS of at most 16 KiB"
		e, ok := errors.AsType[*jws.Error](err)
		switch {
		case errors.Is(err, jws.ErrTooLarge):
			code = federation.CodeAssertionTooLarge
		case ok && errors.Is(err, jws.ErrHeader) && e.Name != "": // RFC 7515 §4.1.11 and the like
			code, received, expected = federation.CodeHeaderUnsupported, e.Name+" "+e.Received, e.Expected
		}
		return nil, w.trail.Refuse(code, "shape", received, expected, err)
	}
	w.header = message.Header()
	w.trail.Pass("shape", size, "one compact JWS")
	return message, nil
}

func (w *walk) checkSignature(ctx context.Context, cache *jwks.Cache, owner string, idp *federation.IdentityProvider, message *jws.Message) (jws.Claims, error) {
	// RFC 8725 §3.1, before the keys: an algorithm that cannot pass costs no fetch.
	algorithm, kid := w.header.Algorithm, w.header.KeyID
	if !jws.Supported(algorithm) || !slices.Contains(idp.Assertions.Algorithms, algorithm) {
		return jws.Claims{}, w.trail.Refuse(federation.CodeAlgorithmNotAllowed, "alg", algorithm, oneOf(idp.Assertions.Algorithms), nil)
	}
	source := idp.Keys
	source.Issuer = idp.Issuer // the entry's, whatever the source says
	source.SVID = idp.Dialect.SPIFFE
	keys, err := cache.Keys(ctx, owner, source, kid)
	switch {
	case errors.Is(err, jwks.ErrUnavailable) && w.request.ClientID == "" && w.profile != federation.ProfileWorkload:
		// Who needs a client and is none has no use for "try again", and would learn that the issuer is trusted.
		return jws.Claims{}, w.trail.Refuse(federation.CodeKeyUnknown, "keys", "none", "the issuer's key set", err)
	case errors.Is(err, jwks.ErrUnavailable):
		return jws.Claims{}, w.trail.Refuse(federation.CodeKeysUnavailable, "keys", "none", "the issuer's key set", err)
	case errors.Is(err, jwks.ErrExpired): // inline keys past their not_after: whether they still hold, nobody here knows
		return jws.Claims{}, w.trail.Refuse(federation.CodeJWKSStale, "keys", "not_after "+stamp(source.NotAfter), "keys that hold at "+stamp(w.now), err)
	case err != nil:
		return jws.Claims{}, w.trail.Refuse(federation.CodeKeyUnknown, "kid", kid, "a key of the issuer", err)
	}
	claims, key, err := message.VerifyClaims(keys, idp.Assertions.Algorithms)
	if mayHaveChanged(err) {
		// The issuer may have changed a key and kept its kid, or sign without one; asked at most every 30 s.
		if renewed, changed, renewErr := cache.Renew(ctx, owner, source, keys); renewErr == nil && changed {
			claims, key, err = message.VerifyClaims(renewed, idp.Assertions.Algorithms)
		}
	}
	switch {
	case errors.Is(err, jws.ErrSignature):
		return jws.Claims{}, w.trail.Refuse(federation.CodeSignatureInvalid, "signature", kid, "a signature by the issuer's key", err)
	case errors.Is(err, jws.ErrAlgorithm):
		return jws.Claims{}, w.trail.Refuse(federation.CodeAlgorithmNotAllowed, "alg", algorithm, oneOf(idp.Assertions.Algorithms), err)
	case errors.Is(err, jws.ErrClaims), errors.Is(err, jws.ErrClaim):
		return jws.Claims{}, w.refuseClaims(err)
	case err != nil: // no key fits, or several do
		return jws.Claims{}, w.trail.Refuse(federation.CodeKeyUnknown, "kid", kid, "one key of the issuer for "+algorithm, err)
	}
	w.key = key
	w.trail.Pass("signature", algorithm+" "+key.ID, idp.Name)
	return claims, nil
}

// oneOf tells an administrator what the entry lists; outsiders never see it.
func oneOf(algorithms []string) string {
	if len(algorithms) == 0 {
		return "an algorithm of the entry, which lists none"
	}
	return "one of the entry's: " + strings.Join(algorithms, ", ")
}

func mayHaveChanged(err error) bool {
	return errors.Is(err, jws.ErrSignature) || errors.Is(err, jws.ErrKeyNotFound) || errors.Is(err, jws.ErrKeyAmbiguous)
}

func (w *walk) refuseClaims(err error) error {
	if name, ok := jws.IsClaim(err); ok {
		return refuseClaim(&w.trail, name, err)
	}
	return w.trail.Refuse(federation.CodeClaimMalformed, "claims", "", "one strict JSON object", err)
}

func refuseClaim(trail *federation.Trail, name string, err error) *federation.Refusal {
	expected := ""
	if e, ok := errors.AsType[*jws.Error](err); ok {
		expected = e.Expected
	}
	return trail.Refuse(federation.CodeClaimMalformed, name, "", expected, err)
}

// checkPresenter: an entry that lists no client lets nobody present.
func (w *walk) checkPresenter() error {
	if w.idp.ListsClient(w.request.ClientNames) {
		w.trail.Pass("client", w.request.ClientID, "a client of the entry")
		return nil
	}
	return w.trail.Refuse(federation.CodeIssuerClientDenied, "client", w.request.ClientID, "a client of the entry "+w.idp.Name, nil)
}
