package faults

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Every way to something for a person or a client, in one world.
const everyGrant = `
apiVersion: chancery/v1
kind: Client
metadata: {name: claude}
spec:
  auth: {method: client_secret_post}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:jwt-dpop", "urn:ietf:params:oauth:grant-type:saml2-bearer", client_credentials]
  scopes: [notes:read, notes:write]
  resources: [notes]
---`

var everyGrantPolicy = strings.Replace(harness.SignInPolicy, "    grants:", "    clients: [{clients: [claude], resource: notes, scopes: [\"notes:read\"]}]\n    grants:", 1)

// attempt is something that somebody tries at a replica; it can be tried once.
type attempt struct {
	try func(on *harness.Process) harness.Answer
	// want is the code of the refusal after each end, or one of several where what ended first says it; "" where that does not
	// touch it. What a client is told of a person is less than what the log says.
	want map[string]string
}

// session is the attempt to get a code for somebody who is signed in, which can be tried again.
const session = "the session"

// pages are the attempts that commit no token.
func pages() []string { return []string{session, "a yes", "an answer of the IdP"} }

// What ends: of a person, of the clients, of the IdPs.
const (
	userDisabled   = "user disabled"
	clientDisabled = "clients disabled"
	idpDisabled    = "IdPs disabled"
	userRevoked    = "user revoked"
)

func ends(user, client, idp, revoked string) map[string]string {
	return map[string]string{userDisabled: user, clientDisabled: client, idpDisabled: idp, userRevoked: revoked}
}

// flat is a world with every grant, and what was given in it.
type flat struct {
	*house
	corp *company
	key  *harness.Signer
}

func newFlat(t *testing.T) *flat {
	t.Helper()
	f := &flat{corp: newCompany(t), key: harness.NewSigner(t, "k")}
	objects := harness.SignInIdP + f.corp.entry + everyGrant + harness.SignInHost + television + serve + throughCorp + everyGrantPolicy
	w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Objects: objects, Config: map[string]any{"log.level": "warn"}})
	f.house = &house{World: w, db: open(t, w), alice: harness.NewPerson(t, "alice"), secret: w.NewSecret("", "notes-server"), scope: "notes:read openid"}
	f.code(t)
	return f
}

func (f *flat) claude(grantType string, more url.Values) *harness.Call {
	form := url.Values{"grant_type": {grantType}, "client_id": {harness.ClientID}, "client_secret": {f.Secret}, "resource": {harness.Notes}}
	maps.Copy(form, more)
	return &harness.Call{Form: form, Header: http.Header{}}
}

