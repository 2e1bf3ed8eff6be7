package authorization_test

import (
	"errors"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
)

// narrow requires that what was accepted is inside every list of its client and its tenant.
func narrow(t *testing.T, a *asked, r authorization.Request) {
	t.Helper()
	if a.client.Disabled || !slices.Contains(a.client.GrantTypes, authorization.GrantType) || r.Challenge() == "" {
		t.Errorf("accepted: %+v", a)
	}
	var allowed []string
	for _, x := range r.Resources() {
		if own, ok := a.tenant.ResourceByName(x.Name); !ok || own != x || x.Disabled || !slices.Contains(a.client.Resources, x.Name) {
			t.Errorf("resource %s is out of reach of %v", x.Name, a.client.Resources)
		}
		allowed = append(allowed, oauth.Intersect(x.ScopeNames, x.Expand(a.client.Scopes))...)
	}
	if len(r.Resources()) == 0 || len(r.Scopes()) == 0 {
		t.Error("a request for nothing")
	}
	for _, s := range r.Scopes() {
		if !slices.Contains(allowed, s) {
			t.Errorf("scope %s is not among %v", s, allowed)
		}
	}
	for _, s := range r.Identity() {
		if s != authorization.ScopeOpenID && !slices.Contains(a.client.Scopes, s) {
			t.Errorf("identity scope %s is not the client's", s)
		}
	}
	if r.Offline() && !slices.Contains(a.client.GrantTypes, "refresh_token") {
		t.Error("offline for a client that may not refresh")
	}
	to := r.Return().RedirectURI()
	if !slices.Contains(a.redirects, to) && !slices.ContainsFunc(a.redirects, func(own string) bool { return portless(own) == portless(to) && portless(to) != "" }) {
		t.Errorf("%s is none of %v", to, a.redirects)
	}
}

// portless is a loopback URI without its port, by the standard library's parser; "" for all others.
func portless(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return ""
	}
	u.Host = u.Hostname()
	return u.String()
}

// Nothing that is accepted is wider than the lists of client and tenant, and parsed again it is the same.
func TestNothingIsWidened(t *testing.T) {
	tenant := picture(t)
	random := rand.New(rand.NewPCG(1, 2))
	some := func(of ...string) []string {
		return slices.DeleteFunc(slices.Clone(of), func(string) bool { return random.IntN(2) == 0 })
	}
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	scopes := []string{"notes:read", "notes:write", "notes:admin", "wiki:read", "email", "profile", "openid", "offline_access", "old:read", "payroll:read"}
	accepted := 0
	for range 20_000 {
		a := valid(tenant)
		a.client.Scopes, a.client.Resources = some(scopes...), some("notes", "wiki", "old", "payroll")
		a.client.GrantTypes = some("authorization_code", "authorization_code", "refresh_token", "client_credentials")
		a.redirects = some(a.redirects...)
		a.form["scope"] = []string{strings.Join(some(scopes...), " ")}
		a.form["resource"] = some(notesURI, wikiURI, "https://mcp.acme.com/old", "https://mcp.acme.com/payroll")
		a.form.Set("redirect_uri", one("", redirect, "http://127.0.0.1:81/cb", "http://localhost:81/cb", "http://[::1]:81/cb", "https://evil.example", "com.example.app:/cb"))
		r, err := a.parse(t)
		if err != nil {
			continue
		}
		accepted++
		narrow(t, a, r)
		again(t, a, r)
	}
	if accepted < 500 {
		t.Errorf("only %d of 20000 were accepted: what was tested?", accepted)
	}
}

// again parses a request that rested.
func again(t *testing.T, a *asked, r authorization.Request) {
	t.Helper()
	form, err := oauth.ParseForm([]byte(r.Parameters()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := authorization.Parse(authorization.Ask{
		Form: form, Via: authorization.Pushed, Party: authorization.Party{Client: &a.client, RedirectURIs: a.redirects}, Tenant: a.tenant, Now: a.now,
	})
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("parsed again: %+v, %v\nwas %+v", got, err, r)
	}
}

func FuzzParse(f *testing.F) {
	tenant := picture(f)
	f.Add([]byte(valid(tenant).form.Encode()))
	f.Add([]byte("client_id=app&redirect_uri=http://127.0.0.1:1/cb&response_type=code&code_challenge=" + challenge + "&code_challenge_method=S256&resource=" + notesURI))
	f.Add([]byte("client_id=app&redirect_uri=https:evil"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		form, err := oauth.ParseForm(raw)
		if err != nil {
			return
		}
		a := valid(tenant)
		r, err := authorization.Parse(authorization.Ask{
			Form: form, Via: authorization.Browser, Party: authorization.Party{Client: &a.client, RedirectURIs: a.redirects}, Tenant: tenant, Now: now,
		})
		if err == nil {
			narrow(t, a, r)
			again(t, a, r)
			wellFormed(t, r.Return().Granted(secret.New("cod_x")))
			return
		}
		back, ok := errors.AsType[*authorization.Returned](err)
		if !ok {
			if _, ok := errors.AsType[*authorization.Shown](err); !ok {
				t.Fatalf("a refusal of no kind: %v", err)
			}
			return
		}
		wellFormed(t, back.Return.Refused(err, "trc_1"))
	})
}

func wellFormed(t *testing.T, a authorization.Answer) {
	t.Helper()
	if a.Mode() == authorization.FormPost {
		return
	}
	u, err := url.Parse(a.Location())
	if err != nil || u.Fragment != "" || !strings.HasPrefix(a.Location(), a.Action()) || len(u.Query()["iss"]) != 1 {
		t.Fatalf("%s: %v", a.Location(), err)
	}
}

func BenchmarkParse(b *testing.B) {
	a := valid(picture(b))
	form, err := oauth.ParseForm([]byte(a.form.Encode()))
	if err != nil {
		b.Fatal(err)
	}
	ask := authorization.Ask{
		Form: form, Via: authorization.Browser, Party: authorization.Party{Client: &a.client, RedirectURIs: a.redirects}, Tenant: a.tenant, Now: now,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := authorization.Parse(ask); err != nil {
			b.Fatal(err)
		}
	}
}
