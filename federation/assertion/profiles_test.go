package assertion_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// sceneOf is a scene whose entry lists one profile, at the token endpoint of ours.
func sceneOf(t *testing.T, profile federation.Profile) *scene {
	t.Helper()
	s := newScene(t)
	s.entry.Assertions.Profiles = []federation.Profile{profile}
	s.request.TokenEndpoint = ours + "/token"
	if profile == federation.ProfileWorkload { // nobody authenticates
		s.request.ClientID, s.request.ClientNames, s.entry.Assertions.Clients = "", nil, nil
	}
	return s
}

func profiles() []federation.Profile {
	return []federation.Profile{federation.ProfileIDJAG, federation.ProfileJWTBearer, federation.ProfileWorkload}
}

func TestMutationsOfEachProfile(t *testing.T) {
	name := regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	for _, profile := range profiles() {
		t.Run(string(profile), func(t *testing.T) {
			s := sceneOf(t, profile)
			s.mustVerify(s.idp.Assertion(profile, "alice"))
			mutations := idptest.MutationsFor(profile)
			if len(mutations) < 80 {
				t.Fatalf("%d mutations", len(mutations))
			}
			t.Logf("%d mutations", len(mutations))
			seen := map[string]bool{}
			for _, mutation := range mutations {
				if seen[mutation.Name] || !name.MatchString(mutation.Name) || mutation.Section == "" || mutation.Code == "" {
					t.Errorf("mutation %q is named twice or not described", mutation.Name)
				}
				seen[mutation.Name] = true
				t.Run(mutation.Name, func(t *testing.T) {
					s.t = t
					s.clock.advance(time.Minute) // an unknown kid must not be refused for want of a refetch
					compact := s.idp.Assertion(profile, "alice", idptest.WithMutation(mutation, s.idp.IdP))
					if mutation.StopsInForm() != strings.ContainsAny(compact, "\r\n\t\x00") {
						t.Error("over HTTP something else would refuse it")
					}
					s.refused(compact, mutation.Code)
				})
			}
		})
	}
}

func TestVariationsOfEachProfile(t *testing.T) {
	for _, profile := range profiles() {
		s := sceneOf(t, profile)
		for _, variation := range idptest.VariationsFor(profile) {
			t.Run(string(profile)+"/"+variation.Name, func(t *testing.T) {
				s.t = t
				v := s.mustVerify(s.idp.Assertion(profile, "alice", idptest.WithMutation(variation, s.idp.IdP)))
				if v.Profile() != profile {
					t.Errorf("verified as %s", v.Profile())
				}
			})
		}
	}
}

// A valid assertion of each profile is refused where the entry does not list it.
func TestProfilesThatAreNotListed(t *testing.T) {
	for _, test := range []struct {
		presented federation.Profile
		listed    []federation.Profile
		want      federation.Code
	}{
		{federation.ProfileIDJAG, nil, federation.CodeProfileNotAllowed},
		{federation.ProfileIDJAG, []federation.Profile{federation.ProfileJWTBearer}, federation.CodeProfileNotAllowed},
		{federation.ProfileIDJAG, []federation.Profile{federation.ProfileWorkload}, federation.CodeProfileNotAllowed},
		{federation.ProfileJWTBearer, nil, federation.CodeTypMissing},
		{federation.ProfileJWTBearer, []federation.Profile{federation.ProfileIDJAG}, federation.CodeTypMissing},
		{federation.ProfileJWTBearer, []federation.Profile{federation.ProfileSAML2Bearer}, federation.CodeTypMissing},
		{federation.ProfileWorkload, nil, federation.CodeTypMissing},
		{federation.ProfileWorkload, []federation.Profile{federation.ProfileIDJAG, federation.ProfileSAML2Bearer}, federation.CodeTypMissing},
	} {
		s := sceneOf(t, test.presented)
		s.mustVerify(s.idp.Assertion(test.presented, "alice"))
		s.entry.Assertions.Profiles = test.listed
		s.refused(s.idp.Assertion(test.presented, "alice"), test.want)
	}
	// What typ does not say, the entry does: a plain assertion is a workload's token where workloads come.
	s := sceneOf(t, federation.ProfileWorkload)
	if v := s.mustVerify(s.idp.Plain("alice")); v.Profile() != federation.ProfileWorkload || v.Identifiers().Email != "" {
		t.Errorf("verified as %s of %q", v.Profile(), v.Identifiers().Email)
	}
}

