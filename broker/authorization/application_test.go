package authorization_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// What programs that people use register and ask for: the port of loopback may differ, and nothing else.
func TestProgramsInTheField(t *testing.T) {
	tenant := picture(t)
	const cursor = "cursor://anysphere.cursor-mcp/oauth/callback"
	for name, c := range map[string]struct {
		registered []string
		asked      string
		code       oauth.Code
	}{
		"Claude":                           {[]string{"https://claude.ai/api/mcp/auth_callback"}, "https://claude.ai/api/mcp/auth_callback", ""},
		"Claude Code, any port":            {[]string{"http://localhost/callback"}, "http://localhost:3118/callback", ""},
		"VS Code, another port":            {[]string{"http://127.0.0.1/", "http://127.0.0.1:33418/"}, "http://127.0.0.1:59656/", ""},
		"VS Code, no slash":                {[]string{"http://127.0.0.1/"}, "http://127.0.0.1:59656", oauth.CodeRedirectURIUnregistered},
		"VS Code, the other name":          {[]string{"http://127.0.0.1/"}, "http://localhost:59656/", oauth.CodeRedirectURIUnregistered},
		"Cursor":                           {[]string{cursor}, cursor, ""},
		"Cursor, longer":                   {[]string{cursor}, cursor + "/x", oauth.CodeRedirectURIMalformed},
		"Cursor, another extension":        {[]string{"cursor://evil.extension/oauth/callback"}, "cursor://evil.extension/oauth/callback", oauth.CodeRedirectURIMalformed},
		"MCP Inspector":                    {[]string{"http://localhost:6274/oauth/callback"}, "http://localhost:6274/oauth/callback", ""},
		"MCP Inspector, the debugger's":    {[]string{"http://localhost:6274/oauth/callback"}, "http://localhost:6274/oauth/callback/debug", oauth.CodeRedirectURIUnregistered},
		"MCP Inspector, another free port": {[]string{"http://localhost:6274/oauth/callback"}, "http://localhost:6275/oauth/callback", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := valid(tenant)
			a.redirects = c.registered
			param("redirect_uri", c.asked)(a)
			r, err := a.parse(t)
			if c.code != "" {
				shown(t, err, c.code)
				return
			}
			if err != nil || r.Return().RedirectURI() != c.asked {
				t.Errorf("%v, %v", r.Return(), err)
			}
		})
	}
}
