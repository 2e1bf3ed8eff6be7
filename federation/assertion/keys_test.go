package assertion_test

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// What is refused before the keys are needed costs nobody a fetch (T3, T16):
// neither the network nor an IdP learns that somebody sent an assertion.
func TestNothingIsFetchedBeforeTheIssuerIsKnown(t *testing.T) {
	attacker := func(t *testing.T) (*scene, *idptest.Running) {
		s := newScene(t)
		return s, idptest.Start(t, options(s.clock))
	}
	for _, test := range []struct {
		name   string
		change func(*scene)
		option idptest.Option
		want   federation.Code
	}{
		{name: "unknown issuer", option: idptest.WithClaim("iss", "https://unknown.example"), want: federation.CodeIssUnknown},
		{name: "own assertion", option: idptest.WithClaim("iss", ours), want: federation.CodeOwnAssertion},
		{name: "disabled issuer", change: func(s *scene) { s.entry.Disabled = true }, want: federation.CodeIssDisabled},
		{name: "profile not listed", change: func(s *scene) { s.entry.Assertions.Profiles = nil }, want: federation.CodeProfileNotAllowed},
		{name: "other profile listed", change: func(s *scene) {
			s.entry.Assertions.Profiles = []federation.Profile{federation.ProfileJWTBearer}
		}, want: federation.CodeProfileNotAllowed},
		{name: "no algorithm listed", change: func(s *scene) { s.entry.Assertions.Algorithms = nil }, want: federation.CodeAlgorithmNotAllowed},
		{name: "another kind of token", option: idptest.WithHeader("typ", "at+jwt"), want: federation.CodeTypWrong},
		{name: "critical header", option: idptest.WithHeader("crit", []string{"exp"}), want: federation.CodeHeaderUnsupported},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, _ := attacker(t)
			if test.change != nil {
				test.change(s)
			}
			var options []idptest.Option
			if test.option != nil {
				options = append(options, test.option)
			}
			s.refused(s.idp.IDJAG("alice", options...), test.want)
			if s.dials.count() != 0 || s.idp.AllRequests() != 0 {
				t.Errorf("%d dials, %d requests at the IdP", s.dials.count(), s.idp.AllRequests())
			}
		})
	}
	for _, parameter := range []string{"jku", "x5u"} {
		t.Run(parameter, func(t *testing.T) {
			s, evil := attacker(t)
			s.refused(s.idp.IDJAG("alice", idptest.WithKey(evil.SigningKey()), idptest.WithHeader(parameter, evil.KeysURI())), federation.CodeSignatureInvalid)
			if evil.AllRequests() != 0 {
				t.Error("the key that the header names was fetched")
			}
		})
	}
	t.Run("_claim_sources", func(t *testing.T) {
		s, evil := attacker(t)
		verified := s.mustVerify(s.idp.IDJAG("alice",
			idptest.WithClaim("_claim_names", map[string]any{"groups": "src1"}),
			idptest.WithClaim("_claim_sources", map[string]any{"src1": map[string]any{"endpoint": evil.Issuer() + "/groups"}})))
		if evil.AllRequests() != 0 {
			t.Error("the claim source was fetched")
		}
		if _, there := verified.Private()["_claim_sources"]; there {
			t.Error("the claim source is among the private claims")
		}
	})
}

// Who is not trusted learns nothing about whom a tenant trusts.
func TestUntrustedLooksTheSameOutside(t *testing.T) {
	s := newScene(t)
	s.mustVerify(s.idp.IDJAG("alice"))
	disabled := idptest.Start(t, options(s.clock))
	entry := entryFor(disabled, "off")
	entry.Disabled = true
	unlisted := idptest.Start(t, options(s.clock))
	other := entryFor(unlisted, "signin-only")
	other.Assertions.Profiles = nil
	s.more = []federation.IdentityProvider{entry, other}
	stranger, err := idptest.NewKey("key-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		compact string
		want    federation.Code
	}{
		"unknown issuer":     {s.idp.IDJAG("alice", idptest.WithClaim("iss", "https://unknown.example")), federation.CodeIssUnknown},
		"disabled issuer":    {disabled.IDJAG("alice"), federation.CodeIssDisabled},
		"profile not listed": {unlisted.IDJAG("alice"), federation.CodeProfileNotAllowed},
		"algorithm":          {s.idp.IDJAG("alice", idptest.WithHeader("alg", "HS256")), federation.CodeAlgorithmNotAllowed},
		"unknown key":        {s.idp.IDJAG("alice", idptest.WithHeader("kid", "nobody")), federation.CodeKeyUnknown},
		"bad signature":      {s.idp.IDJAG("alice", idptest.WithKey(stranger)), federation.CodeSignatureInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			if public := s.refusal(test.compact, test.want).Code.Public(); public != federation.CodeAssertionUntrusted {
				t.Errorf("outsiders see %s", public)
			}
		})
	}
}

// Two IdPs with the same kid (T11): a key counts for its own issuer only.
func TestKeysOfOneIssuerAreNotAnothers(t *testing.T) {
	s := newScene(t)
	second := idptest.Start(t, options(s.clock))
	s.more = []federation.IdentityProvider{entryFor(second, "keycloak")}
	if first, other := s.idp.SigningKey().ID, second.SigningKey().ID; first != other {
		t.Fatalf("kids differ: %s, %s", first, other)
	}
	s.mustVerify(s.idp.IDJAG("alice"))
	verified := s.mustVerify(second.IDJAG("alice"))
	if verified.Provider().Name != "keycloak" {
		t.Errorf("verified under %s", verified.Provider().Name)
	}
	s.refused(second.IDJAG("alice", idptest.WithClaim("iss", s.idp.Issuer())), federation.CodeSignatureInvalid)
	s.refused(s.idp.IDJAG("alice", idptest.WithClaim("iss", second.Issuer())), federation.CodeSignatureInvalid)
}

