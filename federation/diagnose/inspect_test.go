package diagnose_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

const ourIssuer = "https://auth.acme.com"

// inspectedAt is a whole second: distances are written in seconds, and a fraction would round them down.
var inspectedAt = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// inspected is an IdP whose clock stands still at inspectedAt.
func inspected(t *testing.T) (*idptest.IdP, diagnose.InspectOptions) {
	t.Helper()
	idp, err := idptest.New(idptest.Options{
		Now: func() time.Time { return inspectedAt }, Issuer: "https://idp.acme.test", Clients: []idptest.Client{{ID: "agent"}},
		Audiences: []idptest.Audience{{Issuer: ourIssuer, Resources: []string{"https://mcp.acme.com/notes"}, Scopes: []string{"notes:read"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return idp, diagnose.InspectOptions{Issuer: ourIssuer, Entry: &federation.IdentityProvider{
		UID: "idp_1", Name: "acme", Issuer: idp.Issuer(), Keys: jwks.Source{Inline: idp.Keys()},
		Assertions: federation.AssertionRules{
			Profiles: []federation.Profile{federation.ProfileIDJAG}, Algorithms: []string{"ES256"}, MaxLifetime: 5 * time.Minute, ClockSkew: 30 * time.Second, Clients: []string{"agent"},
		},
	}}
}

func TestInspectWhatIsValid(t *testing.T) {
	idp, o := inspected(t)
	compact, err := idp.IDJAG("alice")
	if err != nil {
		t.Fatal(err)
	}
	in := diagnose.Inspect(t.Context(), " "+compact+"\n", o, inspectedAt)
	if !in.Passed() || !strings.Contains(in.LooksLike, "id-jag") || len(in.Times) < 2 || in.Claims["iss"] != idp.Issuer() {
		t.Errorf("%+v", in)
	}
	if row, _ := (diagnose.Report{Rows: in.Rows}).Row("verify signature"); row.Status != diagnose.Pass {
		t.Errorf("%+v", in.Rows)
	}
	shown, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(compact, ".")
	if strings.Contains(string(shown), parts[2]) || strings.Contains(string(shown), parts[1]) {
		t.Error("the compact form or the signature is shown")
	}
	// Without anything beside it, nothing is said to be good that was not looked at.
	alone := diagnose.Inspect(t.Context(), compact, diagnose.InspectOptions{}, inspectedAt)
	for _, check := range []string{"iss", "aud", "signature"} {
		if row, _ := (diagnose.Report{Rows: alone.Rows}).Row(check); row.Status != diagnose.Skipped {
			t.Errorf("%s: %+v", check, row)
		}
	}
}

// One mutation, one finding.
func TestInspectFindsMistakes(t *testing.T) {
	idp, o := inspected(t)
	jag := func(options ...idptest.Option) string {
		compact, err := idp.IDJAG("alice", options...)
		if err != nil {
			t.Fatal(err)
		}
		return compact
	}
	idToken, err := idp.IDToken("alice", "agent", idptest.WithClaim("nonce", "n-1"))
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := idptest.NewKey("key-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	now := inspectedAt
	for name, c := range map[string]struct {
		compact  string
		check    string
		code     federation.Code
		contains string
	}{
		"no JWT":              {"hello", "shape", federation.CodeAssertionMalformed, "three parts"},
		"JSON":                {`{"access_token":"x"}`, "shape", federation.CodeAssertionMalformed, "JSON"},
		"a JWE":               {"a.b.c.d.e", "shape", federation.CodeAssertionMalformed, "encrypted"},
		"too large":           {strings.Repeat("a", 20000), "shape", federation.CodeAssertionTooLarge, "16 KiB"},
		"an ID token":         {idToken, "typ", federation.CodeTypMissing, "exchange it"},
		"an access token":     {jag(idptest.WithHeader("typ", "at+jwt")), "typ", federation.CodeTypWrong, "leg 1"},
		"issuer with slash":   {jag(idptest.WithClaim("iss", idp.Issuer()+"/")), "iss", federation.CodeIssUnknown, "ends in a slash"},
		"audience with slash": {jag(idptest.WithAudience(ourIssuer + "/")), "aud", federation.CodeAudNotUs, "ends in a slash"},
		"the resource as audience": {
			jag(idptest.WithAudience("https://mcp.acme.com/notes"), idptest.WithResource("https://mcp.acme.com/notes")), "aud", federation.CodeAudIsResource, "claim resource",
		},
		"two audiences":    {jag(idptest.WithClaim("aud", []string{ourIssuer, "https://other.test"})), "aud", federation.CodeAudMulti, "second audience"},
		"expired":          {jag(idptest.WithClaim("iat", now.Add(-time.Hour).Unix()), idptest.WithClaim("exp", now.Add(-55*time.Minute).Unix())), "times", federation.CodeAssertionExpired, "55m"},
		"of the future":    {jag(idptest.WithClaim("iat", now.Add(time.Hour).Unix()), idptest.WithClaim("exp", now.Add(65*time.Minute).Unix())), "times", federation.CodeClockSkew, "in 1h"},
		"too long":         {jag(idptest.WithClaim("exp", now.Add(time.Hour).Unix())), "times", federation.CodeAssertionTooLongLived, "at most 5m"},
		"no exp":           {jag(idptest.WithoutClaim("exp")), "times", federation.CodeClaimMissing, ""},
		"no client_id":     {jag(idptest.WithoutClaim("client_id")), "client_id", federation.CodeClaimMissing, "ID-JAG"},
		"of another key":   {jag(idptest.WithKey(foreign)), "verify signature", federation.CodeSignatureInvalid, ""},
		"another client's": {jag(idptest.WithClientID("other")), "presented", "", ""}, // whose it is, the server knows
	} {
		t.Run(name, func(t *testing.T) {
			in := diagnose.Inspect(t.Context(), c.compact, o, now)
			row, found := (diagnose.Report{Rows: in.Rows}).Row(c.check)
			said := strings.Join(append([]string{row.Seen, row.Expected, row.Change}, row.Notes...), "\n")
			if !found || row.Code != c.code || c.code != "" && row.Status != diagnose.Fail || !strings.Contains(said, c.contains) {
				t.Errorf("%+v\nof %+v", row, in.Rows)
			}
			if c.code != "" && in.Passed() {
				t.Error("it passed as a whole")
			}
		})
	}
}
