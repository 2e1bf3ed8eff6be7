package assertion_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

func TestVerifiedSaysWhatWasAsserted(t *testing.T) {
	s := newScene(t)
	s.entry.Assertions.Tenants = []string{"acme-eu"}
	s.entry.Assertions.SAMLEntityIDs = []string{"https://saml.acme.com"}
	s.request.ProofThumbprint = thumbprint
	signedIn := noon.Add(-time.Minute)
	v := s.mustVerify(s.idp.IDJAG("alice",
		idptest.WithClaim("jti", "j-1"), idptest.WithClaim("auth_time", signedIn.Unix()), idptest.WithClaim("acr", "phr"),
		idptest.WithClaim("amr", []string{"hwk", "user"}), idptest.WithClaim("tenant", "acme-eu"), idptest.WithClaim("aud_tenant", "default"),
		idptest.WithClaim("aud_sub", "usr_1"), idptest.WithClaim("act", map[string]any{"sub": "agent", "act": map[string]any{"sub": "tool"}}),
		idptest.WithClaim("sub_id", map[string]any{"format": "saml_nameid", "issuer": "https://saml.acme.com", "nameid": "alice"}),
		idptest.WithClaim("authorization_details", []any{map[string]any{"type": "x"}}),
		idptest.WithClaim("department", "research"), idptest.WithScope("notes:read notes:write notes:read"), idptest.WithJKT(thumbprint)))

	ids := v.Identifiers()
	verifiedEmail := true
	if ids.SubID.Format() != federation.FormatSAMLNameID || ids.SubID.Member("nameid") != "alice" {
		t.Errorf("sub_id %v", ids.SubID.Members())
	}
	ids.SubID = federation.SubjectID{}
	if want := (federation.Identifiers{
		IdPUID: "idp_okta", IdPName: "okta", Tenant: "acme-eu", Subject: "00u1alice", AudSub: "usr_1",
		Email: "alice@acme.com", EmailVerified: &verifiedEmail,
	}); !reflect.DeepEqual(ids, want) {
		t.Errorf("identifiers %+v, want %+v", ids, want)
	}
	scopes, asserted := v.Scopes()
	at, known := v.AuthTime()
	for name, got := range map[string]bool{
		"profile":    v.Profile() == federation.ProfileIDJAG,
		"type":       v.Type() == assertion.TypeIDJAG,
		"issuer":     v.Issuer() == s.idp.Issuer(),
		"subject":    v.Subject() == "00u1alice",
		"id":         v.ID() == "j-1",
		"client":     v.ClientID() == clientID,
		"issued":     v.IssuedAt().Equal(noon),
		"expires":    v.ExpiresAt().Equal(noon.Add(5 * time.Minute)),
		"redeemable": v.RedeemableUntil().Equal(noon.Add(5*time.Minute + 30*time.Second)),
		"tenant":     v.Tenant() == "acme-eu",
		"resources":  slices.Equal(v.Resources(), []string{notes}),
		"scopes":     asserted && slices.Equal(scopes, []string{"notes:read", "notes:write"}),
		"details":    len(v.AuthorizationDetails()) == 1,
		"auth_time":  known && at.Equal(signedIn),
		"acr":        v.ACR() == "phr",
		"amr":        slices.Equal(v.AMR(), []string{"hwk", "user"}),
		"actor":      v.Actor()["sub"] == "agent" && v.ActorDepth() == 2,
		"thumbprint": v.Thumbprint() == thumbprint,
		"groups":     v.Groups().State == assertion.GroupsComplete && slices.Equal(v.Groups().Values, []string{"notes-editors"}),
		"private":    reflect.DeepEqual(v.Private(), map[string]any{"department": "research"}),
	} {
		if !got {
			t.Errorf("%s is not what was asserted", name)
		}
	}
}

