package oidc_test

import (
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/oidc"
)

const (
	owner  = "ten_1"
	client = "0oa1chancery"
	mine   = "http://127.0.0.1:8080/federation/oidc/okta/callback"
	out    = "http://127.0.0.1:8080/signed-out"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// site is a relying party and an IdP, with one clock.
type site struct {
	t     *testing.T
	clock atomic.Int64 // unix nanoseconds; key refreshes read it from goroutines of their own
	idp   *idptest.Running
	rp    *oidc.RelyingParty
	entry *oidc.Entry
}

// newSite starts both; change is for what must be so from the beginning.
func newSite(t *testing.T, change ...func(*idptest.Options)) *site {
	t.Helper()
	s := &site{t: t}
	s.clock.Store(noon.UnixNano())
	options := idptest.Options{
		Now:     s.now,
		Clients: []idptest.Client{{ID: client, Secret: secret, RedirectURIs: []string{mine, out}}},
	}
	for _, f := range change {
		f(&options)
	}
	s.idp = idptest.Start(t, options)
	s.rp, s.entry = s.relyingParty(), entryFor(s.idp.Issuer(), "okta")
	return s
}

func (s *site) now() time.Time { return time.Unix(0, s.clock.Load()).UTC() }

func (s *site) pass(d time.Duration) { s.clock.Add(int64(d)) }

func (s *site) relyingParty() *oidc.RelyingParty {
	door := fetch.New(fetch.Policy{Mode: "allow"})
	keys := jwks.NewCache(door, s.now)
	s.t.Cleanup(keys.Close)
	return oidc.New(door, keys, s.now)
}

func entryFor(issuer, name string) *oidc.Entry {
	return &oidc.Entry{
		Provider: &federation.IdentityProvider{
			UID: "idp_" + name, Name: name, Issuer: issuer,
			Keys:    jwks.Source{Issuer: issuer, Network: fetch.Network{AllowPrivateAddresses: true}},
			Claims:  federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}},
			Subject: federation.SubjectRules{Match: []federation.MatchBy{federation.MatchSubject}},
		},
		ClientID: client, Authentication: oidc.AuthSecretBasic, Secret: oidc.NewSecret(secret),
		Algorithms: []string{"ES256", "RS256"}, Scopes: []string{"openid", "profile", "email"},
		CallbackURL: mine, PostLogoutURL: out, ClockSkew: 30 * time.Second,
		Dialect: oidc.Dialect{StepUp: oidc.StepUpACRValues},
	}
}

// depart begins a sign-in of alice unless the ask says of whom.
func (s *site) depart(ask oidc.Ask) (string, oidc.Departure) {
	s.t.Helper()
	if ask.LoginHint == "" {
		ask.LoginHint = idptest.Alice
	}
	target, departure, err := s.rp.Begin(s.t.Context(), owner, s.entry, ask)
	if err != nil {
		s.t.Fatal(err)
	}
	return target, departure
}

// visit takes a URL as a browser does, up to the redirect to us.
func (s *site) visit(target string) url.Values {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, target, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := browser.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	location, err := response.Location()
	if err != nil {
		s.t.Fatalf("%d without a redirect", response.StatusCode)
	}
	return location.Query()
}

func (s *site) finish(values url.Values, departure oidc.Departure) (*oidc.SignIn, error) {
	s.t.Helper()
	answer, err := oidc.ParseAnswer(values)
	if err != nil {
		return nil, err
	}
	return s.rp.Finish(s.t.Context(), owner, s.entry, answer, departure)
}

// signIn goes the whole way.
func (s *site) signIn(ask oidc.Ask) (*oidc.SignIn, error) {
	s.t.Helper()
	target, departure := s.depart(ask)
	return s.finish(s.visit(target), departure)
}

func (s *site) mustSignIn(ask oidc.Ask) *oidc.SignIn {
	s.t.Helper()
	signedIn, err := s.signIn(ask)
	if err != nil {
		s.t.Fatal(err)
	}
	return signedIn
}

// update changes alice.
func (s *site) update(change func(*idptest.User)) {
	s.t.Helper()
	if err := s.idp.Update(idptest.Alice, change); err != nil {
		s.t.Fatal(err)
	}
}

// wantCode checks that a refusal has exactly the code, tells its checks, and holds
// nothing that an outsider could make a log or a page do.
func wantCode(t *testing.T, err error, code federation.Code) {
	t.Helper()
	refusal, ok := errors.AsType[*federation.Refusal](err)
	if !ok || refusal.Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	if last := refusal.Checks[len(refusal.Checks)-1]; last.Code != code || last.OK {
		t.Errorf("the last check is %+v", last)
	}
	for _, check := range refusal.Checks {
		for _, text := range []string{check.Received, check.Expected} {
			for _, r := range text {
				if r < 0x20 || r == 0x7f {
					t.Errorf("check %s holds a control character: %q", check.Name, text)
				}
			}
		}
	}
}

func isIncomplete(err error) bool { return errors.Is(err, oidc.ErrIncomplete) }
