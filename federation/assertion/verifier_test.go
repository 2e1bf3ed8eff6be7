package assertion_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

const (
	ours     = "https://auth.acme.example"
	notes    = "https://mcp.acme.example/notes"
	clientID = "claude"
	owner    = "ten_1"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// clock is a clock that a test moves.
type clock struct{ moved atomic.Int64 }

func (c *clock) Now() time.Time          { return noon.Add(time.Duration(c.moved.Load())) }
func (c *clock) advance(d time.Duration) { c.moved.Add(int64(d)) }

// scene is one IdP, the entry that trusts it, and a verifier that reaches its
// keys through the one outbound door.
type scene struct {
	t        *testing.T
	clock    *clock
	idp      *idptest.Running
	entry    federation.IdentityProvider
	more     []federation.IdentityProvider
	request  assertion.Request
	verifier *assertion.Verifier
	dials    *counter
}

type counter struct{ n chan struct{} }

func newCounter() *counter            { return &counter{n: make(chan struct{}, 1024)} }
func (c *counter) hook(string) error  { c.n <- struct{}{}; return nil }
func (c *counter) count() (dials int) { return len(c.n) }
func options(c *clock) idptest.Options {
	return idptest.Options{Now: c.Now, Clients: clients(), Audiences: audiences()}
}
func clients() []idptest.Client { return []idptest.Client{{ID: clientID, Secret: "s"}} }
func audiences() []idptest.Audience {
	return []idptest.Audience{{Issuer: ours, Resources: []string{notes}, Scopes: []string{"notes:read", "notes:write"}}}
}

func entryFor(idp *idptest.Running, name string) federation.IdentityProvider {
	return federation.IdentityProvider{
		UID: "idp_" + name, Name: name, Issuer: idp.Issuer(),
		Keys: jwks.Source{Issuer: idp.Issuer(), Network: fetch.Network{AllowPrivateAddresses: true}},
		Assertions: federation.AssertionRules{
			Profiles: []federation.Profile{federation.ProfileIDJAG}, Algorithms: []string{"ES256", "RS256"},
			MaxLifetime: 5 * time.Minute, ClockSkew: 30 * time.Second, Clients: []string{"claude"},
		},
		Claims: federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim, federation.GroupsFromDirectory}},
	}
}

func newScene(t *testing.T) *scene {
	t.Helper()
	c := &clock{}
	dials := newCounter()
	idp := idptest.Start(t, options(c))
	cache := jwks.NewCache(fetch.New(fetch.Policy{Mode: "allow"}, fetch.WithDialHook(dials.hook)), c.Now)
	t.Cleanup(cache.Close)
	return &scene{
		t: t, clock: c, idp: idp, entry: entryFor(idp, "okta"), dials: dials,
		verifier: &assertion.Verifier{Keys: cache, Now: c.Now},
		request: assertion.Request{
			Issuer: ours, ClientID: clientID, ClientNames: []string{"claude"}, TenantName: "default", TenantUID: owner,
			IsResource: func(uri string) bool { return uri == notes },
		},
	}
}

func (s *scene) verify(compact string) (*assertion.Verified, error) {
	s.t.Helper()
	registry, err := federation.NewRegistry(append([]federation.IdentityProvider{s.entry}, s.more...))
	if err != nil {
		s.t.Fatal(err)
	}
	r := s.request
	r.Compact = compact
	return s.verifier.Verify(s.t.Context(), registry, owner, r)
}

func (s *scene) mustVerify(compact string) *assertion.Verified {
	s.t.Helper()
	verified, err := s.verify(compact)
	if err != nil {
		s.t.Fatalf("a valid assertion was refused: %v", err)
	}
	return verified
}

// refused demands a refusal with exactly one code.
func (s *scene) refused(compact string, want federation.Code) {
	s.t.Helper()
	_ = s.refusal(compact, want)
}

func (s *scene) refusal(compact string, want federation.Code) *federation.Refusal {
	s.t.Helper()
	verified, err := s.verify(compact)
	return s.demand(verified, err, want)
}

// demand takes the refusal out of what Verify returned; its last check tells it.
func (s *scene) demand(verified *assertion.Verified, err error, want federation.Code) *federation.Refusal {
	s.t.Helper()
	refusal, ok := errors.AsType[*federation.Refusal](err)
	if !ok {
		s.t.Fatalf("got %v, %v; want a refusal %s", verified, err, want)
	}
	if verified != nil {
		s.t.Error("an assertion was returned beside the refusal")
	}
	if refusal.Code != want {
		s.t.Fatalf("refused with %v, want %s", refusal, want)
	}
	last := refusal.Checks[len(refusal.Checks)-1]
	if last.OK || last.Code != want {
		s.t.Errorf("last check is %+v, want the failed one", last)
	}
	return refusal
}

func TestMutations(t *testing.T) {
	s := newScene(t)
	s.mustVerify(s.idp.IDJAG("alice"))

	mutations := idptest.Mutations()
	if len(mutations) < 60 {
		t.Fatalf("%d mutations", len(mutations))
	}
	name := regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	seen := map[string]bool{}
	for _, mutation := range mutations {
		if seen[mutation.Name] {
			t.Errorf("two mutations are named %q", mutation.Name)
		}
		if !name.MatchString(mutation.Name) || mutation.Section == "" || mutation.Code == "" {
			t.Errorf("mutation %+v is not described", mutation)
		}
		seen[mutation.Name] = true
		t.Run(mutation.Name, func(t *testing.T) {
			s.t = t
			s.clock.advance(time.Minute) // an unknown kid must not be refused for want of a refetch
			compact := s.idp.IDJAG("alice", idptest.WithMutation(mutation, s.idp.IdP))
			if mutation.StopsInForm() != strings.ContainsAny(compact, "\r\n\t\x00") || len(compact) > 60<<10 {
				t.Errorf("over HTTP something else would refuse these %d bytes", len(compact))
			}
			s.refused(compact, mutation.Code)
		})
	}
}

func TestVariations(t *testing.T) {
	s := newScene(t)
	for _, variation := range idptest.Variations() {
		t.Run(variation.Name, func(t *testing.T) {
			s.t = t
			s.mustVerify(s.idp.IDJAG("alice", idptest.WithMutation(variation, s.idp.IdP)))
		})
	}
}

// Requests share nothing but keys: many at once do not disturb each other.
func TestManyAtOnce(t *testing.T) {
	s := newScene(t)
	registry, err := federation.NewRegistry([]federation.IdentityProvider{s.entry})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 64 {
		r := s.request
		r.Compact = s.idp.IDJAG("alice")
		if i%2 == 1 {
			r.Compact = s.idp.IDJAG("alice", idptest.WithAudience("https://other.example"))
		}
		group.Go(func() {
			verified, err := s.verifier.Verify(t.Context(), registry, owner, r)
			if (verified != nil) != (i%2 == 0) || (err == nil) != (i%2 == 0) {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if fetches := s.idp.Requests(idptest.PathKeys); fetches != 1 {
		t.Errorf("%d fetches of the keys", fetches)
	}
}
