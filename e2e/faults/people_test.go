package faults

import (
	"database/sql"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// house is a world where people sign in, with alice at her browser: she let the host act for her.
type house struct {
	*harness.World
	db     *sql.DB
	alice  *harness.Person
	secret string // of the resource's server
	scope  string // that the host asks for
}

// served is resource notes with its server, in a world where people sign in.
var served = harness.SignInIdP + harness.DefaultClient + harness.SignInHost + serve + harness.DefaultPeople + harness.SignInPolicy

func newHouse(t *testing.T, e harness.Engine, config map[string]any) *house {
	t.Helper()
	replicas := 1
	if e == harness.Postgres {
		replicas = 2
	}
	leaves := map[string]any{"log.level": "warn"}
	maps.Copy(leaves, config)
	w := harness.Start(t, harness.Options{Engine: e, Replicas: replicas, Objects: served, Config: leaves})
	h := &house{World: w, db: open(t, w), alice: harness.NewPerson(t, "alice"), secret: w.NewSecret("", "notes-server"), scope: "notes:read"}
	h.code(t)
	harness.Eventually(t, 2*time.Second, "the server is known on every replica", func() bool {
		for _, p := range w.Replicas {
			if h.Send(p, introspection(h.secret, "none")).Status != http.StatusOK {
				return false
			}
		}
		return true
	})
	return h
}

// open looks into the tables as the tenant, for its own eyes alone are let see most of them.
func open(t *testing.T, w *harness.World) *sql.DB {
	t.Helper()
	db := w.DB.Open(t)
	if w.DB.Engine == harness.Postgres {
		db.SetMaxOpenConns(1) // the setting is a connection's
		harness.Strings(t, db, "select set_config('chancery.tenant', (select uid from tenants where name = 'default'), false)")
	}
	return db
}

// other is the replica that a numbered one has beside it, or that one.
func (h *house) other(i int) *harness.Process { return h.Replicas[(i+1)%len(h.Replicas)] }

// code gets a code: the first time alice signs in and consents, later nobody is asked.
func (h *house) code(t *testing.T) *harness.Call {
	t.Helper()
	return h.codeFor(t, h.scope)
}

func (h *house) codeFor(t *testing.T, scope string) *harness.Call {
	t.Helper()
	r := harness.NewCodeRequest(scope)
	r.Form.Set("login_hint", "alice@acme.com") // where there are several IdPs
	answer := h.alice.Authorize(r.URL(h.Issuer), harness.HostRedirect)
	if answer.Get("code") == "" {
		t.Fatalf("answered %v", answer)
	}
	return &harness.Call{Form: r.Exchange(answer.Get("code")), Header: http.Header{}}
}

// refreshing presents a refresh token as the host.
func refreshing(token string) *harness.Call {
	return &harness.Call{Header: http.Header{}, Form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {harness.Host}}}
}

// isDead demands that every replica calls a token dead.
func (h *house) isDead(t *testing.T, token string) {
	t.Helper()
	for i, p := range h.Replicas {
		if a := h.Send(p, introspection(h.secret, token)); a.Body != inactiveBody {
			t.Errorf("replica %d says of a dead token: %d %s", i, a.Status, a.Body)
		}
	}
}

// isAlive demands that every replica calls a token alive, so that its end means something.
func (h *house) isAlive(t *testing.T, token string) {
	t.Helper()
	for i, p := range h.Replicas {
		if a := h.Send(p, introspection(h.secret, token)); !strings.HasPrefix(a.Body, `{"active":true`) {
			t.Errorf("replica %d says of a token that lives: %d %s", i, a.Status, a.Body)
		}
	}
}

// accounted holds I1 and I8: of each access token that a client received there is one record and one row, and the log
// verifies.
func (h *house) accounted(t *testing.T, received []string) {
	t.Helper()
	records, rows, seen := map[string]int{}, map[string]bool{}, map[string]bool{}
	for _, e := range events(t, h.db, "token.issued") {
		records[e.TokenID]++
	}
	for _, id := range harness.Strings(t, h.db, "select jti from issued_tokens") {
		rows[id] = true
	}
	for _, token := range received {
		id, err := harness.ID(token)
		if err != nil {
			t.Fatal(err)
		}
		if records[id] != 1 || !rows[id] || seen[id] {
			t.Errorf("a client has token %s: %d records, row %v, received before %v", id, records[id], rows[id], seen[id])
		}
		seen[id] = true
	}
	_, lines := export(t, h.World)
	t.Logf("%d tokens received, %d recorded, %d lines exported", len(received), len(records), len(lines))
}

// killed kills a replica when a random number of a volley's first half were answered, or at once, and starts it again.
func killed(t *testing.T, p *harness.Process, volley int, atOnce bool) func(answered func() int) {
	t.Helper()
	after := int(moment(t)) % (volley / 2)
	if atOnce {
		after = 0
	}
	return func(answered func() int) {
		for end := time.Now().Add(time.Minute); answered() < after; {
			if time.Now().After(end) { // it is killed all the same: what was not answered shows
				t.Errorf("%d answers in a minute, of %d", answered(), after)
				break
			}
			time.Sleep(100 * time.Microsecond) // the volley is a matter of milliseconds, and this must fall into it
		}
		p.Kill()
		p.Restart()
	}
}