func TestVerifiedSaysNothingThatWasNot(t *testing.T) {
	s := newScene(t)
	v := s.mustVerify(s.idp.IDJAG("alice", idptest.WithoutClaim("scope"), idptest.WithoutClaim("resource"),
		idptest.WithoutClaim("email"), idptest.WithoutClaim("email_verified"), idptest.WithoutClaim("groups")))
	scopes, asserted := v.Scopes()
	_, known := v.AuthTime()
	ids := v.Identifiers()
	if scopes != nil || asserted || known || v.Resources() != nil || v.ACR() != "" || v.AMR() != nil || v.Actor() != nil ||
		v.ActorDepth() != 0 || v.Thumbprint() != "" || v.Groups().State != assertion.GroupsAbsent || len(v.Private()) != 0 ||
		v.AuthorizationDetails() != nil || ids.Email != "" || ids.EmailVerified != nil || !ids.SubID.IsZero() || v.Tenant() != "" {
		t.Errorf("something was made up: %+v", v)
	}
}

// What is handed out is a copy: nobody changes what was verified.
func TestVerifiedCannotBeChanged(t *testing.T) {
	s := newScene(t)
	v := s.mustVerify(s.idp.IDJAG("alice", idptest.WithClaim("department", "research")))
	scopes, _ := v.Scopes()
	scopes[0] = "admin"
	v.Groups().Values[0] = "admins"
	v.Private()["admin"] = true
	v.Resources()[0] = "https://evil.example"
	again, _ := v.Scopes()
	if again[0] == "admin" || v.Groups().Values[0] == "admins" || v.Private()["admin"] != nil || v.Resources()[0] != notes {
		t.Error("a copy was not a copy")
	}
}

func TestTimesAtTheirEdges(t *testing.T) {
	at := func(name string, offset time.Duration) idptest.Option {
		return idptest.WithClaim(name, noon.Add(offset).Unix())
	}
	second := time.Second
	for _, test := range []struct {
		name    string
		options []idptest.Option
		want    federation.Code
	}{
		{"exp a second within skew", []idptest.Option{at("iat", -time.Minute), at("exp", -29*second)}, ""},
		{"exp at the end of skew", []idptest.Option{at("iat", -time.Minute), at("exp", -30*second)}, federation.CodeAssertionExpired},
		{"iat at the end of skew", []idptest.Option{at("iat", 30*second)}, ""},
		{"iat a second beyond skew", []idptest.Option{at("iat", 31*second)}, federation.CodeClockSkew},
		{"nbf at the end of skew", []idptest.Option{at("nbf", 30*second)}, ""},
		{"nbf a second beyond skew", []idptest.Option{at("nbf", 31*second)}, federation.CodeAssertionNotYetValid},
		{"lifetime at its bound", []idptest.Option{at("iat", -time.Minute), at("exp", 4*time.Minute)}, ""},
		{"lifetime a second beyond", []idptest.Option{at("iat", -time.Minute), at("exp", 4*time.Minute+second)}, federation.CodeAssertionTooLongLived},
		{"last second of 9999", []idptest.Option{idptest.WithClaim("exp", 253402300799)}, federation.CodeAssertionTooLongLived},
		{"first second of 10000", []idptest.Option{idptest.WithClaim("exp", 253402300800)}, federation.CodeClaimMalformed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			compact := s.idp.IDJAG("alice", test.options...)
			if test.want == "" {
				s.mustVerify(compact)
				return
			}
			s.refused(compact, test.want)
		})
	}
	t.Run("an entry without a bound allows nothing", func(t *testing.T) {
		s := newScene(t)
		s.entry.Assertions.MaxLifetime = 0
		s.refused(s.idp.IDJAG("alice"), federation.CodeAssertionTooLongLived)
	})
	t.Run("no skew", func(t *testing.T) {
		s := newScene(t)
		s.entry.Assertions.ClockSkew = 0
		s.refused(s.idp.IDJAG("alice", at("iat", second)), federation.CodeClockSkew)
	})
}

func TestConfirmation(t *testing.T) {
	s := newScene(t)
	bound := idptest.WithJKT(thumbprint)
	s.refused(s.idp.IDJAG("alice", bound), federation.CodeCNFUnproved)
	s.request.ProofThumbprint = "another"
	s.refused(s.idp.IDJAG("alice", bound), federation.CodeCNFUnproved)
	s.request.ProofThumbprint = thumbprint[:len(thumbprint)-1]
	s.refused(s.idp.IDJAG("alice", bound), federation.CodeCNFUnproved)
	s.request.ProofThumbprint = thumbprint
	if v := s.mustVerify(s.idp.IDJAG("alice", bound)); v.Thumbprint() != thumbprint {
		t.Errorf("bound to %q", v.Thumbprint())
	}
	if v := s.mustVerify(s.idp.IDJAG("alice")); v.Thumbprint() != "" {
		t.Errorf("a proof alone binds the assertion to %q", v.Thumbprint())
	}
	s.refused(s.idp.IDJAG("alice", idptest.WithClaim("cnf", map[string]any{"jkt": thumbprint, "jwk": map[string]any{}})), federation.CodeCNFUnsupported)
}