// Who holds no genuine token learns nothing about an issuer: whether it is known,
// enabled, or which profiles it has.
func TestPlainTypesTellNothing(t *testing.T) {
	stranger, err := idptest.NewKey("key-1", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	forged := idptest.WithKey(stranger)
	for name, change := range map[string]func(*scene){
		"unknown":      func(s *scene) { s.entry.Issuer = "https://other.example" },
		"disabled":     func(s *scene) { s.entry.Disabled = true },
		"no profile":   func(s *scene) { s.entry.Assertions.Profiles = nil },
		"id-jag only":  func(s *scene) { s.entry.Assertions.Profiles = []federation.Profile{federation.ProfileIDJAG} },
		"jwt-bearer":   func(s *scene) { s.entry.Assertions.Profiles = []federation.Profile{federation.ProfileJWTBearer} },
		"workload":     func(s *scene) { s.entry.Assertions.Profiles = []federation.Profile{federation.ProfileWorkload} },
		"no algorithm": func(s *scene) { s.entry.Assertions.Algorithms = nil },
	} {
		for _, typ := range []string{"JWT", "JOSE", ""} {
			for _, client := range []string{"", clientID} {
				s := newScene(t)
				s.request.ClientID = client
				change(s)
				option := idptest.WithHeader("typ", typ)
				if typ == "" {
					option = func(d *idptest.Draft) { delete(d.Header, "typ") }
				}
				_, err := s.verify(s.idp.Plain("alice", forged, option))
				refusal, ok := errors.AsType[*federation.Refusal](err)
				if !ok || refusal.Code.Public() != federation.CodeAssertionUntrusted {
					t.Errorf("%s, typ %q, client %q: %v", name, typ, client, err)
				}
			}
		}
	}
}

func TestClientNeeded(t *testing.T) {
	// An ID-JAG at once: not even the issuer is looked at.
	s := newScene(t)
	s.request.ClientID = ""
	for name, compact := range map[string]string{
		"valid":          s.idp.IDJAG("alice"),
		"unknown issuer": s.idp.IDJAG("alice", idptest.WithClaim("iss", "https://other.example")),
		"own issuer":     s.idp.IDJAG("alice", idptest.WithClaim("iss", ours)),
	} {
		if v, err := s.verify(compact); v != nil || err != assertion.ErrClientNeeded { //nolint:errorlint // it is wrapped in nothing, which callers may rely on
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	if n := s.idp.Requests(idptest.PathKeys); n != 0 {
		t.Errorf("%d requests for keys", n)
	}
	s.refused(s.idp.IDJAG("alice", idptest.WithHeader("typ", "at+jwt")), federation.CodeTypWrong)

	// A plain one when its signature holds, and before its claims are judged.
	s = sceneOf(t, federation.ProfileJWTBearer)
	s.request.ClientID = ""
	for name, option := range map[string]idptest.Option{
		"valid": idptest.WithHeader("typ", "JWT"), "expired": idptest.WithClaim("exp", 1), "for another": idptest.WithAudience("https://other.example"),
	} {
		if v, err := s.verify(s.idp.Plain("alice", option)); v != nil || err != assertion.ErrClientNeeded { //nolint:errorlint // see above
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	// A workload never needs one, and who authenticates anyway is for the grant to compare.
	s = sceneOf(t, federation.ProfileWorkload)
	s.mustVerify(s.idp.Workload())
	s.request.ClientID, s.request.ClientNames = "somebody", []string{"somebody"}
	s.mustVerify(s.idp.Workload())
}

// Without keys, who could not use the assertion anyway is not told to try again.
func TestKeysUnavailableWithoutAClient(t *testing.T) {
	for _, test := range []struct {
		name    string
		profile federation.Profile
		listed  []federation.Profile
		client  string
		want    federation.Code
	}{
		{"workload", federation.ProfileWorkload, []federation.Profile{federation.ProfileWorkload}, "", federation.CodeKeysUnavailable},
		{"plain with a client", federation.ProfileJWTBearer, []federation.Profile{federation.ProfileJWTBearer}, clientID, federation.CodeKeysUnavailable},
		{"plain without", federation.ProfileJWTBearer, []federation.Profile{federation.ProfileJWTBearer}, "", federation.CodeKeyUnknown},
		{"no profile that fits", federation.ProfileWorkload, nil, "", federation.CodeKeyUnknown},
	} {
		s := sceneOf(t, test.profile)
		s.entry.Assertions.Profiles, s.request.ClientID = test.listed, test.client
		s.idp.Fail(idptest.PathKeys, idptest.FaultDown)
		s.refused(s.idp.Assertion(test.profile, "alice"), test.want)
	}
}

func TestPlainAudiences(t *testing.T) {
	const own = "api://chancery"
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		s := sceneOf(t, profile)
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithAudience(own)), federation.CodeAudNotUs)
		s.entry.Assertions.Audiences = []string{own}
		s.mustVerify(s.idp.Assertion(profile, "alice", idptest.WithAudience(own)))
		s.mustVerify(s.idp.Assertion(profile, "alice"))
		s.mustVerify(s.idp.Assertion(profile, "alice", idptest.WithAudience(ours+"/token")))
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithClaim("aud", []string{own, ours})), federation.CodeAudMulti)
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithAudience(own+"/")), federation.CodeAudNotUs)
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithAudience(notes)), federation.CodeAudIsResource)
		s.request.TokenEndpoint = "" // not said is none
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithAudience(ours+"/token")), federation.CodeAudNotUs)
	}
	// Neither is for ID-JAGs.
	s := newScene(t)
	s.request.TokenEndpoint, s.entry.Assertions.Audiences = ours+"/token", []string{own}
	s.refused(s.idp.IDJAG("alice", idptest.WithAudience(ours+"/token")), federation.CodeAudNotUs)
	s.refused(s.idp.IDJAG("alice", idptest.WithAudience(own)), federation.CodeAudNotUs)
}

