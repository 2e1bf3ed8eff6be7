package sdk

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
	"golang.org/x/oauth2"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// TestResourceChallenge: a resource wants a stronger sign-in for one tool and says so as RFC 9470 §3 has it. A client made of
// x/oauth2 takes the challenge's values to the authorization endpoint, and what comes of it opens the tool.
func TestResourceChallenge(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := newTown(t, e)
		w.notebook.trust(t, w.root.issuer)
		config := &oauth2.Config{
			ClientID: documentURL, RedirectURL: redirectURI, Scopes: []string{"notes:read"},
			Endpoint: oauth2.Endpoint{AuthURL: w.Issuer + "/authorize", TokenURL: w.Issuer + "/token", AuthStyle: oauth2.AuthStyleInParams},
		}
		alice := harness.NewPerson(t, "alice")
		plain, _ := codeToken(t, config, alice, w.notebook.uri)
		response := callTool(t, w.notebook.uri, plain, "sealed")
		challenges, err := oauthex.ParseWWWAuthenticate(response.Header.Values("WWW-Authenticate"))
		if err != nil || response.StatusCode != http.StatusUnauthorized || len(challenges) != 1 || challenges[0].Params["error"] != "insufficient_user_authentication" {
			t.Fatal(response.Status, challenges, err)
		}
		ask := []oauth2.AuthCodeOption{
			oauth2.SetAuthURLParam("acr_values", challenges[0].Params["acr_values"]), oauth2.SetAuthURLParam("max_age", challenges[0].Params["max_age"]),
		}

		begun := time.Now().Unix()
		strong, _ := codeToken(t, config, alice, w.notebook.uri, ask...)
		claims := harness.Decode(t, strong.AccessToken).Claims
		if at, ok := claims["auth_time"].(float64); claims["acr"] != "phr" || !ok || int64(at) < begun-1 {
			t.Errorf("%v", claims)
		}
		if response := callTool(t, w.notebook.uri, strong, "sealed"); response.StatusCode != http.StatusOK {
			t.Error(response.Status)
		}

		// The IdP cannot make bob stronger. acr_values are a wish (OpenID Connect Core §5.5.1.1): he gets a token that says
		// nothing it should not, and the resource goes on refusing it.
		weak, answered := codeToken(t, config, harness.NewPerson(t, "bob"), w.notebook.uri, ask...)
		if weak == nil {
			t.Fatal(answered)
		}
		if claims := harness.Decode(t, weak.AccessToken).Claims; claims["acr"] != nil {
			t.Errorf("%v", claims)
		}
		if response := callTool(t, w.notebook.uri, weak, "sealed"); response.StatusCode != http.StatusUnauthorized {
			t.Error(response.Status)
		}
	})
}

// codeToken goes the whole way of a code; there is no token where the answer is an error.
func codeToken(t *testing.T, config *oauth2.Config, who *harness.Person, resource string, ask ...oauth2.AuthCodeOption) (*oauth2.Token, url.Values) {
	t.Helper()
	verifier, state := oauth2.GenerateVerifier(), rand.Text()
	ask = append(ask, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("resource", resource))
	answered := who.Authorize(config.AuthCodeURL(state, ask...), redirectURI)
	if answered.Get("state") != state {
		t.Fatal(answered)
	}
	if answered.Get("code") == "" {
		return nil, answered
	}
	token, err := config.Exchange(t.Context(), answered.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token, answered
}

// callTool calls a tool as HTTP, with no SDK.
func callTool(t *testing.T, resource string, token *oauth2.Token, tool string) *http.Response {
	t.Helper()
	body := `{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "` + tool + `", "arguments": {}}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, resource, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	token.SetAuthHeader(r)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}
