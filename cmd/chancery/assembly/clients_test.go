package assembly_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
)

const tenantDoc = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  registration:
    dcr: initial_access_token
    dcr_limits: {hosts: [claude.ai], scopes: ["notes:read"], resources: [notes]}
    cimd: {mode: hosts, hosts: [app.example.com], scopes: ["notes:read"], resources: [notes]}
---`

// send asks the public listener, and reads JSON.
func send(t *testing.T, s *assembly.Server, method, path, bearer, contentType, body string) (status int, answer map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.PublicAddress()+path, strings.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", contentType)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	var raw bytes.Buffer
	_, err = raw.ReadFrom(response.Body)
	must(t, err)
	if raw.Len() > 0 {
		must(t, json.Unmarshal(raw.Bytes(), &answer))
	}
	return response.StatusCode, answer
}

func code(answer map[string]any) string {
	description, _ := answer["error_description"].(string)
	code, _, _ := strings.Cut(description, ":")
	return code
}

// tries the token endpoint with a grant that such a client never has: the answer tells whether the client is known.
func tries(t *testing.T, s *assembly.Server, clientID, clientSecret string) (status int, problem string) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {clientID}, "resource": {"https://mcp.acme.example/notes"}}
	if clientSecret != "" {
		form.Set("client_secret", clientSecret)
	}
	status, answer := send(t, s, http.MethodPost, "/token", "", "application/x-www-form-urlencoded", form.Encode())
	return status, code(answer)
}

// TestClientsRegisterThemselves: over the listener, on both engines, from the token to the end.
func TestClientsRegisterThemselves(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		s, _ := p.start(t, settings{"objects": []any{p.write(t, tenantDoc+objects)}})
		admin := p.admin(t, s)
		made, err := admin.AddRegistrationToken(t.Context(), 1, time.Hour, "pilot")
		must(t, err)
		const body = `{"client_name":"Notes","redirect_uris":["http://localhost/cb","https://claude.ai/cb"],"grant_types":["authorization_code","client_credentials"]}`
		if status, answer := send(t, s, http.MethodPost, "/register", "", "application/json", body); status != 401 || code(answer) != "registration_token_missing" {
			t.Errorf("%d %v", status, answer)
		}
		status, client := send(t, s, http.MethodPost, "/register", made.Text.Reveal(), "application/json", body)
		if status != 201 {
			t.Fatalf("%d %v", status, client)
		}
		if status, answer := send(t, s, http.MethodPost, "/register", made.Text.Reveal(), "application/json", body); status != 401 || code(answer) != "registration_token_invalid" {
			t.Errorf("a second use: %d %v", status, answer)
		}
		id, _ := client["client_id"].(string)
		secret, _ := client["client_secret"].(string)
		access, _ := client["registration_access_token"].(string)

		// It can prove who it is, and has no grant of its own.
		if status, problem := tries(t, s, id, secret); status != 400 || problem != "client_grant_type" && !strings.Contains(problem, "grant") {
			t.Errorf("%d %s", status, problem)
		}
		if status, problem := tries(t, s, id, "chs_wrong"); status != 401 || problem != "client_authentication_failed" {
			t.Errorf("%d %s", status, problem)
		}
		if found, next, err := admin.Registrations(t.Context(), "", 10); err != nil || next != "" || len(found) != 1 || found[0].ClientID != id || found[0].TokenID != made.ID {
			t.Errorf("%+v %v", found, err)
		}
		if done, err := admin.Revoke(t.Context(), "client", id, "", false); err != nil || done.UID != id {
			t.Errorf("%+v %v", done, err)
		}

		status, client = send(t, s, http.MethodPut, "/register/"+id, access, "application/json", `{"client_id":"`+id+`","redirect_uris":["http://localhost/other"],"token_endpoint_auth_method":"none"}`)
		if status != 200 {
			t.Fatalf("%d %v", status, client)
		}
		if status, problem := tries(t, s, id, secret); status != 401 {
			t.Errorf("the secret that was dropped: %d %s", status, problem)
		}
		if status, answer := send(t, s, http.MethodGet, "/register/"+id, access, "", ""); status != 401 || code(answer) != "registration_token_invalid" {
			t.Errorf("the former token: %d %v", status, answer)
		}
		access, _ = client["registration_access_token"].(string)
		if status, _ := send(t, s, http.MethodDelete, "/register/"+id, access, "", ""); status != 204 {
			t.Errorf("%d", status)
		}
		if status, problem := tries(t, s, id, ""); status != 401 || problem != "client_authentication_failed" {
			t.Errorf("after its end: %d %s", status, problem)
		}
		p.expects(t, s, 200, "") // whoever was made by an administrator is as before
	})
}

// TestReplicasKnowRegistrations: what a client changes, or an administrator ends, at one replica counts at the other.
func TestReplicasKnowRegistrations(t *testing.T) {
	eachEngine(t, func(t *testing.T, p *place) {
		docs := p.write(t, strings.Replace(tenantDoc, "initial_access_token", "open", 1)+objects)
		first, _ := p.start(t, settings{"objects": []any{docs}})
		second := first
		if p.ownerURL != "" { // SQLite has one process
			second, _ = p.start(t, settings{"objects": []any{docs}})
		}
		status, client := send(t, first, http.MethodPost, "/register", "", "application/json", `{"redirect_uris":["http://localhost/cb"]}`)
		if status != 201 {
			t.Fatalf("%d %v", status, client)
		}
		id, _ := client["client_id"].(string)
		secret, _ := client["client_secret"].(string)
		access, _ := client["registration_access_token"].(string)
		until(t, 3*time.Second, "the second replica does not know the client", func() bool {
			status, _ := tries(t, second, id, secret)
			return status == 400
		})
		if status, client = send(t, first, http.MethodPut, "/register/"+id, access, "application/json", `{"client_id":"`+id+`","redirect_uris":["http://localhost/cb"],"token_endpoint_auth_method":"none"}`); status != 200 {
			t.Fatalf("%d %v", status, client)
		}
		until(t, 3*time.Second, "the second replica takes the secret that was dropped", func() bool {
			status, _ := tries(t, second, id, secret)
			return status == 401
		})
		// Blocked: an object with the client_id comes first.
		blocked, err := decode(p, "apiVersion: chancery/v1\nkind: Client\nmetadata: {name: blocked}\nspec: {client_id: "+id+", type: public, disabled: true}\n")
		must(t, err)
		if status, problem := tries(t, second, id, ""); status != 400 {
			t.Errorf("before: %d %s", status, problem)
		}
		_, err = p.admin(t, first).ApplyAll(t.Context(), blocked, applied)
		must(t, err)
		until(t, 3*time.Second, "the second replica lets in who is blocked", func() bool {
			status, _ := tries(t, second, id, "")
			return status == 401
		})
		if err := p.admin(t, second).RemoveRegistration(t.Context(), id); err != nil {
			t.Error(err)
		}
	})
}

// TestPreloadedDocuments stand for a fetch where nothing may leave; one that cannot be read stops the start.
func TestPreloadedDocuments(t *testing.T) {
	p := newPlace(t)
	folder := filepath.Join(p.folder, "documents")
	must(t, os.Mkdir(folder, 0o700))
	const place = "https://app.example.com/client.json"
	must(t, os.WriteFile(filepath.Join(folder, "app.json"), []byte(`{"client_id":"`+place+`","redirect_uris":["https://app.example.com/cb"]}`), 0o600))
	s, stop := p.start(t, settings{"objects": []any{p.write(t, tenantDoc+objects)}, "egress.mode": "deny", "clients.preload": folder})
	if status, problem := tries(t, s, place, ""); status == 401 || strings.HasPrefix(problem, "cimd_") {
		t.Errorf("a preloaded one: %d %s", status, problem)
	}
	if status, problem := tries(t, s, "https://app.example.com/other.json", ""); status != 400 || problem != "cimd_offline" {
		t.Errorf("another one: %d %s", status, problem)
	}
	if status, problem := tries(t, s, "https://evil.example/client.json", ""); status != 400 || problem != "cimd_host_unlisted" {
		t.Errorf("of another host: %d %s", status, problem)
	}
	if done, err := p.admin(t, s).Revoke(t.Context(), "client", place, "", false); err != nil || !strings.HasPrefix(done.UID, "cimd_") {
		t.Errorf("%+v %v", done, err)
	}
	stop()
	must(t, os.WriteFile(filepath.Join(folder, "bad.json"), []byte(`{"client_id":"http://app.example.com/x"}`), 0o600))
	p.refuses(t, settings{"clients.preload": folder}, "clients.preload: bad.json")
}
