package sdk

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// TestClientScenarios: MCP's conformance suite has scenarios for clients, with an authorization server of its own. Each has
// its counterpart here, by its name, with the SDKs' clients against ours. Those of identities, of refreshing and of
// extending are in TestPeopleConnectClients.
func TestClientScenarios(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := newTown(t, e)
		for language, start := range sdks() {
			t.Run(language, func(t *testing.T) {
				a := start(t)
				w.discovers(t, a, language)
				w.asksForScopes(t, a, language)
				w.refusesOthers(t, a, language)
				w.hearsRefusals(t, a)
				t.Run("authorization-server-migration", func(t *testing.T) { w.migrates(t, a, language) })
				t.Run("an initial access token", func(t *testing.T) { w.isLetIn(t, a) })
			})
		}
	})
}

// The three places of an authorization server's metadata (RFC 8414 §3.1, §5, OpenID Connect Discovery §4), for an issuer
// with a path and without; all but one are hidden.
const (
	oauthServer = "/.well-known/oauth-authorization-server"
	openID      = "/.well-known/openid-configuration"
)

func (w *town) discovers(t *testing.T, a agent, language string) {
	t.Helper()
	atRoot := placing{path: "/.well-known/oauth-protected-resource", untold: true}
	if language == "Go" { // takes the metadata at the root for that of a server at the root
		atRoot.path = ""
	}
	path := "/t/acme"
	for name, c := range map[string]struct {
		at    place
		place placing
		hide  []string
	}{
		"metadata-default": {w.root, placing{}, []string{openID}},
		"metadata-var1":    {w.root, placing{untold: true}, []string{oauthServer}},
		"metadata-var2":    {w.acme, atRoot, []string{openID + path, path + openID}},
		"metadata-var3":    {w.acme, placing{path: "/custom/metadata/location.json"}, []string{oauthServer + path, openID + path}},
		"path inserted into openid-configuration": {w.acme, placing{}, []string{oauthServer + path, path + openID}},
	} {
		t.Run(name, func(t *testing.T) {
			w.notebook.trust(t, c.at.issuer)
			w.notebook.put(c.place)
			got := connectedTo(t, a, w.notebook, task{"client_metadata_url": documentURL, "hide": c.hide})
			if got.Seen.Issuer != c.at.issuer {
				t.Errorf("%+v", got)
			}
		})
	}
}

func (w *town) asksForScopes(t *testing.T, a agent, language string) {
	t.Helper()
	plain := task{"client_metadata_url": documentURL, "offline": false}
	for name, c := range map[string]struct {
		place        placing
		as           task
		asked, given []string
	}{
		"scope-from-www-authenticate": {placing{}, plain, []string{"notes:read"}, []string{"notes:read"}},
		"scope-from-scopes-supported": {
			placing{scopes: []string{"notes:read", "notes:write"}}, plain, []string{"notes:read", "notes:write"}, []string{"notes:read", "notes:write"},
		},
		"scope-omitted-when-undefined": {placing{unscoped: true}, plain, []string{}, []string{"notes:read"}},
		"offline-access-scope": {
			placing{}, task{"client_metadata_url": documentURL}, []string{"notes:read", "offline_access"}, []string{"notes:read"},
		},
		// Ours has offline_access wherever people sign in. Who does not ask for it is refreshed while the session lives.
		"offline-access-not-supported": {placing{}, plain, []string{"notes:read"}, []string{"notes:read"}},
	} {
		t.Run(name, func(t *testing.T) {
			w.notebook.trust(t, w.root.issuer)
			w.notebook.put(c.place)
			got := connectedTo(t, a, w.notebook, c.as)
			asked, given := c.asked, c.given
			if len(asked) == 0 && language == "Python" { // asks for all that the authorization server has
				asked = []string{"email", "notes:read", "notes:write", "offline_access", "openid", "profile"}
				given = []string{"notes:read", "notes:write", "openid"}
			}
			if scopes := scopesOf(got.asked[0]); !slices.Equal(scopes, asked) || !slices.Equal(got.Seen.Scopes, given) || !got.Refresh {
				t.Errorf("asked %v, want %v; %+v", scopes, asked, got)
			}
		})
	}
	t.Run("a resource never speaks of offline_access", func(t *testing.T) {
		w.notebook.trust(t, w.root.issuer)
		for _, document := range []string{w.root.issuer + "/.well-known/oauth-protected-resource/notes", strings.TrimSuffix(w.notebook.uri, "/mcp") + "/.well-known/oauth-protected-resource/mcp"} {
			if _, body, _ := fetched(t, document); !strings.Contains(body, "notes:write") || strings.Contains(body, "offline_access") {
				t.Error(body)
			}
		}
	})
}

