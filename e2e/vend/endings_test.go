package vend_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/webhook"
	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

const (
	hookSecret = "a-secret-of-the-company-for-its-hooks"

	toldOfEndings = `
apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  webhooks:
    - {url: "{{hook}}", secret: {file: {{secret}}}, events: [connection.revoked, connection.ended], network: {allow_private_addresses: true}}
---`

	aliceLeaves = `
apiVersion: chancery/v1
kind: User
metadata: {name: alice}
spec: {email: alice@acme.com, status: disabled, identities: [{idp: okta, sub: 00u1alice}]}
---`
)

// endSoon is within which time everything is told after a death: what a dead process held is free again after a minute.
const endSoon = 150 * time.Second

// company hears of events, when it is there, and verifies who says so.
type company struct {
	t *testing.T

	mu      sync.Mutex
	there   bool
	refused int
	bodies  map[string]string          // by the message's id
	events  map[string]map[string]bool // the connections, by type
}

func (c *company) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || !c.there {
		c.refused++
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	message, stamp := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || webhook.Sign([]byte(hookSecret), message, time.Unix(seconds, 0), body) != r.Header.Get("Webhook-Signature") {
		c.t.Errorf("%s is not signed with the company's secret", message)
	}
	if before, again := c.bodies[message]; again && before != string(body) {
		c.t.Errorf("%s says two things", message)
	}
	c.bodies[message] = string(body)
	var said struct {
		Type string `json:"type"`
		Data struct {
			Detail map[string]string `json:"detail"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		c.t.Error(err)
	}
	if c.events[said.Type] == nil {
		c.events[said.Type] = map[string]bool{}
	}
	c.events[said.Type][said.Data.Detail["connection"]] = true
	w.WriteHeader(http.StatusNoContent)
}

func (c *company) heard(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.events[kind])
}

func (c *company) turnedAway() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

func (c *company) comeBack() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.there = true
}

// TestKilledWhileEnding: a person is disabled, and every replica is killed while a provider is told and the company's hook is
// away. Each connection is told to its provider, at least once and no more than once more than it was begun; each webhook comes,
// at least once, and none is lost. Nobody is lent anything from the person's end on.
func TestKilledWhileEnding(t *testing.T) {
	for name, c := range map[string]struct {
		engine   harness.Engine
		replicas int
	}{
		"two replicas on PostgreSQL": {harness.Postgres, 2},
		"one on SQLite":              {harness.SQLite, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			hook := &company{t: t, bodies: map[string]string{}, events: map[string]map[string]bool{}}
			server := httptest.NewServer(hook)
			defer server.Close()
			folder := t.TempDir()
			file, signIn := filepath.Join(folder, "hook"), filepath.Join(folder, "idp")
			for path, text := range map[string]string{file: hookSecret, signIn: harness.SignInSecret} {
				if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			w := start(t, harness.Options{
				Engine: c.engine, Replicas: c.replicas, Env: environment(), Objects: strings.ReplaceAll(objects, "{{folder}}/idp-secret", signIn),
				Config: map[string]any{"admin.secret_references": []string{"env:" + harness.ProviderSecret, "file:" + file, "file:" + signIn}},
			})
			w.Apply(w.Server(), strings.NewReplacer("{{hook}}", server.URL, "{{secret}}", file).Replace(toldOfEndings))
			p := w.signedIn("alice")
			var all []*service
			for _, one := range []string{"first", "second", "third", "fourth"} {
				s := w.serve(one, singleUse)
				w.connects(p, s)
				all = append(all, s)
			}
			token := w.token(alice)
			w.Send(w.Server(), w.vend(token, "first")).Granted(t)
			for _, s := range all[:2] { // two hang when they are told
				s.Break("revoke", providertest.Fault{Kind: "hang"})
			}

			w.Apply(w.Server(), aliceLeaves)
			if a := w.Send(w.Server(), w.vend(token, "first")); a.Status == http.StatusOK {
				t.Errorf("lent after her end: %s", a.Body)
			}
			harness.Eventually(t, 30*time.Second, "a provider is being told, and the hook is tried", func() bool {
				return all[0].Count("revoke")+all[1].Count("revoke") > 0 && hook.turnedAway() > 0
			})
			for _, r := range w.Replicas {
				r.Kill()
			}
			hook.comeBack()
			for _, r := range w.Replicas {
				r.Restart()
			}

			harness.Eventually(t, endSoon, "each provider was told, and the company", func() bool {
				for _, s := range all {
					if s.Count("revoke") == 0 {
						return false
					}
				}
				return hook.heard("connection.revoked") == len(all) && hook.heard("connection.ended") == len(all)
			})
			for i, s := range all {
				told, most := s.Count("revoke"), 1
				if i < 2 {
					most = 2 // once into the silence, and once more
				}
				if told > most {
					t.Errorf("%s was told %d times", s.name, told)
				}
			}
			if ended := w.told("connection.ended"); len(ended) != len(all) {
				t.Errorf("%d ended", len(ended))
			}
			for _, body := range w.told("connection.ended") {
				if !strings.Contains(body, `"at_provider":"revoked"`) {
					t.Errorf("not revoked there: %s", body)
				}
			}
			left := w.DB.Open(t)
			if rows := harness.Strings(t, left, "select id from connections"); len(rows) != 0 {
				t.Errorf("%d rows are left", len(rows))
			}
		})
	}
}
