package signin_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/federation/idptest"
)

func sqlite(t *testing.T) *house {
	t.Helper()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			return newHouse(t, e.New(t))
		}
	}
	t.Fatal("no sqlite")
	return nil
}

func TestSignIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h, b := newHouse(t, d), newBrowser()
		arrival := h.mustSignIn(b, "okta", signin.Ask{Then: "/authorize/req_1"})
		if arrival.Then != "/authorize/req_1" || arrival.Session.UserUID == "" {
			t.Errorf("arrived %+v", arrival)
		}
		if len(b.cookies) != 1 {
			t.Errorf("the browser keeps %v", b.cookies)
		}
		c := b.cookies["__Host-chancery"]
		if c == nil || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || len(c.Value) != 43 {
			t.Errorf("the session's cookie is %+v", c)
		}
		s := h.current(b)
		if s == nil || s.UserUID != arrival.Session.UserUID {
			t.Fatalf("signed in is %+v", s)
		}
		p, ok, err := h.keeper.Profile(t.Context(), h.tenant(), s.UserUID, s.IdPUID)
		if err != nil || !ok || p.Email != "alice@acme.com" || p.Subject == "" {
			t.Errorf("profile %+v %v %v", p, ok, err)
		}
		// Signing in again gives another handle; what was bound to the old one goes on.
		before := b.clone()
		again := h.mustSignIn(b, "okta", signin.Ask{})
		if again.Session.Handle == arrival.Session.Handle || again.Session.ID != arrival.Session.ID {
			t.Error("the same handle, or another session")
		}
		if h.current(before) != nil {
			t.Error("the old handle still opens")
		}
		if alive, err := h.keeper.Alive(t.Context(), h.tenant(), arrival.Session.Handle); err != nil || alive == nil || alive.Handle != again.Session.Handle {
			t.Errorf("what was bound to it: %+v %v", alive, err)
		}
	})
}

func TestSessionLimits(t *testing.T) {
	h := sqlite(t)
	b := newBrowser()
	h.mustSignIn(b, "okta", signin.Ask{})
	for range 3 { // seen again and again
		h.pass(29 * time.Minute)
		if h.current(b) == nil {
			t.Fatal("ended although it was seen")
		}
	}
	h.pass(31 * time.Minute)
	if h.current(b) != nil {
		t.Error("alive though idle")
	}
	h.mustSignIn(b, "okta", signin.Ask{})
	for range 25 {
		h.pass(29 * time.Minute)
		h.current(b)
	}
	if h.current(b) != nil {
		t.Error("alive beyond its absolute limit")
	}
	h.changes = append(h.changes, func(t *snapshot.Tenant) { t.SignIn.Idle = 0 })
	if _, err := h.signIn(b, "okta", signin.Ask{}); err == nil {
		t.Error("a session without an end began")
	}
}

