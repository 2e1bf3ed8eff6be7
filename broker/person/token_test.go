package person_test

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const (
	issuer = "https://auth.acme.com"
	door   = "https://admin.acme.com"
)

const objects = `apiVersion: chancery/v1
kind: IdentityProvider
metadata: {name: okta}
spec: {preset: generic, issuer: "https://acme.okta.com", claims: {groups: groups, groups_from: [claim, directory], group_aliases: {"00g1": platform}}}
---
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: active, groups: [staff], identities: [{idp: okta, sub: 00u1alice}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: robot}
spec: {status: active, attributes: {kind: service}, identities: [{idp: okta, sub: 00u2robot}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: gone}
spec: {status: disabled, identities: [{idp: okta, sub: 00u3gone}]}
---
apiVersion: chancery/v1
kind: User
metadata: {name: stray}
spec: {status: active}
---
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: auditors}
spec: {role: auditor, users: [alice]}
---
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: owners}
spec: {role: owner, groups: [platform], tenants: all}
---
apiVersion: chancery/v1
kind: RoleBinding
metadata: {name: viewers}
spec: {role: viewer, groups: [staff]}
---
apiVersion: chancery/v1
kind: Tenant
metadata: {name: acme}
spec: {}
`

// house is a door whose tokens are verified elsewhere.
type house struct {
	person.Door
	t        *testing.T
	shelf    *snapshottest.Shelf
	source   *snapshot.Source
	uids     map[string]string
	idp      string
	asked    introspect.Bearer
	at       introspect.Place
	admitted error
	grant    string
	unknown  error
	profile  session.Profile
	profiles error
}

func (h *house) Admit(_ context.Context, r introspect.Bearer, at introspect.Place) (introspect.Admission, error) {
	h.asked, h.at = r, at
	return introspect.Admission{}, h.admitted
}

func (h *house) Find(context.Context, tenant.UID, string) (lifecycle.Issued, error) {
	return lifecycle.Issued{IssuedToken: ledger.IssuedToken{GrantType: h.grant}}, h.unknown
}

func (h *house) Profile(context.Context, *snapshot.Tenant, string, string) (session.Profile, bool, error) {
	return h.profile, h.profile.GroupsState != "", h.profiles
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, uids: map[string]string{}, grant: oauth.GrantTypeDeviceCode}
	h.shelf, h.source = snapshottest.New(t, issuer, func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }, objects)
	picture := h.picture()
	for _, kind := range []object.Kind{object.KindUser, object.KindIdentityProvider} {
		found, err := h.shelf.List(t.Context(), picture.UID, kind, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range found {
			h.uids[s.Name] = s.UID
		}
	}
	h.idp = h.uids["okta"]
	h.Door = person.Door{
		People: person.People{Directories: h.source.Users(), Profiles: h, Bindings: h.shelf}, Tokens: h, Records: h, Pictures: h.source, PublicURL: issuer, Audience: door,
	}
	if err := h.Validate(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) picture() *snapshot.Tenant {
	h.t.Helper()
	picture, err := h.source.Get(h.t.Context(), "default")
	if err != nil {
		h.t.Fatal(err)
	}
	return picture
}

func (h *house) who(name string) (person.Person, error) {
	return h.People.Find(h.t.Context(), h.picture(), h.uids[name], h.idp)
}

func TestRolesAreThoseOfNow(t *testing.T) {
	h := newHouse(t)
	alice, err := h.who("alice")
	if err != nil {
		t.Fatal(err)
	}
	if !alice.In("staff") || alice.In("platform") || alice.In("") {
		t.Fatalf("groups %v", alice.Groups)
	}
	if got := alice.Roles("default"); len(got) != 2 { // by her name, and by the directory's group
		t.Fatalf("roles %v", got)
	}
	if got := alice.Roles("acme"); len(got) != 0 {
		t.Fatalf("roles elsewhere %v", got)
	}
	// What the IdP says comes first, its aliases applied, and what it could not list is none.
	h.profile = session.Profile{Groups: []string{"00g1"}, GroupsState: "complete"}
	alice, err = h.who("alice")
	if err != nil || !alice.In("platform") || alice.In("staff") || alice.In("00g1") {
		t.Fatalf("%v %v", alice.Groups, err)
	}
	if got := alice.Roles("acme"); len(got) != 1 || got[0] != "owner" {
		t.Fatalf("roles elsewhere %v", got)
	}
	if got := alice.Roles(""); len(got) != 1 {
		t.Fatalf("roles of the whole %v", got)
	}
	h.profile.GroupsState = "overage"
	if alice, err = h.who("alice"); err != nil || len(alice.Groups) != 0 || len(alice.Roles("default")) != 1 {
		t.Fatalf("%v %v %v", alice.Groups, alice.Roles("default"), err)
	}
	h.profiles = errors.New("away")
	if _, err := h.who("alice"); !errors.Is(err, h.profiles) {
		t.Fatalf("what is not known is taken for none: %v", err)
	}
}

func TestNobody(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"robot", "gone", "stray", "nowhere"} {
		if p, err := h.who(name); !errors.Is(err, person.ErrNobody) {
			t.Errorf("%s: %+v %v", name, p, err)
		}
	}
	h.idp = "idp_other"
	if _, err := h.who("alice"); !errors.Is(err, person.ErrNobody) {
		t.Errorf("of an IdP that is not there: %v", err)
	}
}

