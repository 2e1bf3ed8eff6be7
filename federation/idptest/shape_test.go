package idptest_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Every shape is signed, for us, by the IdP, now; and its source is named.
func TestShapes(t *testing.T) {
	idp := start(t)
	shapes := idptest.Shapes()
	if len(shapes) < 15 {
		t.Fatalf("%d shapes", len(shapes))
	}
	for _, shape := range shapes {
		typ := "jwt"
		switch {
		case shape.Name == "spiffe-oidc":
			typ = "jose"
		case strings.HasPrefix(shape.Name, "kubernetes"), strings.HasPrefix(shape.Name, "okta"), strings.HasPrefix(shape.Name, "ping"):
			typ = ""
		}
		got := claims(t, idp, idp.Shaped(shape.Name), typ)
		audience := got["aud"]
		if list, isList := audience.([]any); isList && len(list) == 1 {
			audience = list[0]
		}
		if audience != chancery || got["exp"] != float64(noon.Add(shape.Lifetime).Unix()) || got["sub"] == "" || got["iss"] != idp.Issuer() && shape.Name != "spiffe" ||
			!strings.HasPrefix(shape.Source, "https://") || shape.Profile != federation.ProfileWorkload && shape.Profile != federation.ProfileJWTBearer {
			t.Errorf("%s: %v", shape.Name, got)
		}
		for name, value := range got {
			if text, isText := value.(string); isText && strings.HasPrefix(text, "@") {
				t.Errorf("%s: %s is %s", shape.Name, name, text)
			}
		}
	}
	if first, second := claims(t, idp, idp.Shaped("gitlab"), "jwt"), claims(t, idp, idp.Shaped("gitlab"), "jwt"); first["jti"] == second["jti"] {
		t.Error("two tokens have one jti")
	}
	if _, err := idp.IdP.Shaped("nothing"); err == nil {
		t.Error("an unknown shape was made")
	}
	if _, found := idptest.ShapeNamed("nothing"); found {
		t.Error("an unknown shape was found")
	}
}

func TestAssertionOfEachProfile(t *testing.T) {
	idp := start(t)
	if got := claims(t, idp, idp.Plain(idptest.Alice), "jwt"); got["scope"] != nil || got["client_id"] != "claude" || got["aud"] != chancery || got["sub"] != "00u1alice" {
		t.Errorf("plain: %v", got)
	}
	if got := claims(t, idp, idp.Workload(idptest.WithClaim("ref", "refs/heads/x")), "jwt"); got["repository"] != "acme/app" || got["ref"] != "refs/heads/x" {
		t.Errorf("workload: %v", got)
	}
	claims(t, idp, idp.Assertion(federation.ProfileIDJAG, idptest.Alice), "oauth-id-jag+jwt")
	if _, err := idp.IdP.Assertion(federation.ProfileSAML2Bearer, idptest.Alice); err == nil {
		t.Error("a SAML assertion was made")
	}
	if _, err := idp.IdP.Plain("nobody"); err == nil {
		t.Error("nobody was asserted")
	}
	if idptest.MutationsFor(federation.ProfileSAML2Bearer) != nil || idptest.VariationsFor("") != nil {
		t.Error("mutations of nothing")
	}
}