// refusesOthers: what does not belong together is refused by the client, before or after the person, and nobody gets a token.
func (w *town) refusesOthers(t *testing.T, a agent, language string) {
	t.Helper()
	elsewhere := strings.Replace(w.Issuer, "127.0.0.1", "localhost", 1)
	ofIssuers := regexp.MustCompile(`(?i)\b(iss|issuer|IssuerMismatchError)\b`)
	set := func(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }
	for name, c := range map[string]struct {
		place  placing
		change func(url.Values)
		asked  int
	}{
		"resource-mismatch":        {placing{members: map[string]any{"resource": "https://other.example/mcp"}}, nil, 0},
		"metadata-issuer-mismatch": {placing{members: map[string]any{"authorization_servers": []string{elsewhere}}}, nil, 0},
		"iss-supported-missing":    {placing{}, func(q url.Values) { q.Del("iss") }, 1},
		"iss-wrong-issuer":         {placing{}, set("iss", w.acme.issuer), 1},
		"iss-normalized":           {placing{}, set("iss", w.root.issuer+"/"), 1},
		"iss-unexpected":           {placing{}, set("iss", "https://evil.example"), 1},
		"another state":            {placing{}, set("state", "other"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			w.notebook.trust(t, w.root.issuer)
			w.notebook.put(c.place)
			got := a.do(t, connectTo(w.notebook.uri, task{"client_metadata_url": documentURL}).changingBack(c.change))
			if language == "Go" {
				c.asked *= 2 // it asks what the server is before it begins
			}
			if got.Error == "" || len(got.asked) != c.asked {
				t.Errorf("%d authorization requests, want %d: %+v", len(got.asked), c.asked, got)
			}
			if strings.Contains(name, "iss") && !ofIssuers.MatchString(got.Error) {
				t.Errorf("refused for another reason: %s", got.Error)
			}
		})
	}
}

// hearsRefusals: an error comes back to the client that asked, from whom it expects it.
func (w *town) hearsRefusals(t *testing.T, a agent) {
	t.Helper()
	w.notebook.trust(t, w.root.issuer)
	t.Run("iss-supported on an error", func(t *testing.T) {
		var iss string
		got := a.do(t, connectTo(w.notebook.uri, task{"client_metadata_url": documentURL, "person": "eve"}).changingBack(func(q url.Values) { iss = q.Get("iss") }))
		got.failed(t, "access_denied")
		if iss != w.root.issuer {
			t.Errorf("iss is %q", iss)
		}
	})
	t.Run("a wrong secret", func(t *testing.T) {
		got := a.do(t, connectTo(w.notebook.uri, task{"client_id": "with-basic", "client_secret": "wrong", "auth_method": "client_secret_basic", "issuer": w.root.issuer}))
		if got.Error == "" || got.Seen.Subject != "" {
			t.Errorf("%+v", got)
		}
	})
}

// migrates: the server trusts another issuer now. The client registers there, and what it was given by the first is worth nothing.
func (w *town) migrates(t *testing.T, a agent, language string) {
	t.Helper()
	w.notebook.trust(t, w.root.issuer)
	as := task{"auth_method": "none"}
	first := connectedTo(t, a, w.notebook, as)
	w.notebook.trust(t, w.acme.issuer)
	move := connectTo(w.notebook.uri, as.with(task{"again": true}))
	if language == "Go" { // asks for the metadata anew whenever it is refused
		move = call("whoami")
	}
	moved := a.do(t, move)
	asked := moved.once(t)
	if moved.Seen.Issuer != w.acme.issuer || moved.Seen.ClientID == first.Seen.ClientID || asked.Get("client_id") != moved.Seen.ClientID {
		t.Errorf("%+v, then %+v", first, moved)
	}
	asked.Set("client_id", first.Seen.ClientID)
	status, _, header := fetched(t, w.acme.issuer+"/authorize?"+asked.Encode())
	if status/100 != 4 || header.Get("Location") != "" {
		t.Errorf("the first one's client at the second: %d %s", status, header)
	}
}

const tenantOfTokens = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: %s}
spec: {registration: {cimd: {mode: "off"}, dcr: initial_access_token, dcr_limits: {resources: [notes], scopes: ["notes:read", "notes:write"]}}}
---`

// isLetIn: whoever has an initial access token may register, and only so often.
func (w *town) isLetIn(t *testing.T, a agent) {
	t.Helper()
	w.Apply(w.Server(), strings.Replace(tenantOfTokens, "%s", "acme", 1))
	defer w.Apply(w.Server(), strings.ReplaceAll(tenantOfDocuments, "{{tenant}}", "acme"))
	w.notebook.trust(t, w.acme.issuer)
	made, err := w.Server().Admin.Tenant("acme").AddRegistrationToken(t.Context(), 1, time.Hour, "e2e")
	if err != nil {
		t.Fatal(err)
	}
	as := task{"auth_method": "none", "client_metadata_url": nil}
	a.do(t, connectTo(w.notebook.uri, as)).failed(t, "")
	with := as.with(task{"initial_access_token": made.Text.Reveal()})
	connectedTo(t, a, w.notebook, with)
	a.do(t, connectTo(w.notebook.uri, with)).failed(t, "")
}

// TestMetadataForms: every form of the metadata is the same document, whatever the issuer.
func TestMetadataForms(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := newTown(t, e)
		for issuer, forms := range map[string][]string{
			w.root.issuer: {oauthServer, openID},
			w.acme.issuer: {oauthServer + "/t/acme", openID + "/t/acme", "/t/acme" + openID},
		} {
			for _, form := range forms {
				status, body, header := fetched(t, w.Issuer+form)
				var members map[string]any
				if err := json.Unmarshal([]byte(body), &members); err != nil || status != http.StatusOK {
					t.Fatal(form, status, body)
				}
				for name, want := range map[string]any{
					"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "registration_endpoint": issuer + "/register",
					"client_id_metadata_document_supported": true, "authorization_response_iss_parameter_supported": true,
				} {
					if members[name] != want {
						t.Errorf("%s: %s is %v", form, name, members[name])
					}
				}
				if header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(body, `"code_challenge_methods_supported":["S256"]`) || !strings.Contains(body, `"offline_access"`) {
					t.Errorf("%s: %s %v", form, body, header)
				}
			}
		}
	})
}

// fetched gets a document, and follows nothing.
func fetched(t *testing.T, from string) (status int, body string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, from, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read), response.Header
}
