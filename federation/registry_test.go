package federation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

func okta() federation.IdentityProvider {
	return federation.IdentityProvider{UID: "idp_1", Name: "okta", Issuer: "https://acme.okta.com"}
}

func TestRegistryLookup(t *testing.T) {
	disabled := federation.IdentityProvider{UID: "idp_2", Name: "old", Issuer: "https://old.example", Disabled: true}
	r, err := federation.NewRegistry([]federation.IdentityProvider{okta(), disabled})
	if err != nil {
		t.Fatal(err)
	}
	if idp, found := r.Lookup("https://acme.okta.com"); !found || idp.Name != "okta" {
		t.Errorf("got %v, %v", idp, found)
	}
	for _, issuer := range []string{
		"", "https://acme.okta.com/", "https://ACME.okta.com", "HTTPS://acme.okta.com", "https://acme.okta.com/oauth2/default",
		"https://acme.okta.co", "https://acme.okta.com.evil.example", " https://acme.okta.com", "https://acme.okta.com\x00",
		"https://acme.okta.com?", "https://acme.okta.com#", "https://old.example",
	} {
		if idp, found := r.Lookup(issuer); found {
			t.Errorf("%q found %s", issuer, idp.Name)
		}
	}
	if !r.Disabled("https://old.example") || r.Disabled("https://acme.okta.com") || r.Disabled("https://nobody.example") {
		t.Error("disabled entries are not told apart")
	}
	if idp, found := r.Named("old"); !found || !idp.Disabled {
		t.Errorf("got %v, %v", idp, found)
	}
	if all := r.All(); len(all) != 2 || all[0].Name != "okta" || all[1].Name != "old" {
		t.Errorf("got %v", all)
	}
}

// The registry keeps its own entries: who made it cannot change them afterwards.
func TestRegistryIsACopy(t *testing.T) {
	entries := []federation.IdentityProvider{okta()}
	r, err := federation.NewRegistry(entries)
	if err != nil {
		t.Fatal(err)
	}
	entries[0].Disabled = true
	if _, found := r.Lookup("https://acme.okta.com"); !found {
		t.Error("an entry changed behind the registry")
	}
}

func TestRegistryRefuses(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*federation.IdentityProvider)
		want   error
	}{
		{"no issuer", func(p *federation.IdentityProvider) { p.Issuer = "" }, federation.ErrNoIssuer},
		{"no name", func(p *federation.IdentityProvider) { p.Name = "" }, federation.ErrNoName},
		{"no uid", func(p *federation.IdentityProvider) { p.UID = "" }, federation.ErrNoName},
		{"skew too large", func(p *federation.IdentityProvider) { p.Assertions.ClockSkew = 61 * time.Second }, federation.ErrClockSkew},
		{"skew negative", func(p *federation.IdentityProvider) { p.Assertions.ClockSkew = -1 }, federation.ErrClockSkew},
		{"lifetime negative", func(p *federation.IdentityProvider) { p.Assertions.MaxLifetime = -1 }, federation.ErrMaxLifetime},
		{"HS256", func(p *federation.IdentityProvider) { p.Assertions.Algorithms = []string{"ES256", "HS256"} }, federation.ErrWeakAlgorithm},
		{"hs512", func(p *federation.IdentityProvider) { p.Assertions.Algorithms = []string{"hs512"} }, federation.ErrWeakAlgorithm},
		{"none", func(p *federation.IdentityProvider) { p.Assertions.Algorithms = []string{"None"} }, federation.ErrWeakAlgorithm},
		{"empty algorithm", func(p *federation.IdentityProvider) { p.Assertions.Algorithms = []string{""} }, federation.ErrWeakAlgorithm},
		{"profiles", func(p *federation.IdentityProvider) {
			p.Assertions.Profiles = []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload}
		}, federation.ErrProfileConflict},
		{"a trust domain read as anybody", func(p *federation.IdentityProvider) { p.Issuer = "spiffe://acme.example" }, federation.ErrDialect},
		{"a tenant without its claim", func(p *federation.IdentityProvider) { p.Dialect.Tenant = "t-1" }, federation.ErrDialect},
		{"a member without its claim", func(p *federation.IdentityProvider) { p.Dialect.MemberValue = "0" }, federation.ErrDialect},
	} {
		t.Run(test.name, func(t *testing.T) {
			entry := okta()
			test.change(&entry)
			if _, err := federation.NewRegistry([]federation.IdentityProvider{entry}); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	sameIssuer, sameName := okta(), okta()
	sameIssuer.Name, sameName.Issuer = "other", "https://other.example"
	sameIssuer.Disabled = true // disabled, it still makes the issuer ambiguous
	if _, err := federation.NewRegistry([]federation.IdentityProvider{okta(), sameIssuer}); !errors.Is(err, federation.ErrIssuerTaken) {
		t.Errorf("got %v", err)
	}
	if _, err := federation.NewRegistry([]federation.IdentityProvider{okta(), sameName}); !errors.Is(err, federation.ErrNameTaken) {
		t.Errorf("got %v", err)
	}
}

// An entity ID is nobody's issuer: no token is that IdP's, and the string may be another entry's issuer.
func TestRegistryOfSAMLAlone(t *testing.T) {
	saml := federation.IdentityProvider{UID: "idp_2", Name: "saml", Issuer: "https://acme.okta.com", SAMLAlone: true, Disabled: true}
	for _, list := range [][]federation.IdentityProvider{{okta(), saml}, {saml, okta()}} {
		r, err := federation.NewRegistry(list)
		if err != nil {
			t.Fatal(err)
		}
		if idp, found := r.Lookup("https://acme.okta.com"); !found || idp.Name != "okta" || r.Disabled("https://acme.okta.com") {
			t.Errorf("got %v, %v", idp, found)
		}
		if idp, found := r.Named("saml"); !found || !idp.SAMLAlone || len(r.All()) != 2 {
			t.Errorf("got %v, %v", idp, found)
		}
	}
	alone, err := federation.NewRegistry([]federation.IdentityProvider{{UID: "idp_2", Name: "saml", Issuer: "https://idp.example/saml", SAMLAlone: true}})
	if err != nil {
		t.Fatal(err)
	}
	if idp, found := alone.Lookup("https://idp.example/saml"); found {
		t.Errorf("a token would be %s's", idp.Name)
	}
}