func TestTenants(t *testing.T) {
	s := newScene(t)
	tenant := func(name string) idptest.Option { return idptest.WithClaim("tenant", name) }
	s.refused(s.idp.IDJAG("alice", tenant("acme-eu")), federation.CodeTenantUnlisted) // no list: refused
	s.entry.Assertions.Tenants = []string{"acme-eu"}
	s.refused(s.idp.IDJAG("alice"), federation.CodeTenantMissing) // a list: required
	s.refused(s.idp.IDJAG("alice", tenant("acme-EU")), federation.CodeTenantUnlisted)
	s.mustVerify(s.idp.IDJAG("alice", tenant("acme-eu")))

	s.entry.Assertions.Tenants = nil
	s.mustVerify(s.idp.IDJAG("alice", idptest.WithClaim("aud_tenant", "default")))
	s.mustVerify(s.idp.IDJAG("alice", idptest.WithClaim("aud_tenant", owner)))
	s.refused(s.idp.IDJAG("alice", idptest.WithClaim("aud_tenant", "acme")), federation.CodeAudTenantMismatch)
}

func TestGroups(t *testing.T) {
	sources := map[string]any{"src1": map[string]any{"endpoint": "http://169.254.169.254/latest"}}
	for _, test := range []struct {
		name    string
		options []idptest.Option
		want    assertion.GroupsState
		values  []string
	}{
		{"a list", nil, assertion.GroupsComplete, []string{"notes-editors"}},
		{"an empty list", []idptest.Option{idptest.WithClaim("groups", []string{})}, assertion.GroupsComplete, nil},
		{"none", []idptest.Option{idptest.WithoutClaim("groups")}, assertion.GroupsAbsent, nil},
		{"elsewhere", []idptest.Option{
			idptest.WithoutClaim("groups"),
			idptest.WithClaim("_claim_names", map[string]any{"groups": "src1"}), idptest.WithClaim("_claim_sources", sources),
		}, assertion.GroupsOverage, nil},
		{"elsewhere, and some here", []idptest.Option{idptest.WithClaim("_claim_names", map[string]any{"groups": "src1"})}, assertion.GroupsOverage, nil},
		{"something else elsewhere", []idptest.Option{idptest.WithClaim("_claim_names", map[string]any{"address": "src1"})}, assertion.GroupsComplete, []string{"notes-editors"}},
		{"hasgroups", []idptest.Option{idptest.WithoutClaim("groups"), idptest.WithClaim("hasgroups", true)}, assertion.GroupsOverage, nil},
		{"hasgroups as text", []idptest.Option{idptest.WithoutClaim("groups"), idptest.WithClaim("hasgroups", "true")}, assertion.GroupsOverage, nil},
		{"hasgroups null", []idptest.Option{idptest.WithClaim("hasgroups", nil)}, assertion.GroupsOverage, nil},
		{"hasgroups false", []idptest.Option{idptest.WithClaim("hasgroups", false)}, assertion.GroupsComplete, []string{"notes-editors"}},
		{"groups:src1", []idptest.Option{idptest.WithoutClaim("groups"), idptest.WithClaim("groups:src1", "https://idp.example/groups")}, assertion.GroupsOverage, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			groups := s.mustVerify(s.idp.IDJAG("alice", test.options...)).Groups()
			if groups.State != test.want || !slices.Equal(groups.Values, test.values) {
				t.Errorf("got %+v, want %s %v", groups, test.want, test.values)
			}
		})
	}
	t.Run("an entry that reads no claim", func(t *testing.T) {
		s := newScene(t)
		s.entry.Claims.GroupsFrom = []federation.GroupsFrom{federation.GroupsFromDirectory}
		v := s.mustVerify(s.idp.IDJAG("alice", idptest.WithClaim("hasgroups", true)))
		if v.Groups().State != assertion.GroupsAbsent {
			t.Errorf("got %+v", v.Groups())
		}
	})
	t.Run("another claim", func(t *testing.T) {
		s := newScene(t)
		s.entry.Claims.Groups = "roles"
		groups := s.mustVerify(s.idp.IDJAG("alice", idptest.WithClaim("roles", []string{"r"}))).Groups()
		if !slices.Equal(groups.Values, []string{"r"}) {
			t.Errorf("got %+v", groups)
		}
	})
}

