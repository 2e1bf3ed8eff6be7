package assertion_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// Whatever a trusted IdP signs: what is verified says, to a reader that forgives
// everything, what the strict one understood.
func FuzzClaims(f *testing.F) {
	c := &clock{}
	o := options(c)
	o.Issuer = "https://idp.example" // nothing listens: the keys are inline
	idp, err := idptest.New(o)
	if err != nil {
		f.Fatal(err)
	}
	entry := entryFor(&idptest.Running{IdP: idp}, "okta")
	entry.Keys = jwks.Source{Inline: idp.Keys()}
	registry, err := federation.NewRegistry([]federation.IdentityProvider{entry})
	if err != nil {
		f.Fatal(err)
	}
	cache := jwks.NewCache(fetch.New(fetch.Policy{}), c.Now)
	f.Cleanup(cache.Close)
	verifier := &assertion.Verifier{Keys: cache, Now: c.Now}

	for _, mutation := range append(idptest.Mutations(), idptest.Variations()...) {
		draft, err := idp.Draft("alice", idptest.WithMutation(mutation, idp))
		if err != nil {
			f.Fatal(err)
		}
		claims := draft.RawClaims
		if claims == nil {
			if claims, err = json.Marshal(draft.Claims); err != nil {
				f.Fatal(err)
			}
		}
		if len(claims) < 8<<10 {
			f.Add(claims)
		}
	}
	f.Fuzz(func(t *testing.T, claims []byte) {
		draft, err := idp.Draft("alice")
		if err != nil {
			t.Fatal(err)
		}
		draft.RawClaims = append([]byte{}, claims...)
		compact, err := draft.Sign()
		if err != nil {
			t.Fatal(err)
		}
		verified, err := verifier.Verify(t.Context(), registry, owner, assertion.Request{
			Compact: compact, Issuer: ours, ClientID: clientID, ClientNames: []string{"claude"}, TenantUID: owner,
		})
		if (verified == nil) == (err == nil) {
			t.Fatalf("got %v, %v", verified, err)
		}
		if verified != nil {
			agrees(t, claims, verified)
		}
	})
}

func agrees(t *testing.T, claims []byte, verified *assertion.Verified) {
	t.Helper()
	var lax struct { // matches names without case, takes the last of two
		Iss, Sub, Jti string
		ClientID      string `json:"client_id"`
		Aud           any
		Exp, Iat      int64
		Cnf, Tenant   any
		Scope         string
	}
	if err := json.Unmarshal(claims, &lax); err != nil {
		t.Fatalf("verified claims cannot be read: %v", err)
	}
	audience := lax.Aud
	if list, isList := audience.([]any); isList && len(list) == 1 {
		audience = list[0]
	}
	scopes, _ := verified.Scopes()
	lifetime := time.Duration(lax.Exp-lax.Iat) * time.Second
	switch {
	case lax.Iss != verified.Issuer(), lax.Sub != verified.Subject(), lax.Jti != verified.ID(), lax.ClientID != clientID,
		audience != ours, lax.Exp != verified.ExpiresAt().Unix(), lax.Iat != verified.IssuedAt().Unix(),
		lifetime <= 0 || lifetime > 5*time.Minute, lax.Cnf != nil, lax.Tenant != nil,
		len(strings.Fields(lax.Scope)) < len(scopes), lax.Sub == "", lax.Jti == "":
		t.Fatalf("two readers disagree about %s", claims)
	}
}