func TestPlainRules(t *testing.T) {
	s := sceneOf(t, federation.ProfileJWTBearer)
	s.entry.Assertions.Reuse = federation.ReuseSingle
	s.refused(s.idp.Plain("alice", idptest.WithoutClaim("jti")), federation.CodeClaimMissing)
	s.entry.Assertions.Reuse = federation.ReuseClientBound
	s.mustVerify(s.idp.Plain("alice", idptest.WithoutClaim("jti")))
	s.entry.Assertions.Reuse = "" // what is not said is the stricter
	s.entry.Dialect.IDClaim = "uti"
	if v := s.mustVerify(s.idp.Plain("alice", idptest.WithoutClaim("jti"), idptest.WithClaim("uti", "u-1"))); v.RedemptionKey() != "jti:u-1" {
		t.Errorf("key %s", v.RedemptionKey())
	}
	if v := s.mustVerify(s.idp.Plain("alice", idptest.WithClaim("jti", "j-1"), idptest.WithClaim("uti", "u-1"))); v.RedemptionKey() != "jti:j-1" {
		t.Errorf("key %s", v.RedemptionKey())
	}
	s.refused(s.idp.Plain("alice", idptest.WithoutClaim("jti"), idptest.WithClaim("uti", "")), federation.CodeClaimMalformed)
	s.refused(s.idp.Plain("alice", idptest.WithoutClaim("jti")), federation.CodeClaimMissing)

	v := s.mustVerify(s.idp.Plain("alice", idptest.WithScope("openid"), idptest.WithClaim("department", "research")))
	scopes, asserted := v.Scopes()
	private := slices.Sorted(maps.Keys(v.Private()))
	if scopes != nil || asserted || !slices.Equal(private, []string{"department", "scope"}) || !slices.Equal(v.Resources(), []string{notes}) ||
		v.Groups().State != assertion.GroupsComplete || v.Type() != "jwt" || v.Agent() != nil || v.Guest() {
		t.Errorf("scopes %v %v, private %v, resources %v, groups %v", scopes, asserted, private, v.Resources(), v.Groups())
	}
	// Who may present it counts, as for ID-JAGs.
	s.entry.Assertions.Clients = nil
	s.refused(s.idp.Plain("alice"), federation.CodeIssuerClientDenied)
}

