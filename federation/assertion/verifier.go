package assertion

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
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
	Compact     string
	Issuer      string   // ours: the tenant's, byte for byte as published
	ClientID    string   // of the client that authenticated
	ClientNames []string // what an entry's clients may call it: its name, the host of its metadata document
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

// Verify checks an assertion. Every error is a *federation.Refusal, except
// ErrIncomplete. owner is the tenant's uid, to which cached keys belong.
func (v *Verifier) Verify(ctx context.Context, registry *federation.Registry, owner string, r Request) (*Verified, error) {
	if v.Keys == nil || v.Now == nil || registry == nil || owner == "" || r.Issuer == "" || r.ClientID == "" || r.TenantUID == "" {
		return nil, ErrIncomplete
	}
	w := &walk{request: r, now: v.Now()}

	// 1. One compact JWS in canonical form, strict JSON inside (RFC 7515 §7.1).
	message, err := w.parse()
	if err != nil {
		return nil, err
	}
	// 2. Its kind, by typ alone (ID-JAG §3.1, RFC 8725 §3.11).
	if err := w.checkType(message.Header().Type); err != nil {
		return nil, err
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
	// 5. The claims: types first, then what each must say.
	c := read(claims, &w.trail)
	if c.refusal != nil {
		return nil, c.refusal
	}
	for _, check := range []func(*claimSet) error{
		w.checkAudience, w.checkTimes, w.checkClient, w.checkConfirmation, w.checkTenants, w.checkActor, w.readGroups, w.readPrivate,
	} {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	// 6. Who presents it. Last: this is not about the assertion's validity, and
	// has its own error under idjag-06.
	if err := w.checkPresenter(); err != nil {
		return nil, err
	}
	return newVerified(w, c), nil
}

// walk is one verification under way.
type walk struct {
	request Request
	now     time.Time
	idp     *federation.IdentityProvider
	key     jwks.Key
	header  jws.Header
	groups  Groups
	private map[string]any
	trail   federation.Trail
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

func (w *walk) findIssuer(registry *federation.Registry, message *jws.Message) (*federation.IdentityProvider, error) {
	unverified, err := message.Unverified()
	if err != nil {
		return nil, w.refuseClaims(err)
	}
	issuer := unverified.Issuer
	if issuer == "" {
		return nil, w.trail.Refuse(federation.CodeClaimMissing, "iss", "", "an issuer", nil)
	}
	if issuer == w.request.Issuer {
		// ID-JAG §5: an assertion of ours is for others; redeeming it here would
		// turn a token endpoint into its own identity provider.
		return nil, w.trail.Refuse(federation.CodeOwnAssertion, "iss", issuer, "the issuer of an IdP", nil)
	}
	idp, found := registry.Lookup(issuer)
	switch {
	case !found && registry.Disabled(issuer):
		return nil, w.trail.Refuse(federation.CodeIssDisabled, "iss", issuer, "an enabled entry", nil)
	case !found:
		return nil, w.trail.Refuse(federation.CodeIssUnknown, "iss", issuer, "an issuer in the registry", nil)
	case !idp.Assertions.Allows(federation.ProfileIDJAG):
		w.trail.For(idp)
		return nil, w.trail.Refuse(federation.CodeProfileNotAllowed, "profile", string(federation.ProfileIDJAG), "a profile of the entry", nil)
	}
	w.idp = idp
	w.trail.For(idp)
	w.trail.Pass("iss", issuer, idp.Name)
	return idp, nil
}

func (w *walk) checkSignature(ctx context.Context, cache *jwks.Cache, owner string, idp *federation.IdentityProvider, message *jws.Message) (jws.Claims, error) {
	// RFC 8725 §3.1, before the keys: an algorithm that cannot pass costs no fetch.
	algorithm, kid := w.header.Algorithm, w.header.KeyID
	if !jws.Supported(algorithm) || !slices.Contains(idp.Assertions.Algorithms, algorithm) {
		return jws.Claims{}, w.trail.Refuse(federation.CodeAlgorithmNotAllowed, "alg", algorithm, "an algorithm of the entry", nil)
	}
	source := idp.Keys
	source.Issuer = idp.Issuer // the entry's, whatever the source says
	keys, err := cache.Keys(ctx, owner, source, kid)
	switch {
	case errors.Is(err, jwks.ErrUnavailable):
		return jws.Claims{}, w.trail.Refuse(federation.CodeKeysUnavailable, "keys", "none", "the issuer's key set", err)
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
		return jws.Claims{}, w.trail.Refuse(federation.CodeAlgorithmNotAllowed, "alg", algorithm, "an algorithm of the entry", err)
	case errors.Is(err, jws.ErrClaims), errors.Is(err, jws.ErrClaim):
		return jws.Claims{}, w.refuseClaims(err)
	case err != nil: // no key fits, or several do
		return jws.Claims{}, w.trail.Refuse(federation.CodeKeyUnknown, "kid", kid, "one key of the issuer for "+algorithm, err)
	}
	w.key = key
	w.trail.Pass("signature", algorithm+" "+key.ID, idp.Name)
	return claims, nil
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
	for _, name := range w.request.ClientNames {
		if name != "" && slices.Contains(w.idp.Assertions.Clients, name) {
			w.trail.Pass("client", name, "a client of the entry")
			return nil
		}
	}
	return w.trail.Refuse(federation.CodeIssuerClientDenied, "client", w.request.ClientID, "a client of the entry "+w.idp.Name, nil)
}