func TestPresenter(t *testing.T) {
	s := newScene(t)
	for name, change := range map[string]func(){
		"absent list":        func() { s.entry.Assertions.Clients = nil },
		"other client":       func() { s.entry.Assertions.Clients = []string{"cursor"} },
		"no name":            func() { s.request.ClientNames = nil },
		"empty name":         func() { s.request.ClientNames, s.entry.Assertions.Clients = []string{""}, []string{""} },
		"client_id, no name": func() { s.request.ClientNames = []string{"Claude"} },
	} {
		t.Run(name, func(t *testing.T) {
			s = newScene(t)
			change()
			s.refused(s.idp.IDJAG("alice"), federation.CodeIssuerClientDenied)
		})
	}
	s = newScene(t)
	s.request.ClientNames = []string{"cli_1", "agents.example"}
	s.entry.Assertions.Clients = []string{"agents.example"}
	s.mustVerify(s.idp.IDJAG("alice"))
}

// A call in which a check would be empty is refused as a whole.
func TestIncomplete(t *testing.T) {
	for name, change := range map[string]func(*scene){
		"no issuer": func(s *scene) { s.request.Issuer = "" },
		"no tenant": func(s *scene) { s.request.TenantUID = "" },
		"no clock":  func(s *scene) { s.verifier.Now = nil },
		"no keys":   func(s *scene) { s.verifier.Keys = nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			change(s)
			if _, err := s.verify(s.idp.IDJAG("alice")); !errors.Is(err, assertion.ErrIncomplete) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The trail tells the story and gives nothing away.
func TestChecks(t *testing.T) {
	s := newScene(t)
	compact := s.idp.IDJAG("alice")
	v := s.mustVerify(compact)
	var names []string
	for _, check := range v.Checks() {
		if !check.OK || check.Code != "" {
			t.Errorf("a check of a verified assertion: %+v", check)
		}
		names = append(names, check.Name)
	}
	if want := []string{"shape", "typ", "iss", "signature", "aud", "times", "client_id", "groups", "client"}; !slices.Equal(names, want) {
		t.Errorf("checks %v, want %v", names, want)
	}

	refusal := s.refusal(s.idp.IDJAG("alice", idptest.WithAudience("https://other.example")), federation.CodeAudNotUs)
	if refusal.Received != "https://other.example" || refusal.Expected != ours || refusal.Provider == nil || refusal.Provider.Name != "okta" {
		t.Errorf("refusal %+v", refusal)
	}
	for _, check := range append(v.Checks(), refusal.Checks...) {
		for part := range strings.SplitSeq(compact, ".") {
			if strings.Contains(check.Received+check.Expected, part) {
				t.Errorf("%s shows a part of the token", check.Name)
			}
		}
	}
}

func TestTypTellsAnIDToken(t *testing.T) {
	s := newScene(t)
	s.refused(s.idp.IDToken("alice", clientID), federation.CodeTypMissing)
}

// Neither what was asked nor what was verified prints the token or its claims.
func TestNothingIsLogged(t *testing.T) {
	s := newScene(t)
	s.request.Compact = s.idp.IDJAG("alice", idptest.WithClaim("note", "private-matter"))
	verified := s.mustVerify(s.request.Compact)
	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&logged, nil), slog.NewTextHandler(&logged, nil)} {
		slog.New(handler).Info("verified", "request", s.request, "assertion", verified)
	}
	fmt.Fprintf(&logged, "%v %+v %s %v %+v", s.request, s.request, s.request, verified, verified)
	for _, secret := range append(strings.Split(s.request.Compact, "."), "private-matter", "alice@acme.com") {
		if strings.Contains(logged.String(), secret) {
			t.Errorf("%q was logged", secret)
		}
	}
	if !strings.Contains(logged.String(), clientID) || !strings.Contains(logged.String(), verified.ID()) {
		t.Errorf("nothing is told apart: %s", &logged)
	}
}
