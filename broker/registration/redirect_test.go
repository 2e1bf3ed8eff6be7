package registration_test

import (
	"fmt"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// What clients that people use register, as they register it. docs/guides/clients says where each is from.
var inTheField = map[string][]any{
	"Claude":                      {"https://claude.ai/api/mcp/auth_callback"},
	"Claude, its other name":      {"https://claude.com/api/mcp/auth_callback"},
	"Claude Code":                 {"http://localhost:3118/callback"},
	"VS Code":                     {"https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"},
	"Cursor":                      {"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"},
	"MCP Inspector":               {"http://localhost:6274/oauth/callback"},
	"MCP Inspector, its debugger": {"http://localhost:6274/oauth/callback/debug"},
}

// TestClientsInTheField registers each as it comes.
func TestClientsInTheField(t *testing.T) {
	for name, uris := range inTheField {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.tenant.Registration.Dynamic.Hosts = append(o.tenant.Registration.Dynamic.Hosts, "claude.com")
			m := with(said(), "redirect_uris", uris)
			if name == "Cursor" {
				m = with(m, "application_type", "web") // as it says
			}
			if name == "VS Code" {
				m = with(m, "grant_types", []any{"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"})
			}
			made := o.come(t, m)
			if fmt.Sprint(made["redirect_uris"]) != fmt.Sprint(uris) {
				t.Errorf("%v", made["redirect_uris"])
			}
			want := cimd.ApplicationNative
			if len(uris) == 1 && cimd.IsWebRedirect(fmt.Sprint(uris[0])) {
				want = cimd.ApplicationWeb
			}
			if made["application_type"] != want {
				t.Errorf("application_type %v, want %s", made["application_type"], want)
			}
		})
	}
}

// TestRedirectURIs: what a browser, a person or another reader takes for another place is nobody's redirect URI (T33).
func TestRedirectURIs(t *testing.T) {
	const malformed, unlisted = oauth.CodeRegistrationRedirectURI, oauth.CodeRegistrationRedirectHost
	for uri, code := range map[string]oauth.Code{
		"https://claude.ai/cb":                             "",
		"https://claude.ai:8443/cb?a=b":                    "",
		"http://127.0.0.1:1/":                              "",
		"http://[::1]:8080/cb":                             "",
		"http://localhost":                                 "",
		"https://evil.example/cb":                          unlisted,
		"https://claude.ai.evil.example/":                  unlisted,
		"https://sub.claude.ai/":                           unlisted,
		"https://xclaude.ai/":                              unlisted,
		"com.example.app:/cb":                              unlisted,
		"https://claude.ai@evil.example/":                  malformed,
		"https://evil.example\\@claude.ai/":                malformed,
		"https://claude.ai\\.evil.example/":                malformed,
		"https://claude.ai/it's":                           malformed, // no page can go on there
		"https://claude.ai/cb?code=1":                      malformed,
		"https://claude.ai/#":                              malformed,
		"https://claude.ai/cb#x":                           malformed,
		"https://*.claude.ai/":                             malformed,
		"https://claude.ai/../cb":                          malformed,
		"https://claude.ai/%2e%2e/cb":                      malformed,
		"https://claude.ai/%2E./cb":                        malformed,
		"https://claude.ai/..;/cb":                         malformed,
		"https://CLAUDE.ai/cb":                             malformed,
		"HTTPS://claude.ai/cb":                             malformed,
		"https:claude.ai/cb":                               malformed,
		"https:/claude.ai/cb":                              malformed,
		"https:///claude.ai/cb":                            malformed,
		"//claude.ai/cb":                                   malformed,
		"/cb":                                              malformed,
		"":                                                 malformed,
		" https://claude.ai/cb":                            malformed,
		"https://claude.ai/cb\n":                           malformed,
		"https://claude.ai/c\tb":                           malformed,
		"https://claude.ai:0/":                             malformed,
		"https://claude.ai:99999/":                         malformed,
		"https://claude.ai:0443/":                          malformed,
		"https://claude。ai/":                               malformed,
		"https://192.0.2.7/cb":                             malformed,
		"https://3221225991/cb":                            malformed,
		"https://0x7f.1/cb":                                malformed,
		"https://localhost/cb":                             malformed,
		"http://claude.ai/cb":                              malformed,
		"http://127.0.0.2/cb":                              malformed,
		"http://localhost.evil.example/":                   malformed,
		"http://127.0.0.1.evil.example/":                   malformed,
		"http://localhost:80@evil.example/":                malformed,
		"javascript:alert(1)":                              malformed,
		"data:text/html,x":                                 malformed,
		"file:///etc/passwd":                               malformed,
		"blob:https://claude.ai/x":                         malformed,
		"about:blank":                                      malformed,
		"cursor://anysphere.cursor-mcp/oauth/callback/":    malformed,
		"cursor://anysphere.cursor-mcp/oauth/callback?x=y": malformed,
		"cursor://evil.extension/oauth/callback":           malformed,
		"vscode://evil.extension/callback":                 malformed,
		"https://claude.ai/{}":                             malformed,
	} {
		o := newOffice(t)
		_, err := o.Register(t.Context(), o.request(t, with(said(), "redirect_uris", []any{uri})))
		switch {
		case code == "" && err != nil:
			t.Errorf("%q: %v", uri, err)
		case code != "":
			if err == nil || oauth.AsError(err).Code != code {
				t.Errorf("%q: %v, want %s", uri, err, code)
			}
		}
	}
	// One that is wrong refuses all: a client that comes back as less than it is would fail later, and elsewhere.
	o := newOffice(t)
	_, err := o.Register(t.Context(), o.request(t, with(said(), "redirect_uris", []any{"http://localhost/", "https://evil.example/"})))
	wantCode(t, err, unlisted)
	_, err = o.Register(t.Context(), o.request(t, with(said(), "post_logout_redirect_uris", []any{"https://evil.example/"})))
	wantCode(t, err, unlisted)
}
