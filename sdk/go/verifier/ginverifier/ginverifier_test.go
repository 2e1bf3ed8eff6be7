package ginverifier_test

import (
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

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/sdk/go/verifier"
	"github.com/chancery-dev/chancery/sdk/go/verifier/ginverifier"
)

const resource = "https://notes.acme.com/notes"

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

func TestRequire(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	url, token := issuer(t)
	v, err := verifier.New(url, resource, verifier.WithScopes("notes:read"))
	if err != nil {
		t.Fatal(err)
	}
	router := gin.New()
	reached := 0
	router.GET("/notes", ginverifier.Require(v, verifier.RequireScopes("notes:write")), func(c *gin.Context) {
		reached++
		token, ok := ginverifier.Token(c)
		if !ok {
			t.Error("no token")
			return
		}
		c.String(http.StatusOK, token.Claims().Subject)
	})
	router.GET(v.MetadataPath(), ginverifier.Metadata(v))
	call := func(path, authorization string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		router.ServeHTTP(w, r)
		return w
	}
	if w := call("/notes", "Bearer "+token("notes:read notes:write")); w.Code != 200 || w.Body.String() != "usr_1" || reached != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for authorization, want := range map[string]struct {
		status    int
		challenge string
	}{
		"":                               {401, `Bearer scope="notes:read notes:write", resource_metadata=`},
		"Bearer x":                       {401, `Bearer error="invalid_token"`},
		"Bearer " + token("notes:read"):  {403, `Bearer error="insufficient_scope"`},
		"Bearer " + token("notes:other"): {403, `Bearer error="insufficient_scope"`},
		"DPoP " + token("notes:write"):   {401, `DPoP error="invalid_token"`},
	} {
		w := call("/notes", authorization)
		if w.Code != want.status || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), want.challenge) || reached != 1 || !strings.HasPrefix(w.Body.String(), "{") {
			t.Errorf("%d %s %s", w.Code, w.Header(), w.Body)
		}
	}
	if w := call("/.well-known/oauth-protected-resource/notes", ""); w.Code != 200 || !strings.Contains(w.Body.String(), resource) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