func TestRotation(t *testing.T) {
	s := newScene(t)
	old := s.idp.SigningKey()
	s.mustVerify(s.idp.IDJAG("alice"))

	if _, err := s.idp.Rotate(false); err != nil {
		t.Fatal(err)
	}
	s.refused(s.idp.IDJAG("alice"), federation.CodeKeyUnknown) // asked too recently
	s.clock.advance(jwks.RefetchAfter)
	s.mustVerify(s.idp.IDJAG("alice"))
	s.refused(s.idp.IDJAG("alice", idptest.WithKey(old)), federation.CodeKeyUnknown) // never back to a removed key

	if _, err := s.idp.Rotate(true); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(jwks.RefetchAfter)
	s.mustVerify(s.idp.IDJAG("alice"))
	if fetches := s.idp.Requests(idptest.PathKeys); fetches > 4 {
		t.Errorf("%d fetches of the keys", fetches)
	}
}

func TestKeysUnavailable(t *testing.T) {
	for _, fault := range []idptest.Fault{
		idptest.FaultDown, idptest.FaultCut, idptest.FaultHTML, idptest.FaultEmpty, idptest.FaultHuge, idptest.FaultRedirect, idptest.FaultGarbage,
	} {
		for _, path := range []string{idptest.PathKeys, idptest.PathDiscovery} {
			t.Run(string(fault)+path, func(t *testing.T) {
				s := newScene(t)
				s.idp.Fail(path, fault)
				refusal := s.refusal(s.idp.IDJAG("alice"), federation.CodeKeysUnavailable)
				if refusal.Cause == nil || refusal.Code.Public() != federation.CodeKeysUnavailable {
					t.Errorf("cause %v, public %s", refusal.Cause, refusal.Code.Public())
				}

				s.idp.Fail(path, "")
				s.clock.advance(jwks.RefetchAfter)
				s.mustVerify(s.idp.IDJAG("alice"))

				s.idp.Fail(path, fault) // last good keys are kept
				s.clock.advance(time.Hour)
				s.mustVerify(s.idp.IDJAG("alice"))
			})
		}
	}
}

// Who gives up waiting is told to come again, and nothing was used up.
func TestKeysTooSlow(t *testing.T) {
	s := newScene(t)
	s.idp.Fail(idptest.PathKeys, idptest.FaultSlow)
	registry, err := federation.NewRegistry([]federation.IdentityProvider{s.entry})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s.request.Compact = s.idp.IDJAG("alice")
	verified, err := s.verifier.Verify(ctx, registry, owner, s.request)
	_ = s.demand(verified, err, federation.CodeKeysUnavailable)
}

func TestInlineKeysNeedNoNetwork(t *testing.T) {
	s := newScene(t)
	s.entry.Keys = jwks.Source{Inline: s.idp.Keys(), NotAfter: noon.Add(time.Hour)}
	s.mustVerify(s.idp.IDJAG("alice"))
	if s.dials.count() != 0 {
		t.Errorf("%d dials", s.dials.count())
	}
	s.clock.advance(2 * time.Hour)
	s.refused(s.idp.IDJAG("alice"), federation.CodeJWKSStale)
}

func TestAlgorithms(t *testing.T) {
	t.Run("what the entry lists is told", func(t *testing.T) {
		s := newScene(t)
		s.entry.Assertions.Algorithms = []string{"RS256", "PS256"}
		refusal := s.refusal(s.idp.IDJAG("alice"), federation.CodeAlgorithmNotAllowed)
		if last := refusal.Checks[len(refusal.Checks)-1]; last.Received != "ES256" || last.Expected != "one of the entry's: RS256, PS256" {
			t.Errorf("the check says %q, expected %q", last.Received, last.Expected)
		}
	})
	for _, algorithm := range []string{"ES256", "ES384", "EdDSA", "RS256", "PS256"} {
		t.Run(algorithm, func(t *testing.T) {
			s := newScene(t)
			o := options(s.clock)
			o.Algorithm = algorithm
			idp := idptest.Start(t, o)
			s.entry = entryFor(idp, "okta")
			s.entry.Assertions.Algorithms = []string{algorithm}
			verified := s.mustVerify(idp.IDJAG("alice"))
			if verified.Algorithm() != algorithm || verified.KeyID() != "key-1" {
				t.Errorf("verified with %s %s", verified.Algorithm(), verified.KeyID())
			}
			s.entry.Assertions.Algorithms = []string{"ES512"}
			s.refused(idp.IDJAG("alice"), federation.CodeAlgorithmNotAllowed)
		})
	}
}

// malleated gives an ES256 token its other signature, (r, n - s), which anybody can make.
func malleated(t *testing.T, compact string) string {
	t.Helper()
	last := strings.LastIndexByte(compact, '.')
	signature, err := base64.RawURLEncoding.DecodeString(compact[last+1:])
	if err != nil || len(signature) != 64 {
		t.Fatalf("%d bytes, %v", len(signature), err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	new(big.Int).Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	return compact[:last+1] + base64.RawURLEncoding.EncodeToString(signature)
}
