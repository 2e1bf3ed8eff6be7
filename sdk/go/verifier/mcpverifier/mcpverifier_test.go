package mcpverifier_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/mcpverifier"
)

const resource = "https://notes.acme.com/mcp"

// issuer publishes a key and signs with it.
func issuer(t *testing.T) (url string, token func(scope string) string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jwks" {
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]any{
				"kty": "EC", "crv": "P-256", "kid": "k1", "x": encode(point[1:33]), "y": encode(point[33:]),
			}}})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": server.URL, "jwks_uri": server.URL + "/jwks"})
	}))
	t.Cleanup(server.Close)
	return server.URL, func(scope string) string {
		claims, err := json.Marshal(map[string]any{
			"iss": server.URL, "sub": "usr_1", "aud": resource, "client_id": "cli_1", "jti": "tok_1",
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "scope": scope,
		})
		if err != nil {
			t.Fatal(err)
		}
		input := encode([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"k1"}`)) + "." + encode(claims)
		digest := sha256.Sum256([]byte(input))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return input + "." + encode(signature)
	}
}

// notes is an MCP server with three tools behind a guard.
func notes(t *testing.T, guard func(*verifier.Verifier, mcpverifier.ToolRequirements) func(http.Handler) http.Handler, enforce bool) (call func(authorization, body string) *httptest.ResponseRecorder, token func(string) string) {
	t.Helper()
	url, token := issuer(t)
	v, err := verifier.New(url, resource, verifier.WithScopes("notes:read"))
	if err != nil {
		t.Fatal(err)
	}
	type nothing struct{}
	tools := mcpverifier.ToolRequirements{"list": nil, "add": {verifier.RequireScopes("notes:write")}}
	server := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	for _, name := range []string{"list", "add", "closed"} {
		mcp.AddTool(server, &mcp.Tool{Name: name}, func(_ context.Context, r *mcp.CallToolRequest, _ nothing) (*mcp.CallToolResult, map[string]string, error) {
			token, ok := mcpverifier.Token(r)
			if !ok || strings.Contains(r.Extra.Header.Get("Authorization"), ".") {
				t.Error("no token, or the token itself went to the tool")
				return nil, nil, nil
			}
			return nil, map[string]string{"sub": token.Claims().Subject}, nil
		})
	}
	if enforce {
		server.AddReceivingMiddleware(mcpverifier.Tools(tools))
	}
	handler := guard(v, tools)(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true}))
	return func(authorization, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/mcp", strings.NewReader(body))
		r.Host = "127.0.0.1"
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		handler.ServeHTTP(w, r)
		return w
	}, token
}

func callOf(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

func ours(v *verifier.Verifier, tools mcpverifier.ToolRequirements) func(http.Handler) http.Handler {
	return mcpverifier.Require(v, tools)
}

// peekless leaves tools to the middleware of the SDK.
func peekless(v *verifier.Verifier, _ mcpverifier.ToolRequirements) func(http.Handler) http.Handler {
	return mcpverifier.Require(v, nil)
}

func TestRequire(t *testing.T) {
	call, token := notes(t, ours, true)
	for name, c := range map[string]struct {
		authorization, body string
		status              int
		challenge, contains string
	}{
		"list":              {"Bearer " + token("notes:read"), callOf("list"), 200, "", `"sub":"usr_1"`},
		"add":               {"Bearer " + token("notes:read notes:write"), callOf("add"), 200, "", `"sub":"usr_1"`},
		"without a token":   {"", callOf("list"), 401, `Bearer scope="notes:read", resource_metadata=`, "token_missing"},
		"a bad token":       {"Bearer x", callOf("list"), 401, `Bearer error="invalid_token"`, "token_malformed"},
		"add without scope": {"Bearer " + token("notes:read"), callOf("add"), 403, `Bearer error="insufficient_scope", error_description="scope_missing: notes:write", scope="notes:read notes:write"`, "scope_missing"},
		"closed":            {"Bearer " + token("notes:read notes:write"), callOf("closed"), 200, "", "not open to anybody"},
		"unknown":           {"Bearer " + token("notes:read notes:write"), callOf("other"), 200, "", "error"},
		"not JSON":          {"Bearer " + token("notes:read"), "{", 400, "", ""},
		"a list of tools":   {"Bearer " + token("notes:read"), `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, 200, "", "add"},
	} {
		t.Run(name, func(t *testing.T) {
			w := call(c.authorization, c.body)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != c.status || !strings.HasPrefix(challenge, c.challenge) || c.challenge == "" && challenge != "" || !strings.Contains(w.Body.String(), c.contains) {
				t.Errorf("%d %s %s", w.Code, challenge, w.Body)
			}
		})
	}
}

// The middleware inside the SDK refuses what nobody refused before it, also where the
// request is written so that two readers see two tools.
func TestToolsEnforces(t *testing.T) {
	for name, guard := range map[string]func(*verifier.Verifier, mcpverifier.ToolRequirements) func(http.Handler) http.Handler{"with a look before": ours, "without": peekless} {
		t.Run(name, func(t *testing.T) {
			call, token := notes(t, guard, true)
			for _, body := range []string{
				callOf("add"), callOf("closed"), callOf("unknown"),
				strings.Replace(callOf("list"), `"name":"list"`, `"name":"add","Name":"list"`, 1),
				strings.Replace(callOf("list"), `"name":"list"`, `"name":"add","name":"list"`, 1),
				strings.Replace(callOf("add"), `"name":"add"`, `"name":"list","name":"add"`, 1),
				strings.Replace(callOf("add"), `"method":"tools/call"`, `"Method":"x","method":"tools/call"`, 1),
			} {
				if w := call("Bearer "+token("notes:read"), body); strings.Contains(w.Body.String(), "usr_1") && !strings.HasSuffix(body, `"name":"list","arguments":{}}}`) {
					t.Errorf("%s: %d %s", body, w.Code, w.Body)
				}
			}
		})
	}
}

// The SDK's own middleware, with our verifier in it.
func TestTokenVerifier(t *testing.T) {
	call, token := notes(t, func(v *verifier.Verifier, _ mcpverifier.ToolRequirements) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return auth.RequireBearerToken(mcpverifier.TokenVerifier(v), &auth.RequireBearerTokenOptions{ResourceMetadataURL: "https://notes.acme.com/m"})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Authorization")
				next.ServeHTTP(w, r)
			}))
		}
	}, true)
	if w := call("Bearer "+token("notes:read"), callOf("list")); w.Code != 200 || !strings.Contains(w.Body.String(), "usr_1") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, authorization := range []string{"", "Bearer x", "Bearer " + token("other"), "DPoP " + token("notes:read")} {
		if w := call(authorization, callOf("list")); w.Code != 401 || !strings.Contains(w.Header().Get("WWW-Authenticate"), "https://notes.acme.com/m") {
			t.Errorf("%q: %d %s", authorization, w.Code, w.Body)
		}
	}
	if w := call("Bearer "+token("notes:read"), callOf("add")); strings.Contains(w.Body.String(), "usr_1") {
		t.Errorf("%s", w.Body)
	}
}

// A server that forgot the guard in front has no token, and no tool answers.
func TestToolsWithoutGuard(t *testing.T) {
	call, token := notes(t, func(*verifier.Verifier, mcpverifier.ToolRequirements) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler { return next }
	}, true)
	if w := call("Bearer "+token("notes:read"), callOf("list")); !strings.Contains(w.Body.String(), "an access token is needed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