func TestSessionFallsWithWhatItRestsOn(t *testing.T) {
	for name, fall := range map[string]func(h *house){
		"the user is disabled": func(h *house) { h.edit("alice", func(s *object.UserSpec) { s.Status = object.StatusDisabled }) },
		"the user is unlinked": func(h *house) {
			h.edit("alice", func(s *object.UserSpec) { s.Identities = []object.Identity{{IdP: "other", Sub: "someone"}} })
		},
		"the user has no identity left": func(h *house) { h.edit("alice", func(s *object.UserSpec) { s.Identities = nil }) },
		"the user becomes a guest": func(h *house) {
			h.edit("alice", func(s *object.UserSpec) { s.Attributes = map[string]any{"guest": true} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := sqlite(t)
			b := newBrowser()
			s := h.mustSignIn(b, "okta", signin.Ask{}).Session
			fall(h)
			if h.current(b) != nil {
				t.Error("still signed in")
			}
			if alive, err := h.keeper.Alive(t.Context(), h.tenant(), s.Handle); err != nil || alive != nil {
				t.Errorf("still alive: %v %v", alive, err)
			}
			h.edit("alice", func(s *object.UserSpec) {
				u, _ := h.okta.User(idptest.Alice)
				s.Status, s.Attributes, s.Identities = object.StatusActive, nil, []object.Identity{{IdP: "okta", Sub: u.Subject}}
			})
			if h.current(b) != nil {
				t.Error("it came back")
			}
		})
	}
}

// edit changes a user as an administrator does.
func (h *house) edit(name string, change func(*object.UserSpec)) {
	h.t.Helper()
	stored, err := h.d.Objects(h.t).Get(h.t.Context(), h.d.Default, object.KindUser, name)
	must(h.t, err)
	parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
	must(h.t, err)
	spec, ok := parsed.(*object.UserSpec)
	if !ok {
		h.t.Fatal("no user")
	}
	change(spec)
	_, err = h.path.Apply(h.t.Context(), "default", []object.Object{{
		APIVersion: object.APIVersion, Kind: object.KindUser, Metadata: object.Metadata{Name: name}, Spec: spec,
	}}, object.Request{Manager: object.ManagerApply})
	must(h.t, err)
	must(h.t, h.source.Poll(h.t.Context()))
}

func TestSignInRefused(t *testing.T) {
	for name, c := range map[string]struct {
		code oauth.Code
		try  func(h *house, b *browser) error
	}{
		"the state of another browser": {oauth.CodeSignInStateMismatch, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			_, err := h.arrive(newBrowser(), "okta", values)
			return err
		}},
		"the state of another browser that left too": {oauth.CodeSignInStateMismatch, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			another := newBrowser()
			h.depart(another, "okta", signin.Ask{})
			_, err := h.arrive(another, "okta", values)
			return err
		}},
		"a cookie of another value": {oauth.CodeSignInStateMismatch, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			for _, c := range b.cookies {
				c.Value += "x"
			}
			_, err := h.arrive(b, "okta", values)
			return err
		}},
		"a second use": {oauth.CodeSignInStateMismatch, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			twin := b.clone()
			if _, err := h.arrive(b, "okta", values); err != nil {
				return err
			}
			_, err := h.arrive(twin, "okta", values)
			return err
		}},
		"the callback of another IdP": {oauth.CodeIdPMixUp, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			_, err := h.arrive(b, "other", values)
			return err
		}},
		"too late": {oauth.CodeSignInExpired, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			h.pass(11 * time.Minute)
			_, err := h.arrive(b, "okta", values)
			return err
		}},
		"a disabled user": {oauth.CodeSubjectDisabled, func(h *house, b *browser) error {
			h.edit("alice", func(s *object.UserSpec) { s.Status = object.StatusDisabled })
			_, err := h.signIn(b, "okta", signin.Ask{})
			return err
		}},
		"nobody, where nobody is made": {oauth.CodeSubjectUnmatched, func(h *house, b *browser) error {
			_, err := h.signIn(b, "other", signin.Ask{})
			return err
		}},
		"another person than was asked": {oauth.CodeSignInWrongPerson, func(h *house, b *browser) error {
			_, err := h.signIn(b, "okta", signin.Ask{Only: "usr_somebody"})
			return err
		}},
		"a new person where one was asked": {oauth.CodeSignInWrongPerson, func(h *house, b *browser) error {
			_, err := h.signIn(b, "okta", signin.Ask{LoginHint: idptest.Bob, Only: "usr_somebody"})
			return err
		}},
		"an IdP that is not offered": {oauth.CodeSignInNotOffered, func(h *house, b *browser) error {
			h.changes = append(h.changes, func(t *snapshot.Tenant) { clear(t.SignIn.OpenID) })
			tenant := h.tenant()
			_, err := h.Depart(h.t.Context(), tenant, h.idp(tenant, "okta"), signin.Ask{}, b.request(http.MethodGet, false))
			return err
		}},
		"an IdP that was disabled meanwhile": {oauth.CodeSignInNotOffered, func(h *house, b *browser) error {
			values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
			tenant := h.tenant()
			idp := *h.idp(tenant, "okta")
			idp.Disabled = true
			_, err := h.ArriveOpenID(h.t.Context(), tenant, &idp, values, b.request(http.MethodGet, true))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h, b := sqlite(t), newBrowser()
			h.refused(c.try(h, b), c.code)
			if b.cookies["__Host-chancery"] != nil && name != "a second use" {
				t.Error("somebody was signed in")
			}
		})
	}
}

// A departure of one tenant is none of another's.
func TestDepartureOfAnotherTenant(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	h.apply("apiVersion: chancery/v1\nkind: Tenant\nmetadata: {name: beta}\nspec: {}\n---\napiVersion: chancery/v1\nkind: IdentityProvider\n" +
		"metadata: {name: okta, tenant: beta}\nspec: {issuer: \"" + h.okta.Issuer() + "\", network: {allow_private_addresses: true}, assertions: {profiles: [id-jag], algorithms: [ES256]}, subject: {match: [sub], provision: just_in_time}}\n")
	values := h.visit(h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice}).URL)
	beta := h.tenantNamed("beta")
	_, err := h.ArriveOpenID(t.Context(), beta, h.idp(beta, "okta"), values, b.request(http.MethodGet, true))
	h.refused(err, oauth.CodeSignInStateMismatch)
	// It was not used up by that.
	_, err = h.arrive(b, "okta", values)
	must(t, err)
	// And a session of one is none of the other's.
	if s, err := h.keeper.Current(t.Context(), beta, b.request(http.MethodGet, false)); err != nil || s != nil {
		t.Errorf("signed in at beta: %v %v", s, err)
	}
}

