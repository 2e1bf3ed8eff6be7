package sdk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// The agent's identity at the IdP; the secret has the characters that an encoding can get wrong.
const (
	idpClientID     = "0oa1claude"
	idpClientSecret = "at+the/idp %"
)

// language is another one's SDK, installed by deploy/ci/install-tools.sh.
type language struct {
	name    string
	program []string
	scopes  []string // that it asks for: those of the server's challenge, or those that it was told
}

func typeScript() language {
	return language{"TypeScript", []string{"node", filepath.Join("typescript", "client.mjs")}, []string{"notes:read"}}
}

func python() language {
	return language{"Python", []string{pythonProgram(), filepath.Join("python", "client.py")}, []string{"notes:read", "notes:write"}}
}

func pythonProgram() string { return filepath.Join("python", ".venv", "bin", "python") }

// task is what a program is to do, as JSON.
type task map[string]any

func (t task) with(changes task) task {
	changed := maps.Clone(t)
	maps.Copy(changed, changes)
	return changed
}

// outcome is what a program printed.
type outcome struct {
	Seen struct {
		Subject string   `json:"subject"`
		Scopes  []string `json:"scopes"`
	} `json:"seen"`
	TokenType string `json:"token_type"`
	Error     string `json:"error"`
}

// do runs a program of the SDK with its task on standard input. A program that is not there fails the test.
func (l language) do(t *testing.T, what task) outcome {
	t.Helper()
	input, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), l.program[0], l.program[1:]...)
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &stdout, &stderr
	if err := command.Run(); err != nil {
		if _, ran := errors.AsType[*exec.ExitError](err); !ran {
			t.Fatalf("%v: deploy/ci/install-tools.sh installs what this needs", err)
		}
	}
	var o outcome
	if err := json.Unmarshal(stdout.Bytes(), &o); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &stdout, &stderr)
	}
	return o
}

// company starts a world in which a resource is protected and the IdP gives assertions for it.
func company(t *testing.T, e harness.Engine, resource string) *harness.World {
	t.Helper()
	w := harness.Start(t, harness.Options{Engine: e, Objects: strings.ReplaceAll(harness.DefaultObjects, harness.Notes, resource)})
	w.IdP.AddAudience(idptest.Audience{Issuer: w.Issuer, Resources: []string{resource}, Scopes: []string{"notes:read", "notes:write"}})
	w.IdP.AddClient(idptest.Client{ID: idpClientID, Secret: idpClientSecret, RedirectURIs: []string{callback}, IDs: map[string]string{w.Issuer: harness.ClientID}})
	return w
}

// crossAppAccess is the task of doing both legs for a person.
func crossAppAccess(w *harness.World, resource, who string) task {
	return task{
		"mode": "cross-app-access", "resource": resource, "issuer": w.Issuer, "client_id": harness.ClientID, "client_secret": w.Secret,
		"idp": w.IdP.Issuer(), "idp_token_endpoint": w.IdP.TokenEndpoint(), "idp_client_id": idpClientID, "idp_client_secret": idpClientSecret,
		"id_token": w.IdP.IDToken(who, idpClientID), "scope": "notes:read notes:write",
	}
}

// uid is by what tokens name a user.
func uid(t *testing.T, w *harness.World, name string) string {
	t.Helper()
	user, err := w.Server().Admin.Get(t.Context(), "User", name)
	if err != nil {
		t.Fatal(err)
	}
	return user.Metadata.UID
}

func (o outcome) shows(t *testing.T, subject string, scopes ...string) {
	t.Helper()
	slices.Sort(o.Seen.Scopes)
	if o.Error != "" || o.Seen.Subject != subject || !slices.Equal(o.Seen.Scopes, scopes) || !strings.EqualFold(o.TokenType, "Bearer") {
		t.Errorf("%+v, want %s with %v", o, subject, scopes)
	}
}

// TestOtherLanguages: both legs and a tool call with the official SDKs of other languages, used as their documentation says.
func TestOtherLanguages(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		resource := protected(t)
		w := company(t, e, resource.uri)
		resource.trust(w.Issuer)
		for _, l := range []language{typeScript(), python()} {
			t.Run(l.name, func(t *testing.T) {
				t.Run("alice", func(t *testing.T) {
					l.do(t, crossAppAccess(w, resource.uri, "alice")).shows(t, uid(t, w, "alice"), l.scopes...)
				})
				t.Run("eve is refused by policy", func(t *testing.T) {
					if o := l.do(t, crossAppAccess(w, resource.uri, "eve")); !strings.Contains(o.Error, "policy_denied") {
						t.Errorf("%+v", o)
					}
				})
				t.Run("a wrong secret", func(t *testing.T) {
					if o := l.do(t, crossAppAccess(w, resource.uri, "alice").with(task{"client_secret": "wrong"})); o.Error == "" {
						t.Errorf("%+v", o)
					}
				})
			})
		}
		t.Run("Python with Basic", func(t *testing.T) {
			o := python().do(t, crossAppAccess(w, resource.uri, "bob").with(task{"auth_method": "client_secret_basic"}))
			o.shows(t, uid(t, w, "bob"), "notes:read")
		})
	})
}

// TestFastMCPServer: a server of FastMCP, guarded by its own verifier, takes our tokens and nobody else's.
func TestFastMCPServer(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		base := fmt.Sprintf("http://127.0.0.1:%d", harness.Port(t))
		resource := base + "/mcp"
		w := company(t, e, resource)
		serveFastMCP(t, w, base)
		t.Run("the Python SDK calls a tool", func(t *testing.T) {
			python().do(t, crossAppAccess(w, resource, "alice")).shows(t, uid(t, w, "alice"), "notes:read", "notes:write")
		})
		t.Run("a token of the IdP", func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, resource, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer "+w.IdP.IDToken("alice", idpClientID))
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != http.StatusUnauthorized {
				t.Error(response.Status)
			}
		})
	})
}

// serveFastMCP starts the server and waits until it answers; without a token it must say 401.
func serveFastMCP(t *testing.T, w *harness.World, base string) {
	t.Helper()
	port := base[strings.LastIndex(base, ":")+1:]
	input, err := json.Marshal(task{"issuer": w.Issuer, "base": base, "resource": base + "/mcp", "algorithm": "ES256", "port": json.Number(port)})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	command := exec.CommandContext(t.Context(), pythonProgram(), filepath.Join("python", "server.py"))
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &log, &log
	if err := command.Start(); err != nil {
		t.Fatalf("%v: deploy/ci/install-tools.sh installs what this needs", err)
	}
	t.Cleanup(func() { _ = command.Wait() }) // the test's context has ended it
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/mcp", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Fatalf("without a token: %s", response.Status)
		}
		return
	}
	t.Fatal("FastMCP does not answer\n" + log.String())
}
