package faults

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

// planted are connections that a test wrote, and knows how to open.
type planted struct {
	w      *harness.World
	db     *sql.DB
	sealer vault.Sealer
	tenant string
	refs   []connection.Ref
}

// writable opens the database beside its server.
func writable(t *testing.T, d *harness.Database) *sql.DB {
	t.Helper()
	if d.Engine == harness.Postgres {
		db := d.Open(t)
		db.SetMaxOpenConns(1) // the wall knows the tenant by the connection
		return db
	}
	db, err := sql.Open("sqlite", "file:"+d.File+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// plant writes n connections, sealed as a server would.
func plant(t *testing.T, w *harness.World, db *sql.DB, sealer vault.Sealer, n int) planted {
	t.Helper()
	p := planted{w: w, db: db, sealer: sealer, tenant: harness.Strings(t, db, "select uid from tenants")[0]}
	if w.DB.Engine == harness.Postgres {
		harness.Strings(t, db, "select set_config('chancery.tenant', '"+p.tenant+"', false)")
	}
	// What has no owner or no provider any more is ended by the server.
	w.Apply(w.Server(), object("Provider", "github", "manifest: github, client_id: x, client_secret: {env: GITHUB}"))
	uid := func(kind, name string) string {
		return harness.Strings(t, db, "select uid from objects where kind = '"+kind+"' and name = '"+name+"'")[0]
	}
	owner, github := uid("User", "alice"), uid("Provider", "github")
	now := time.Now()
	for i := range n {
		ref := connection.Ref{Tenant: p.tenant, ID: connection.NewID(now.Add(time.Duration(i) * time.Millisecond)), Owner: connection.Owner{Kind: connection.User, UID: owner}, Provider: github}
		s, err := connection.Seal(t.Context(), sealer, ref, 1, credential(i), now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.ExecContext(t.Context(), `insert into connections (tenant_uid, id, owner_kind, owner_uid, provider_uid, account_id, account_label, scopes, status, reason, version, credential, key_id, sealed_at, refresh_state, created_at, updated_at)
values ($1, $2, 'user', $3, $4, $8, 'alice', '[]', 'connected', '', 1, $5, $6, $7, 'idle', $7, $7)`,
			ref.Tenant, ref.ID, ref.Owner.UID, ref.Provider, s.Blob, s.KeyID, now.UnixMicro(), fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		p.refs = append(p.refs, ref)
	}
	return p
}

func credential(i int) provider.Credential {
	return provider.Credential{Access: provider.NewSecret(fmt.Sprintf("access-%d", i)), Refresh: provider.NewSecret(fmt.Sprintf("refresh-%d", i))}
}

// open opens all of them out of the table (I4).
func (p planted) open(t *testing.T) {
	t.Helper()
	for i, ref := range p.refs {
		s := connection.Stored{Connection: connection.Connection{Ref: ref}}
		if err := p.db.QueryRowContext(t.Context(), "select version, credential from connections where id = $1", ref.ID).Scan(&s.Version, &s.Blob); err != nil {
			t.Fatal(err)
		}
		c, err := connection.Open(t.Context(), p.sealer, ref, s)
		if err != nil || c.Access.Reveal() != fmt.Sprintf("access-%d", i) {
			t.Fatalf("connection %d does not open any more: %v", i, err)
		}
	}
}

func (p planted) under(t *testing.T, keyID string) int {
	t.Helper()
	return harness.Count(t, p.db, "select count(*) from connections where key_id = '"+keyID+"'")
}

type keyRow struct {
	ID     string `json:"id"`
	Seals  bool   `json:"seals"`
	Sealed int    `json:"sealed"`
	Soon   int    `json:"soon"`
}

func vaultKeys(t *testing.T, w *harness.World) map[string]keyRow {
	t.Helper()
	o := w.Run("keys", "list", "--keyring", "--output", "json")
	var listed struct {
		Keys []keyRow `json:"keys"`
	}
	if err := json.Unmarshal([]byte(o.Stdout), &listed); err != nil || o.Status != 0 {
		t.Fatalf("%v %v", err, o)
	}
	all := map[string]keyRow{}
	for _, k := range listed.Keys {
		all[k.ID] = k
	}
	return all
}

// F9 with the keyring: it is rotated under a running server, a rewrap is killed half-way and goes on, an old key is kept
// while something needs it, and everything opens all the time.
func TestRewrapKeyring(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e, Config: map[string]any{"refresh.idle": "1s", "refresh.absolute": "1s", "refresh.grace": "1s"}})
		ring, err := keyring.Load(filepath.Join(w.Folder, "keyring"))
		if err != nil {
			t.Fatal(err)
		}
		p := plant(t, w, writable(t, w.DB), ring, 60)
		old := ring.Keys()[0].ID
		if o := w.Run("keys", "rotate", "--keyring"); o.Status != 0 {
			t.Fatal(o)
		}
		if o := w.Run("keys", "retire", "--keyring", old); o.Status == 0 || !strings.Contains(o.String(), "vault rewrap") {
			t.Fatalf("a key that seals 60 secrets and more is gone: %v", o)
		}
		killHalfWay(t, w, p, old)
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		rewrapAll(t, w)
		if n := p.under(t, old); n != 0 {
			t.Fatalf("%d connections are left under the old key", n)
		}
		p.open(t)
		if k := vaultKeys(t, w)[old]; k.Sealed != 0 {
			t.Fatalf("%+v", k)
		}
		harness.Eventually(t, 10*time.Second, "the old key is ended", func() bool { return w.Run("keys", "retire", "--keyring", old).Status == 0 })
		w.Server().Kill()
		w.Server().Restart()
		w.Server().WaitReady()
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		if err := ring.Reload(); err != nil || len(ring.Keys()) != 1 {
			t.Fatalf("%v, %d keys", err, len(ring.Keys()))
		}
		p.open(t)
	})
}