// Several tabs leave side by side and come back in any order; a browser does not gather them without end.
func TestTabs(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	first := h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice, Then: "/first"})
	second := h.depart(b, "okta", signin.Ask{LoginHint: idptest.Alice, Then: "/second"})
	for _, want := range []struct {
		departure signin.Departure
		then      string
	}{{second, "/second"}, {first, "/first"}} {
		arrival, err := h.arrive(b, "okta", h.visit(want.departure.URL))
		if err != nil || arrival.Then != want.then {
			t.Errorf("%s: %+v %v", want.then, arrival, err)
		}
	}
	for range 20 {
		h.depart(b, "okta", signin.Ask{})
	}
	if len(b.cookies) > 10 {
		t.Errorf("the browser keeps %d cookies", len(b.cookies))
	}
}

// 20 first sign-ins of one person at once, on two replicas, make one user.
func TestProvisionRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *storetest.Database) {
		h := newHouse(t, d)
		browsers := make([]*browser, 20)
		departures := make([]signin.Departure, len(browsers))
		for i := range browsers {
			browsers[i] = newBrowser()
			departures[i] = h.depart(browsers[i], "okta", signin.Ask{LoginHint: idptest.Bob})
		}
		houses := []*house{h, h.replica(t)}
		tenants := []*snapshot.Tenant{h.tenant(), houses[1].tenant()}
		users := make([]string, len(browsers))
		var wg sync.WaitGroup
		for i, b := range browsers {
			values := h.visit(departures[i].URL)
			wg.Go(func() {
				tenant := tenants[i%2]
				arrival, err := houses[i%2].ArriveOpenID(t.Context(), tenant, h.idp(tenant, "okta"), values, b.request(http.MethodGet, true))
				if err != nil {
					t.Error(err)
				}
				users[i] = arrival.Session.UserUID
			})
		}
		wg.Wait()
		slices.Sort(users)
		if users = slices.Compact(users); len(users) != 1 || users[0] == "" {
			t.Fatalf("made %v", users)
		}
		stored, err := h.d.Objects(t).ByUID(t.Context(), d.Default, object.KindUser, users[0])
		if err != nil || stored.ManagedBy != "sign-in" || !strings.HasPrefix(stored.Name, "u-") || !strings.Contains(string(stored.Spec), "bob@acme.com") {
			t.Errorf("made %+v %s %v", stored, stored.Spec, err)
		}
	})
}

// An address makes nobody's user: only where it is verified and of a listed domain is it kept.
func TestProvisionedEmail(t *testing.T) {
	for name, change := range map[string]func(*idptest.User){
		"unverified":      func(u *idptest.User) { u.EmailVerified = false },
		"unlisted domain": func(u *idptest.User) { u.Email = "bob@evil.example" },
		"a fullwidth @":   func(u *idptest.User) { u.Email = "bob＠acme.com" },
	} {
		t.Run(name, func(t *testing.T) {
			h, b := sqlite(t), newBrowser()
			must(t, h.okta.Update(idptest.Bob, change))
			arrival, err := h.signIn(b, "okta", signin.Ask{LoginHint: idptest.Bob})
			must(t, err)
			stored, err := h.d.Objects(t).ByUID(t.Context(), h.d.Default, object.KindUser, arrival.Session.UserUID)
			if err != nil || strings.Contains(string(stored.Spec), "email") {
				t.Errorf("made %s %v", stored.Spec, err)
			}
		})
	}
}

func TestHomeRealm(t *testing.T) {
	h := sqlite(t)
	for hint, want := range map[string]string{
		"a@okta.example": "okta", "A@OKTA.Example": "okta", "okta.example": "okta", "b@corp.example": "corp",
		"a@sub.okta.example": "", "a@okta.example.": "", "a@b@okta.example": "", "a＠okta.example": "", "alice": "", "": "", "a@evilokta.example": "",
		"a@o\u212Ata.example": "",
	} {
		idp, ok := h.HomeRealm(h.tenant(), hint)
		if ok != (want != "") || ok && idp.Name != want {
			t.Errorf("%q: %v %v", hint, idp, ok)
		}
	}
	h.changes = append(h.changes, func(t *snapshot.Tenant) { t.SignIn.IdPs = nil })
	if _, ok := h.HomeRealm(h.tenant(), "a@okta.example"); ok {
		t.Error("led to an IdP that is not offered")
	}
}

func TestThenIsAPath(t *testing.T) {
	h, b := sqlite(t), newBrowser()
	tenant := h.tenant()
	for _, then := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "/a b", "/\n", "evil"} {
		if _, err := h.Depart(t.Context(), tenant, h.idp(tenant, "okta"), signin.Ask{Then: then}, b.request(http.MethodGet, false)); err == nil {
			t.Errorf("%q was taken", then)
		}
	}
}
