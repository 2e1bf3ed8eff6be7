package way_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

const television = `
apiVersion: chancery/v1
kind: Client
metadata: {name: tv}
spec:
  display_name: Television
  type: public
  grant_types: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token]
  scopes: [notes:read, notes:write, profile, email]
  resources: [notes]
---`

// TestDevice: a television shows a code, alice takes it at her browser, and of fifty polls over two replicas one gets tokens.
// With the access token the television learns who she is.
func TestDevice(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		replicas := 1
		if e == harness.Postgres {
			replicas = 2
		}
		w := harness.Start(t, harness.Options{Engine: e, Replicas: replicas, Objects: harness.SignInObjects + television})
		status, begun := ask(t, w.Issuer+"/device_authorization", url.Values{"client_id": {"tv"}, "scope": {"notes:read openid profile email"}})
		deviceCode, _ := begun["device_code"].(string)
		complete, _ := begun["verification_uri_complete"].(string)
		userCode, _ := begun["user_code"].(string)
		if status != http.StatusOK || !strings.HasPrefix(complete, w.Issuer+"/device?user_code=") {
			t.Fatalf("%d %v", status, begun)
		}
		poll := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {deviceCode}, "client_id": {"tv"}}
		for _, want := range []string{"authorization_pending", "slow_down"} {
			if status, answer := ask(t, w.Issuer+"/token", poll); status != http.StatusBadRequest || answer["error"] != want {
				t.Errorf("%d %v, want %s", status, answer, want)
			}
		}

		alice := harness.NewPerson(t, "alice")
		_, page, err := alice.Try(t.Context(), complete, "nowhere:")
		if err != nil {
			t.Fatal(err)
		}
		if _, found := page.Button("decision", "allow"); found {
			t.Error("the link alone leads past the code")
		}
		if len(page.Forms) == 0 {
			t.Fatalf("%d %s", page.Status, page.Body)
		}
		page = alice.Send(page.Forms[0], url.Values{"user_code": {strings.ToLower(userCode)}})
		if !strings.Contains(page.Body, "Television") {
			t.Errorf("it does not say who asks: %s", page.Body)
		}
		page = alice.Press(page, "decision", "allow")
		if page.Status != http.StatusOK {
			t.Fatalf("%d %s", page.Status, page.Body)
		}

		var group sync.WaitGroup
		var mu sync.Mutex
		var tokens map[string]any
		given, used := 0, 0
		for i := range 50 {
			group.Go(func() {
				status, answer, err := tryAsk(t.Context(), w.Replicas[i%len(w.Replicas)].Base+"/token", poll)
				mu.Lock()
				defer mu.Unlock()
				description, _ := answer["error_description"].(string)
				switch {
				case err != nil:
					t.Error(err)
				case status == http.StatusOK:
					given, tokens = given+1, answer
				case answer["error"] == "invalid_grant" && strings.HasPrefix(description, "device_code_used"):
					used++
				default:
					t.Errorf("%d %v", status, answer)
				}
			})
		}
		group.Wait()
		if given != 1 || used != 49 {
			t.Fatalf("%d got tokens, %d were told that it was used", given, used)
		}
		if tokens["id_token"] == nil || tokens["refresh_token"] == nil || tokens["scope"] != "notes:read openid profile email" {
			t.Errorf("%v", tokens)
		}

		access, _ := tokens["access_token"].(string)
		info := userInfo(t, w, access)
		claims := harness.Decode(t, access)
		if info["sub"] != claims.Claims["sub"] || info["email"] == nil {
			t.Errorf("userinfo %v of %v", info, claims.Claims)
		}
		if w.Run("revoke", "user", "alice").Status != 0 {
			t.Error("not revoked")
		}
		if info := userInfo(t, w, access); info["error"] != "invalid_token" {
			t.Errorf("after she was revoked: %v", info)
		}
	})
}

// tryAsk is ask for what runs beside the test.
func tryAsk(ctx context.Context, target string, form url.Values) (int, map[string]any, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answerTo(r)
}

func answerTo(r *http.Request) (int, map[string]any, error) {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	var members map[string]any
	err = json.NewDecoder(response.Body).Decode(&members)
	return response.StatusCode, members, err
}

func userInfo(t *testing.T, w *harness.World, access string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Issuer+"/userinfo", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+access)
	_, members, err := answerTo(r)
	if err != nil {
		t.Fatal(err)
	}
	return members
}
