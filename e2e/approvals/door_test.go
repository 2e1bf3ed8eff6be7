package approvals_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestTokensThatProgramsGotForPeople: an assertion that a program redeemed for bob opens nothing at the admin API, whatever bob may
// do there himself, nor does one with which an agent acts for him.
func TestTokensThatProgramsGotForPeople(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		listen := fmt.Sprintf("127.0.0.1:%d", harness.Port(t))
		server := "http://" + listen
		w := world(t, e, map[string]any{"admin.listen": listen, "admin.public_url": server}, strings.Replace(adminObjects, "ADMIN", server, 1))
		idp := strings.Replace(strings.Replace(harness.SignInIdP, "resources: [notes]", "resources: [notes, admin]", 1), "scopes: [notes:read, notes:write]", "scopes: [notes:read, notes:write, admin]", 1)
		client := strings.Replace(strings.Replace(harness.DefaultClient, "resources: [notes]", "resources: [notes, admin]", 1), "scopes: [notes:read, notes:write]", "scopes: [notes:read, notes:write, admin]", 1)
		w.Apply(w.Server(), idp+client)
		enter := func(token string) (int, string) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/admin/v1/clients", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+token)
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			text, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode, string(text)
		}
		bob := &desk{t: t, w: w, home: t.TempDir(), server: server}
		bob.login("bob")
		bob.status(0, "get", "clients") // he himself may
		for name, with := range map[string][]idptest.Option{
			"an assertion":        nil,
			"an agent's":          {idptest.WithClaim("act", map[string]any{"sub": "agent-7"})},
			"through two of them": {idptest.WithClaim("act", map[string]any{"sub": "agent-7", "act": map[string]any{"sub": "agent-8"}})},
		} {
			assertion := w.IdP.IDJAG(idptest.Bob, append(with, idptest.WithResource(server), idptest.WithScope("admin"))...)
			answer := w.Send(w.Server(), w.NewCall(assertion).With("scope", "admin"))
			answer.Granted(t)
			if status, text := enter(answer.AccessToken); status != http.StatusUnauthorized || !strings.Contains(text, "access_token_invalid") {
				t.Errorf("%s: %d %s", name, status, text)
			}
		}
		// Nor does a token of his for another resource.
		notes := w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Bob)).With("scope", "notes:read"))
		notes.Granted(t)
		if status, text := enter(notes.AccessToken); status != http.StatusUnauthorized {
			t.Errorf("%d %s", status, text)
		}
	})
}