func TestSubjectClaim(t *testing.T) {
	for _, profile := range []federation.Profile{federation.ProfileJWTBearer, federation.ProfileWorkload} {
		s := sceneOf(t, profile)
		s.entry.Dialect.SubjectClaim = "oid"
		v := s.mustVerify(s.idp.Assertion(profile, "alice", idptest.WithClaim("oid", "o-1"), idptest.WithClaim("sub", "pairwise")))
		if sub, _ := v.Claim([]string{"sub"}); v.Subject() != "o-1" || v.Identifiers().Subject != "o-1" || sub != "pairwise" {
			t.Errorf("subject %s, sub %s", v.Subject(), sub)
		}
		for name, option := range map[string]idptest.Option{"empty": idptest.WithClaim("oid", ""), "number": idptest.WithClaim("oid", 1), "long": idptest.WithClaim("oid", strings.Repeat("o", 256))} {
			t.Run(name, func(t *testing.T) {
				s.t = t
				s.refused(s.idp.Assertion(profile, "alice", option), federation.CodeClaimMalformed)
			})
		}
		s.t = t
		s.refused(s.idp.Assertion(profile, "alice"), federation.CodeClaimMissing)
		s.refused(s.idp.Assertion(profile, "alice", idptest.WithClaim("oid", "o-1"), idptest.WithoutClaim("sub")), federation.CodeClaimMissing)
	}
	s := newScene(t) // an ID-JAG's subject is sub
	s.entry.Dialect.SubjectClaim = "oid"
	if v := s.mustVerify(s.idp.IDJAG("alice", idptest.WithClaim("oid", "o-1"))); v.Subject() != "00u1alice" {
		t.Errorf("subject %s", v.Subject())
	}
}

// Every profile: the key in cnf is the key of the proof, by its thumbprint or itself.
func TestConfirmationByKey(t *testing.T) {
	key, err := idptest.NewKey("", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	other, err := idptest.NewKey("", "ES256")
	if err != nil {
		t.Fatal(err)
	}
	jkt, err := jwks.Thumbprint(key.Signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	bound := func(key *idptest.Key) idptest.Option {
		jwk := key.JWK()
		delete(jwk, "kid")
		return idptest.WithClaim("cnf", map[string]any{"jwk": jwk})
	}
	for _, profile := range profiles() {
		s := sceneOf(t, profile)
		s.request.ProofThumbprint = jkt
		if v := s.mustVerify(s.idp.Assertion(profile, "alice", bound(key))); v.Thumbprint() != jkt {
			t.Errorf("%s: thumbprint %q", profile, v.Thumbprint())
		}
		if v := s.mustVerify(s.idp.Assertion(profile, "alice", idptest.WithJKT(jkt))); v.Thumbprint() != jkt {
			t.Errorf("%s: thumbprint %q", profile, v.Thumbprint())
		}
		if v := s.mustVerify(s.idp.Assertion(profile, "alice")); v.Thumbprint() != "" {
			t.Errorf("%s: thumbprint %q", profile, v.Thumbprint())
		}
		s.refused(s.idp.Assertion(profile, "alice", bound(other)), federation.CodeCNFUnproved)
		s.request.ProofThumbprint = ""
		s.refused(s.idp.Assertion(profile, "alice", bound(key)), federation.CodeCNFUnproved)
	}
}

// An address whose domain the IdP never verified is not verified (T13).
func TestDomainThatIsNotOwned(t *testing.T) {
	s := sceneOf(t, federation.ProfileJWTBearer)
	for _, value := range []any{false, 0, "0", "false", nil, "", []any{true}} {
		ids := s.mustVerify(s.idp.Plain("alice", idptest.WithClaim("xms_edov", value))).Identifiers()
		if ids.EmailVerified == nil || *ids.EmailVerified {
			t.Errorf("%v: taken for verified", value)
		}
	}
	for _, value := range []any{true, 1, "1", "true"} {
		ids := s.mustVerify(s.idp.Plain("alice", idptest.WithClaim("xms_edov", value))).Identifiers()
		if ids.EmailVerified == nil || !*ids.EmailVerified {
			t.Errorf("%v: not taken for verified", value)
		}
	}
}
