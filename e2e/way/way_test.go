package way_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// ask posts a form as a program does.
func ask(t *testing.T, target string, form url.Values) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("%s: %d %s", target, response.StatusCode, text)
	}
	return response.StatusCode, members
}

func world(t *testing.T, e harness.Engine) *harness.World {
	t.Helper()
	return harness.Start(t, harness.Options{Engine: e, Objects: harness.SignInObjects})
}

func authorize(t *testing.T, w *harness.World, p *harness.Person, scope string) map[string]any {
	t.Helper()
	r := harness.NewCodeRequest(scope)
	answer := p.Authorize(r.URL(w.Issuer), harness.HostRedirect)
	if answer.Get("code") == "" || answer.Get("state") != r.State || answer.Get("iss") != w.Issuer {
		t.Fatalf("answered %v", answer)
	}
	status, tokens := ask(t, w.Issuer+"/token", r.Exchange(answer.Get("code")))
	if status != http.StatusOK || tokens["access_token"] == nil {
		t.Fatalf("%d %v", status, tokens)
	}
	return tokens
}

func refresh(t *testing.T, w *harness.World, tokens map[string]any) (int, map[string]any) {
	t.Helper()
	text, ok := tokens["refresh_token"].(string)
	if !ok {
		t.Fatalf("no refresh token in %v", tokens)
	}
	return ask(t, w.Issuer+"/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}, "client_id": {harness.Host}})
}

// TestWay: alice signs in, lets the host act for her, and it gets tokens. The next time nobody asks her. What she takes back
// is over at once, and she is asked again.
func TestWay(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e)
		alice := harness.NewPerson(t, "alice")
		tokens := authorize(t, w, alice, "notes:read")
		status, tokens := refresh(t, w, tokens)
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, tokens)
		}
		silent := harness.NewCodeRequest("notes:read")
		silent.Form.Set("prompt", "none")
		held := alice.Authorize(silent.URL(w.Issuer), harness.HostRedirect)
		if held.Get("code") == "" {
			t.Errorf("answered %v", held)
		}

		account := alice.Open(w.Issuer + "/account")
		if !strings.Contains(account.Body, "Notes host") || !strings.Contains(account.Body, "notes:read") {
			t.Fatalf("%d %s", account.Status, account.Body)
		}
		removed := false
		for _, f := range account.Forms {
			for _, b := range f.Buttons {
				if b.Name == "grant" {
					account, removed = alice.Press(account, b.Name, b.Value), true
				}
			}
		}
		if !removed || strings.Contains(account.Body, "Notes host") {
			t.Errorf("removed %v: %s", removed, account.Body)
		}
		if status, refused := refresh(t, w, tokens); status != http.StatusBadRequest || refused["error"] != "invalid_grant" {
			t.Errorf("after the removal: %d %v", status, refused)
		}
		// A code that was on its way is over as well.
		status, refused := ask(t, w.Issuer+"/token", silent.Exchange(held.Get("code")))
		if description, _ := refused["error_description"].(string); status != http.StatusBadRequest || !strings.HasPrefix(description, "code_revoked") {
			t.Errorf("after the removal: %d %v", status, refused)
		}
		if answer := alice.Authorize(silent.URL(w.Issuer), harness.HostRedirect); answer.Get("error") != "consent_required" {
			t.Errorf("answered %v", answer)
		}
	})
}

// TestSignOut: with her session ends what was given for its time.
func TestSignOut(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e)
		alice := harness.NewPerson(t, "alice")
		tokens := authorize(t, w, alice, "notes:read")
		// A link alone ends nothing.
		question := alice.Open(w.Issuer + "/end_session")
		if _, asked := question.Button("decision", "allow"); !asked {
			t.Fatalf("%d %s", question.Status, question.Body)
		}
		if status, renewed := refresh(t, w, tokens); status != http.StatusOK {
			t.Fatalf("%d %v", status, renewed)
		} else {
			tokens = renewed
		}
		if out := alice.Press(question, "decision", "allow"); out.Status != http.StatusOK {
			t.Errorf("%d %s", out.Status, out.Body)
		}
		if status, refused := refresh(t, w, tokens); status != http.StatusBadRequest || refused["error"] != "invalid_grant" {
			t.Errorf("after the sign-out: %d %v", status, refused)
		}
		silent := harness.NewCodeRequest("notes:read")
		silent.Form.Set("prompt", "none")
		if answer := alice.Authorize(silent.URL(w.Issuer), harness.HostRedirect); answer.Get("error") != "login_required" {
			t.Errorf("answered %v", answer)
		}
	})
}

// TestPushed: the same way, with a request that was pushed.
func TestPushed(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e)
		r := harness.NewCodeRequest("notes:read")
		status, pushed := ask(t, w.Issuer+"/par", r.Form)
		uri, _ := pushed["request_uri"].(string)
		if status != http.StatusCreated || uri == "" {
			t.Fatalf("%d %v", status, pushed)
		}
		answer := harness.NewPerson(t, "alice").Authorize(w.Issuer+"/authorize?"+url.Values{"client_id": {harness.Host}, "request_uri": {uri}}.Encode(), harness.HostRedirect)
		if status, tokens := ask(t, w.Issuer+"/token", r.Exchange(answer.Get("code"))); status != http.StatusOK {
			t.Errorf("%d %v", status, tokens)
		}
	})
}

// TestEve: policy gives her nothing, and the client hears it.
func TestEve(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e)
		answer := harness.NewPerson(t, "eve").Authorize(harness.NewCodeRequest("notes:read").URL(w.Issuer), harness.HostRedirect)
		if answer.Get("error") != "access_denied" || answer.Get("iss") != w.Issuer {
			t.Errorf("answered %v", answer)
		}
	})
}