func compact(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestTokensThatAreNoPersons(t *testing.T) {
	good := compact(`{"iss":"` + issuer + `"}`)
	for name, test := range map[string]struct {
		authorization []string
		change        func(*house)
		code          oauth.Code
	}{
		"nothing":             {nil, nil, oauth.CodeAccessTokenInvalid},
		"two headers":         {[]string{"Bearer " + good, "Bearer " + good}, nil, oauth.CodeAccessTokenInvalid},
		"no token":            {[]string{"Bearer x.y"}, nil, oauth.CodeAccessTokenInvalid},
		"no claims":           {[]string{"Bearer e30.e30.c2ln"}, nil, oauth.CodeAccessTokenInvalid},
		"another issuer":      {[]string{"Bearer " + compact(`{"iss":"https://evil.example"}`)}, nil, oauth.CodeAccessTokenInvalid},
		"a longer name of us": {[]string{"Bearer " + compact(`{"iss":"`+issuer+`.evil.example"}`)}, nil, oauth.CodeAccessTokenInvalid},
		"default by its name": {[]string{"Bearer " + compact(`{"iss":"`+issuer+`/t/default"}`)}, nil, oauth.CodeAccessTokenInvalid},
		"no tenant":           {[]string{"Bearer " + compact(`{"iss":"`+issuer+`/t/nowhere"}`)}, nil, oauth.CodeAccessTokenInvalid},
		"no name":             {[]string{"Bearer " + compact(`{"iss":"`+issuer+`/t/../x"}`)}, nil, oauth.CodeAccessTokenInvalid},
		"refused":             {[]string{"Bearer " + good}, func(h *house) { h.admitted = oauth.Refuse(oauth.CodeDPoPProofRequired, "", "") }, oauth.CodeDPoPProofRequired},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			if test.change != nil {
				test.change(h)
			}
			_, err := h.Enter(t.Context(), person.Request{Authorization: test.authorization, Path: "/admin/v1/clients"})
			if refusal := oauth.AsError(err); refusal.Code != test.code {
				t.Fatalf("%v, not %s", err, test.code)
			}
		})
	}
	h := newHouse(t)
	h.admitted = oauth.Refuse(oauth.CodeAccessTokenInvalid, "", "")
	if _, err := h.Enter(t.Context(), person.Request{Authorization: []string{"Bearer " + compact(`{"iss":"`+issuer+`/t/acme"}`)}, Path: "/admin/v1/clients"}); err == nil {
		t.Fatal("admitted")
	}
	if h.asked.Tenant == nil || h.asked.Tenant.Name != "acme" || h.at.Audience != door || h.at.URL != door+"/admin/v1/clients" {
		t.Fatalf("%+v %+v", h.asked.Tenant, h.at)
	}
}

func TestADoorWithoutAPartOpensToNobody(t *testing.T) {
	for name, change := range map[string]func(*person.Door){
		"tokens": func(d *person.Door) { d.Tokens = nil }, "records": func(d *person.Door) { d.Records = nil }, "pictures": func(d *person.Door) { d.Pictures = nil },
		"audience": func(d *person.Door) { d.Audience = "" }, "issuer": func(d *person.Door) { d.PublicURL = "" }, "people": func(d *person.Door) { d.People.Bindings = nil },
	} {
		d := newHouse(t).Door
		change(&d)
		if d.Validate() == nil {
			t.Errorf("without %s", name)
		}
	}
}
