package assertion_test

import (
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func BenchmarkVerify(b *testing.B) {
	for _, algorithm := range []string{"ES256", "RS256", "EdDSA"} {
		b.Run(algorithm, func(b *testing.B) {
			c := &clock{}
			o := options(c)
			o.Algorithm = algorithm
			idp := idptest.Start(b, o)
			entry := entryFor(idp, "okta")
			entry.Assertions.Algorithms = []string{algorithm}
			registry, err := federation.NewRegistry([]federation.IdentityProvider{entry})
			if err != nil {
				b.Fatal(err)
			}
			cache := jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}), c.Now)
			defer cache.Close()
			verifier := &assertion.Verifier{Keys: cache, Now: c.Now}
			request := assertion.Request{
				Compact: idp.IDJAG("alice"), Issuer: ours, ClientID: clientID, ClientNames: []string{"claude"}, TenantUID: owner,
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier.Verify(b.Context(), registry, owner, request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The two profiles that have no type of their own.
func BenchmarkVerifyPlain(b *testing.B) {
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		b.Run(string(profile), func(b *testing.B) {
			c := &clock{}
			idp := idptest.Start(b, options(c))
			entry := entryFor(idp, "platform")
			entry.Assertions.Profiles = []federation.Profile{profile}
			registry, err := federation.NewRegistry([]federation.IdentityProvider{entry})
			if err != nil {
				b.Fatal(err)
			}
			cache := jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}), c.Now)
			defer cache.Close()
			verifier := &assertion.Verifier{Keys: cache, Now: c.Now}
			request := assertion.Request{
				Compact: idp.Assertion(profile, "alice"), Issuer: ours, TokenEndpoint: ours + "/token", ClientID: clientID, ClientNames: []string{"claude"}, TenantUID: owner,
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier.Verify(b.Context(), registry, owner, request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What is refused costs little: the signature of a stranger is not verified.
func BenchmarkRefuseUnknownIssuer(b *testing.B) {
	c := &clock{}
	idp := idptest.Start(b, options(c))
	registry, err := federation.NewRegistry(nil)
	if err != nil {
		b.Fatal(err)
	}
	cache := jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}), c.Now)
	defer cache.Close()
	verifier := &assertion.Verifier{Keys: cache, Now: c.Now}
	request := assertion.Request{Compact: idp.IDJAG("alice"), Issuer: ours, ClientID: clientID, TenantUID: owner}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := verifier.Verify(b.Context(), registry, owner, request); err == nil {
			b.Fatal("an unknown issuer was accepted")
		}
	}
}