// attempts makes one of each, by grant type, and what is no grant by another name.
func (f *flat) attempts(t *testing.T) map[string]attempt {
	t.Helper()
	call := func(c *harness.Call) func(*harness.Process) harness.Answer {
		return func(on *harness.Process) harness.Answer { return f.Send(on, c) }
	}
	const noClient = "client_authentication_failed"
	given := f.Send(f.Server(), f.code(t)).Granted(t)
	offline := f.Send(f.Server(), f.codeFor(t, f.scope+" offline_access")).Granted(t)
	device := begin(t, f.World)
	form := device.decision(t, f.World, f.alice)
	form.Fields.Set("decision", "allow")
	if page := f.alice.Send(form, nil); page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	const jwtBearer, jwtDPoP, samlBearer = harness.GrantType, "urn:ietf:params:oauth:grant-type:jwt-dpop", "urn:ietf:params:oauth:grant-type:saml2-bearer"
	bound := f.claude(jwtDPoP, url.Values{"assertion": {f.IdP.IDJAG(idptest.Alice, idptest.WithJKT(f.key.Thumbprint()))}})
	bound.Header.Set("DPoP", f.key.Proof(f.Issuer+"/token", nil))
	saml := f.corp.Bearer(atCorp(f.World), f.Issuer+"/token", f.Issuer)
	saml.Find("NameID").SetText("alice")
	agent := f.Send(f.Server(), f.claude(jwtBearer, url.Values{"assertion": {f.IdP.IDJAG(idptest.Alice)}})).Granted(t)
	all := map[string]attempt{
		"authorization_code": {call(f.code(t)), ends("session_ended", noClient, "sign_in_idp_disabled", "code_revoked")},
		"refresh_token":      {call(refreshing(given.Refresh)), ends("session_ended refresh_token_ended", noClient, "sign_in_idp_disabled refresh_token_ended", "refresh_token_ended")},
		"refresh_token, beyond the session": {
			call(refreshing(offline.Refresh)), ends("session_ended", noClient, "sign_in_idp_disabled", "refresh_token_ended"),
		},
		"urn:ietf:params:oauth:grant-type:device_code": {
			call(device.call()), ends("session_ended", noClient, "sign_in_idp_disabled", "device_revoked"),
		},
		jwtBearer: {
			call(f.claude(jwtBearer, url.Values{"assertion": {f.IdP.IDJAG(idptest.Alice)}})), ends("subject_disabled", noClient, "assertion_untrusted", ""),
		},
		jwtDPoP:              {call(bound), ends("subject_disabled", noClient, "assertion_untrusted", "")},
		samlBearer:           {call(f.claude(samlBearer, url.Values{"assertion": {saml.EncodedForToken()}})), ends("subject_disabled", noClient, "assertion_untrusted", "")},
		"client_credentials": {call(f.claude("client_credentials", nil)), ends("", noClient, "", "")},
	}
	// What is no grant: her session, a page that waits for her yes, an answer of the IdP on its way.
	silent, pending, arriving := harness.NewCodeRequest(f.scope), harness.NewCodeRequest(f.scope), harness.NewCodeRequest(f.scope)
	silent.Form.Set("prompt", "none")
	pending.Form.Set("prompt", "consent")
	arriving.Form.Set("login_hint", "alice@acme.com")
	asked, isAsked := f.alice.Open(pending.URL(f.Issuer)).Button("decision", "allow")
	if !isAsked {
		t.Fatal("she is not asked")
	}
	newcomer := harness.NewPerson(t, "alice")
	back := newcomer.Way(arriving.URL(f.Issuer), f.Issuer+"/federation/oidc/okta/callback").Outside.String()
	for name, v := range map[string]struct {
		visit
		want map[string]string
	}{
		session: {visit{f.alice, http.MethodGet, silent.URL(f.Issuer), nil}, ends("sign_in_required", "authorization_client_unknown", "sign_in_unserved", "sign_in_required")},
		"a yes": {
			visit{f.alice, http.MethodPost, asked.Action.String(), with(asked.Fields, "decision", "allow")},
			ends(anew, "authorization_client_unknown", "sign_in_unserved", anew),
		},
		"an answer of the IdP": {visit{newcomer, http.MethodGet, back, nil}, ends("subject_disabled", "authorization_client_unknown", "sign_in_idp_unknown", "")},
	} {
		all[name] = attempt{f.atBrowser(t, v.visit), v.want}
	}
	all["userinfo"] = attempt{func(on *harness.Process) harness.Answer {
		return bearing(t, on, "/userinfo", given.AccessToken)
	}, ends("access_token_invalid", "access_token_invalid", "access_token_invalid", "access_token_invalid")}
	for name, token := range map[string]string{"of a sign-in": given.AccessToken, "of an agent": agent.AccessToken} {
		all["introspection, "+name] = attempt{func(on *harness.Process) harness.Answer {
			a := f.Send(on, introspection(f.secret, token))
			if a.Body == inactiveBody {
				a.Description = "inactive"
			}
			return a
		}, ends("inactive", "inactive", "inactive", "inactive")}
	}
	return all
}

// anew is what stands for a code where the person has to choose an IdP and sign in again.
const anew = "anew"

// atBrowser tries something at a browser, of which a code, or the question for a yes, is what was wanted.
func (f *flat) atBrowser(t *testing.T, v visit) func(on *harness.Process) harness.Answer {
	t.Helper()
	by := map[*harness.Process]*harness.Person{}
	for _, p := range f.Replicas {
		by[p] = v.who.Fork(p, harness.HostRedirect)
	}
	return func(on *harness.Process) harness.Answer {
		page, err := by[on].Visit(t.Context(), v.method, v.target, v.fields)
		switch {
		case err != nil:
			t.Fatal(err)
		case page.Outside != nil && page.Outside.Query().Get("code") != "", asksConsent(page):
			return harness.Answer{Status: http.StatusOK}
		case page.Outside != nil:
			return harness.Answer{Description: page.Outside.Query().Get("error_description")}
		}
		if _, chooses := page.Button("idp", "okta"); chooses {
			return harness.Answer{Description: anew}
		}
		for _, code := range []string{"authorization_client_unknown", "sign_in_unserved", "subject_disabled", "sign_in_idp_unknown"} {
			if page.Says("<code>" + code + "</code>") {
				return harness.Answer{Status: page.Status, Description: code}
			}
		}
		t.Errorf("%d %s", page.Status, page.Body)
		return harness.Answer{}
	}
}

func with(fields url.Values, name, value string) url.Values {
	all := maps.Clone(fields)
	all.Set(name, value)
	return all
}

// bearing asks with an access token.
func bearing(t *testing.T, on *harness.Process, path, token string) harness.Answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, on.Base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := harness.Do(http.DefaultClient, r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (f *flat) end(t *testing.T, what string, on *harness.Process) {
	t.Helper()
	off := func(yaml string) string { return strings.ReplaceAll(yaml, "\nspec:", "\nspec:\n  disabled: true") }
	switch what {
	case userDisabled:
		f.Apply(on, strings.Replace(throughCorp, "status: active", "status: disabled", 1))
	case clientDisabled:
		f.Apply(on, off(everyGrant+harness.SignInHost+television))
	case idpDisabled:
		f.Apply(on, off(harness.SignInIdP+f.corp.entry))
	case userRevoked:
		if _, err := on.Admin.Revoke(t.Context(), "user", "alice", "a test", false); err != nil {
			t.Fatal(err)
		}
	}
}