// The same for the profiles without a type of their own, under every dialect: what
// is verified keeps the rules of its profile.
func FuzzPlainClaims(f *testing.F) {
	c := &clock{}
	o := options(c)
	o.Issuer = "https://idp.example"
	idp, err := idptest.New(o)
	if err != nil {
		f.Fatal(err)
	}
	cache := jwks.NewCache(fetch.New(fetch.Policy{}), c.Now)
	f.Cleanup(cache.Close)
	verifier := &assertion.Verifier{Keys: cache, Now: c.Now}
	var registries []*federation.Registry
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		for _, dialect := range []federation.Dialect{{}, entra(), {SPIFFE: true}} {
			entry := entryFor(&idptest.Running{IdP: idp}, "idp")
			entry.Keys, entry.Dialect = jwks.Source{Inline: idp.Keys()}, dialect
			entry.Assertions.Profiles = []federation.Profile{profile}
			if dialect.SPIFFE {
				entry.Issuer = "spiffe://" + trustDomain
			}
			registry, err := federation.NewRegistry([]federation.IdentityProvider{entry})
			if err != nil {
				f.Fatal(err)
			}
			registries = append(registries, registry)
		}
	}
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		for _, mutation := range append(idptest.MutationsFor(profile), idptest.VariationsFor(profile)...) {
			draft, err := idp.AssertionDraft(profile, "alice", idptest.WithMutation(mutation, idp))
			if err != nil {
				f.Fatal(err)
			}
			addClaims(f, draft)
		}
	}
	for _, shape := range idptest.Shapes() {
		draft, err := idp.ShapeDraft(shape.Name)
		if err != nil {
			f.Fatal(err)
		}
		addClaims(f, draft)
	}
	f.Fuzz(func(t *testing.T, claims []byte) {
		draft, err := idp.ShapeDraft("okta-service")
		if err != nil {
			t.Fatal(err)
		}
		draft.RawClaims = append([]byte{}, claims...)
		compact, err := draft.Sign()
		if err != nil {
			t.Fatal(err)
		}
		for _, registry := range registries {
			verified, err := verifier.Verify(t.Context(), registry, owner, assertion.Request{
				Compact: compact, Issuer: ours, TokenEndpoint: ours + "/token", ClientID: clientID, ClientNames: []string{"claude"}, TenantUID: owner,
			})
			if (verified == nil) == (err == nil) {
				t.Fatalf("got %v, %v", verified, err)
			}
			if verified != nil {
				keepsRules(t, claims, verified)
			}
		}
	})
}

func addClaims(f *testing.F, draft *idptest.Draft) {
	f.Helper()
	claims := draft.RawClaims
	if claims == nil {
		var err error
		if claims, err = json.Marshal(draft.Claims); err != nil {
			f.Fatal(err)
		}
	}
	if len(claims) < 8<<10 {
		f.Add(claims)
	}
}

func keepsRules(t *testing.T, claims []byte, verified *assertion.Verified) {
	t.Helper()
	var lax map[string]any
	if err := json.Unmarshal(claims, &lax); err != nil {
		t.Fatalf("verified claims cannot be read: %v", err)
	}
	audience := lax["aud"]
	if list, isList := audience.([]any); isList && len(list) == 1 {
		audience = list[0]
	}
	dialect := verified.Provider().Dialect
	subject := "sub"
	if dialect.SubjectClaim != "" {
		subject = dialect.SubjectClaim
	}
	_, asserted := verified.Scopes()
	expires := verified.ExpiresAt().Sub(noon)
	workload := verified.Profile() == federation.ProfileWorkload
	switch {
	case asserted, audience != ours && audience != ours+"/token", lax["sub"] == nil, lax[subject] != verified.Subject(), verified.Subject() == "",
		lax["iss"] == nil && !dialect.SPIFFE, expires <= -30*time.Second, expires > 5*time.Minute+time.Minute, lax["cnf"] != nil,
		lax["nonce"] != nil, lax["events"] != nil, lax["at_hash"] != nil, verified.RedemptionKey() == "sha256:", verified.RedemptionKey() == "jti:",
		!workload && (lax["iat"] == nil || verified.ID() == "" || lax["client_id"] != nil && lax["client_id"] != clientID),
		workload && (verified.Resources() != nil || verified.ACR() != "" || verified.Identifiers().Email != "" || verified.ClientID() != ""),
		dialect.TenantClaim != "" && lax[dialect.TenantClaim] != entraTenant,
		dialect.SPIFFE && !strings.HasPrefix(verified.Subject(), "spiffe://"+trustDomain+"/"):
		t.Fatalf("%s of %+v: %s", verified.Profile(), dialect, claims)
	}
}
