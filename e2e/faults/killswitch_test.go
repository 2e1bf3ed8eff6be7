package faults

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// server is the resource server as a client of ours.
const server = `
apiVersion: chancery/v1
kind: Client
metadata: {name: notes-server}
spec: {auth: {method: client_secret_post}}
---`

// serve gives resource notes its server.
var serve = server + strings.Replace(harness.DefaultResource, "  default_scopes", "  server: {client: notes-server}\n  default_scopes", 1)

// introspection asks about a token as the resource's server.
func introspection(secret, token string) *harness.Call {
	return &harness.Call{
		Path: "/introspect", Header: http.Header{},
		Form: url.Values{"token": {token}, "client_id": {"notes-server"}, "client_secret": {secret}},
	}
}

// verdict is what a replica said of a token, and when it was asked.
type verdict struct {
	replica int
	asked   time.Time
	active  bool
}

// I4: from the administrator's answer on, no replica calls a token active that he ended, and none of what was decided
// before commits. What ends is by mark (user, client, IdP), by the object's state, by one token, by its key.
func TestKillSwitch(t *testing.T) {
	for name, end := range map[string]struct {
		do      func(t *testing.T, w *harness.World, on *harness.Process, jti, kid string)
		marks   bool // every token of before is dead, and those that come after live
		revokes bool // new ones come after it
	}{
		"revoke user": {func(t *testing.T, w *harness.World, on *harness.Process, _, _ string) {
			revoke(t, w, on, "user", "alice")
		}, true, true},
		"revoke client": {func(t *testing.T, w *harness.World, on *harness.Process, _, _ string) {
			revoke(t, w, on, "client", "claude")
		}, true, true},
		"revoke IdP": {func(t *testing.T, w *harness.World, on *harness.Process, _, _ string) {
			revoke(t, w, on, "idp", "okta")
		}, true, true},
		"revoke token": {func(t *testing.T, w *harness.World, on *harness.Process, jti, _ string) {
			revoke(t, w, on, "token", jti)
		}, false, true},
		"disable user": {func(_ *testing.T, w *harness.World, on *harness.Process, _, _ string) {
			w.Apply(on, strings.Replace(harness.DefaultPeople, "status: active", "status: disabled", 1))
		}, true, false},
		"disable client": {func(_ *testing.T, w *harness.World, on *harness.Process, _, _ string) {
			w.Apply(on, strings.Replace(harness.DefaultClient, "spec:", "spec:\n  disabled: true", 1))
		}, true, false},
		"disable IdP": {func(_ *testing.T, w *harness.World, on *harness.Process, _, _ string) {
			w.Apply(on, strings.Replace(harness.DefaultIdP, "spec:", "spec:\n  disabled: true", 1))
		}, true, false},
		"revoke key": {func(t *testing.T, _ *harness.World, on *harness.Process, _, kid string) {
			if _, err := on.Admin.RevokeKey(t.Context(), kid, "a test"); err != nil {
				t.Fatal(err)
			}
		}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := harness.Start(t, harness.Options{Engine: harness.Postgres, Replicas: 2, Config: map[string]any{"log.level": "info"}})
			w.Apply(w.Server(), serve)
			secret := w.NewSecret("", "notes-server")
			token := w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(idptest.Alice))).Granted(t).AccessToken
			said := harness.Decode(t, token)
			jti, _ := said.Claims["jti"].(string)
			kid, _ := said.Header["kid"].(string)
			harness.Eventually(t, 2*time.Second, "the server is known on every replica", func() bool {
				for _, p := range w.Replicas {
					if w.Send(p, introspection(secret, token)).Body == inactiveBody {
						return false
					}
				}
				return true
			})
			load := w.StartLoad(t, 8)
			harness.Eventually(t, 20*time.Second, "the load gets tokens", func() bool { return load.Granted() > 50 })
			asked := ask(t, w, secret, token, func() {
				end.do(t, w, w.Replicas[len(name)%2], jti, kid)
			})
			answered := time.Now()
			harness.Eventually(t, 5*time.Second, "the load goes on", func() bool { return time.Since(answered) > 300*time.Millisecond })
			shots := load.Stop()

			dead, alive := map[int]int{}, 0
			for _, v := range asked() {
				switch {
				case v.active && v.asked.After(answered):
					t.Errorf("replica %d calls it active %s after the answer", v.replica, v.asked.Sub(answered))
				case v.active:
					alive++
				case v.asked.After(answered):
					dead[v.replica]++
				}
			}
			if alive < 10 || dead[0] < 10 || dead[1] < 10 {
				t.Errorf("asked too little: alive %d, dead %v", alive, dead)
			}
			late := 0
			for _, s := range shots {
				switch {
				case s.Err != nil || s.Answer.AccessToken == "":
				case !s.Started.After(answered) && end.marks && s.Ended.Before(answered): // granted before it: dead
					if got := w.Send(w.Replicas[1-s.Replica], introspection(secret, s.Answer.AccessToken)).Body; late < 20 && got != inactiveBody {
						t.Errorf("a token from %s before the answer is %s", answered.Sub(s.Ended), got)
					}
					late++
				case s.Started.After(answered) && !end.revokes:
					t.Errorf("replica %d granted a request that began after the answer", s.Replica)
				case s.Started.After(answered):
					if got := w.Send(w.Replicas[1-s.Replica], introspection(secret, s.Answer.AccessToken)).Body; got == inactiveBody {
						t.Errorf("a token from %s after the answer is not active", s.Started.Sub(answered))
					}
				}
			}
		})
	}
}

