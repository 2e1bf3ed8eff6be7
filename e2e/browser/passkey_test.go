package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// TestPasskeyPages: the script of the pages, a real browser and its authenticator, and what the server makes of it. An
// authenticator that verifies nobody makes nothing.
func TestPasskeyPages(t *testing.T) {
	for name, c := range map[string]struct {
		verifies bool
		at       string
	}{"verifies": {true, "/proved"}, "verifies nobody": {false, "/new"}} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t)
			var got struct {
				At   string
				Said []string
				Made int
			}
			run(t, "passkey.mjs", map[string]any{"chromium": chromium(t), "base": r.base, "verifies": c.verifies, "patience": 20000}, &got)
			if got.At != r.base+c.at || len(got.Said) != 0 {
				t.Errorf("at %s, which said %q", got.At, got.Said)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if proved := r.proof.ACR == session.ACRPasskey; proved != c.verifies || (len(r.keys) == 1) != c.verifies {
				t.Errorf("proved %+v with %d passkeys", r.proof, len(r.keys))
			}
		})
	}
}

// room is one person with the pages of passkeys, and a store of one.
type room struct {
	base   string
	desk   *passkey.Desk
	tenant *snapshot.Tenant
	person session.Session

	mu         sync.Mutex
	keys       []passkey.Credential
	challenges map[[32]byte]passkey.Challenge
	proof      session.Proof
}

func newRoom(t *testing.T) *room {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	uid := tenant.MustParseUID(id.New(id.Tenant, now))
	r := &room{
		base: "http://localhost:" + u.Port(), challenges: map[[32]byte]passkey.Challenge{}, // an address has no passkeys
		tenant: &snapshot.Tenant{UID: uid, SignIn: snapshot.SignIn{Passkeys: true}},
		person: session.Session{Handle: [32]byte{1}, Tenant: uid, UserUID: "usr_alice", StartedAt: now},
	}
	if r.desk, err = passkey.New(passkey.Config{Store: r, Lane: nowhere{}, Now: time.Now, PublicURL: r.base}); err != nil {
		t.Fatal(err)
	}
	show := func(path string, enrol bool, begin func(context.Context) ([]byte, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, q *http.Request) {
			options, err := begin(q.Context())
			if err != nil {
				t.Error(err)
			}
			shown, err := page.Passkey{Action: path, Token: "x", Person: page.Person{Name: "Alice"}, Enrol: enrol, Options: options, Back: "/"}.Render(page.Frame{})
			if err != nil {
				t.Error(err)
			}
			_ = shown.Write(w, http.StatusOK)
		})
	}
	show("/new", true, func(ctx context.Context) ([]byte, error) {
		return r.desk.BeginEnrolment(ctx, r.tenant, r.person, "alice")
	})
	show("/prove", false, func(ctx context.Context) ([]byte, error) { return r.desk.BeginProof(ctx, r.tenant, r.person) })
	mux.HandleFunc("POST /new", func(w http.ResponseWriter, q *http.Request) {
		if _, err := r.desk.Enrol(q.Context(), r.tenant, r.person, []byte(q.PostFormValue("response")), q.PostFormValue("name"), passkey.Visit{}); err != nil {
			t.Error(err)
		}
		http.Redirect(w, q, "/made", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /prove", func(w http.ResponseWriter, q *http.Request) {
		proof, err := r.desk.Prove(q.Context(), r.tenant, r.person, []byte(q.PostFormValue("response")), passkey.Visit{})
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.proof = proof
		r.mu.Unlock()
		http.Redirect(w, q, "/proved", http.StatusSeeOther)
	})
	for _, end := range []string{"/made", "/proved", "/favicon.ico"} {
		mux.HandleFunc("GET "+end, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") })
	}
	return r
}

// The room is its own store.

func (r *room) List(context.Context, tenant.UID, string) ([]passkey.Credential, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys, nil
}

func (r *room) Add(_ context.Context, c passkey.Credential, _ int, _ audit.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, c)
	return nil
}

func (r *room) Use(context.Context, passkey.Credential, uint32, audit.Event) error { return nil }

func (r *room) Remove(context.Context, tenant.UID, string, string, audit.Event) error { return nil }

func (r *room) Expect(_ context.Context, c passkey.Challenge) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.challenges[c.Handle] = c
	return nil
}

func (r *room) Take(_ context.Context, _ tenant.UID, handle [32]byte, _ time.Time) (passkey.Challenge, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.challenges[handle]
	if !ok {
		return c, passkey.ErrGone
	}
	return c, nil
}

// nowhere is a lane that leads there.
type nowhere struct{}

func (nowhere) Add(audit.Event, string) {}