// killHalfWay rewraps some, and kills the server in between.
func killHalfWay(t *testing.T, w *harness.World, p planted, old string) {
	t.Helper()
	after := ""
	for range 6 {
		a := w.AdminRequest(http.MethodPost, "/admin/v1/vault/rewrap?limit=7&cursor="+after, nil)
		var step struct {
			Next string `json:"next"`
		}
		if err := json.Unmarshal([]byte(a.Body), &step); err != nil || a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
		after = step.Next
	}
	if n := p.under(t, old); n == 0 || n == len(p.refs) {
		t.Fatalf("%d of %d: that is not half-way", n, len(p.refs))
	}
	w.Server().Kill()
	p.open(t)
	w.Server().Restart()
	w.Server().WaitReady()
	p.open(t)
}

func rewrapAll(t *testing.T, w *harness.World) {
	t.Helper()
	o := w.Run("vault", "rewrap", "--batch", "25", "--output", "json")
	var done struct {
		Rewrapped int `json:"rewrapped"`
		Failed    int `json:"failed"`
	}
	if err := json.Unmarshal([]byte(o.Stdout), &done); err != nil || o.Status != 0 || done.Rewrapped == 0 || done.Failed != 0 {
		t.Fatalf("%v %v", err, o)
	}
}

// F9 with Transit: the key is rotated in Vault, a rewrap is killed half-way and goes on with one call a batch, and then
// min_decryption_version is raised; raised too early, nothing is lost and it is said.
func TestRewrapTransit(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		double := transittest.Start(t)
		file, token := tokenFile(t, double, 0)
		w := harness.Start(t, harness.Options{Engine: e, Config: sealedBy(double, file)})
		client, err := transit.New(transit.Config{
			Address: double.URL, Mount: "transit", Key: "chancery", Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Auth: transit.TokenAuth{Token: func() (string, error) { return token, nil }},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		p := plant(t, w, writable(t, w.DB), client, 60)
		double.Rotate("chancery", 1)
		p.open(t)
		killHalfWay(t, w, p, "transit:v1")

		double.MinDecrypt("chancery", 2) // too early: half of them are under the first version
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
		if o := w.Run("doctor"); !strings.Contains(o.String(), "min_decryption_version") {
			t.Errorf("the doctor does not tell: %v", o)
		}
		if o := w.Run("vault", "rewrap"); o.Status == 0 {
			t.Errorf("all is well: %v", o)
		}
		double.MinDecrypt("chancery", 1) // nothing was lost
		p.open(t)

		before := double.Calls("/rewrap/")
		rewrapAll(t, w)
		if calls := double.Calls("/rewrap/") - before; calls > 8 {
			t.Errorf("%d calls to move %d connections and some keys, 25 at a time", calls, len(p.refs))
		}
		double.MinDecrypt("chancery", 2)
		p.open(t)
		w.Server().Kill()
		w.Server().Restart()
		w.Server().WaitReady()
		w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
	})
}