const inactiveBody = `{"active":false}`

// ask asks all replicas about a token without a pause, does what it is told in the middle, and tells what was said.
func ask(t *testing.T, w *harness.World, secret, token string, do func()) func() []verdict {
	t.Helper()
	var mu sync.Mutex
	var all []verdict
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 8 {
		wg.Go(func() {
			client := harness.Clients(1)
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				v := verdict{replica: i % len(w.Replicas), asked: time.Now()}
				a, err := harness.TrySend(t.Context(), client, w.Replicas[v.replica], introspection(secret, token))
				if err != nil || a.Status != http.StatusOK {
					t.Errorf("asked about the token: %v %d %s", err, a.Status, a.Body)
					return
				}
				v.active = strings.HasPrefix(a.Body, `{"active":true,`)
				if !v.active && a.Body != inactiveBody {
					t.Errorf("answered %s", a.Body)
				}
				mu.Lock()
				all = append(all, v)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(all)
	}
	harness.Eventually(t, 10*time.Second, "answers come", func() bool { return count() > 100 })
	do()
	return func() []verdict {
		close(stop)
		wg.Wait()
		return all
	}
}

func revoke(t *testing.T, w *harness.World, on *harness.Process, kind, which string) {
	t.Helper()
	done, err := on.Admin.Revoke(t.Context(), kind, which, "a test", false)
	if err != nil {
		t.Fatal(err)
	}
	if done.Tokens == nil || *done.Tokens < 1 || !done.Applied || done.Event == "" {
		t.Errorf("revoked %+v", done)
	}
	if kind == "token" {
		return
	}
	// The count is exact: what was committed before the mark, and was alive.
	db := w.DB.Open(t)
	dead := harness.Count(t, db, fmt.Sprintf(`select count(*) from issued_tokens where coalesce(version, 0) < (select max(version) from tenant_changes
		where kind = 'Revocation' and uid = '%s')`, done.UID))
	if int64(dead) != *done.Tokens {
		t.Errorf("%d tokens died, %d were counted", dead, *done.Tokens)
	}
	counted := harness.Strings(t, db, "select body from audit_events where type = 'tokens.revoked.counted'")
	if len(counted) != 1 || !strings.Contains(counted[0], fmt.Sprintf(`"tokens":"%d"`, *done.Tokens)) || !strings.Contains(counted[0], done.Event) {
		t.Errorf("the audit log has %v", counted)
	}
}
