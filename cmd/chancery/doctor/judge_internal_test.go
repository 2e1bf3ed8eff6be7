package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/migrations"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func load(t *testing.T, flags map[string]any) *config.Loaded {
	t.Helper()
	l, err := config.Load(config.Sources{File: os.DevNull, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func doctorOf(t *testing.T, flags map[string]any) *Doctor {
	t.Helper()
	return &Doctor{Config: Config{Loaded: load(t, flags), HTTP: http.DefaultClient, Now: func() time.Time { return now }}}
}

func (d *Doctor) want(t *testing.T, status Status, text string) {
	t.Helper()
	last := d.report.Rows[len(d.report.Rows)-1]
	if last.Status != status || !strings.Contains(last.Seen+" "+last.Do, text) {
		t.Errorf("%+v, want %s %q", last, status, text)
	}
	if (status == Fail || status == Warn) != (last.Do != "") {
		t.Errorf("%+v: what to do?", last)
	}
}

func TestKeysAreJudged(t *testing.T) {
	active := keys.Row{KeyID: "a", Algorithm: keys.ES256, State: keys.Active, ActiveAt: now.Add(-time.Hour)}
	tests := []struct {
		name, tenant string
		rows         []keys.Row
		status       Status
		text         string
	}{
		{"one that signs", "default", []keys.Row{active}, OK, "ES256 since 2026-11-21T11:00:00Z"},
		{"and its successor", "default", []keys.Row{active, {Algorithm: keys.ES256, State: keys.Prepared, ActiveAt: now.Add(time.Minute)}}, OK, "1 prepared"},
		{"a successor whose time has come", "default", []keys.Row{{Algorithm: keys.ES256, State: keys.Prepared, ActiveAt: now.Add(-time.Minute)}}, OK, "since 2026-11-21T11:59:00Z"},
		{"none", "default", nil, Fail, "no key signs"},
		{"none yet", "acme", nil, Skipped, "its first token"},
		{"only a revoked one", "acme", []keys.Row{{Algorithm: keys.ES256, State: keys.Revoked, ActiveAt: now.Add(-time.Hour)}}, Fail, "no key signs"},
		{"only a retiring one", "default", []keys.Row{{Algorithm: keys.ES256, State: keys.Retiring, ActiveAt: now.Add(-time.Hour)}}, Fail, "no key signs"},
		{"one that was not followed", "default", []keys.Row{{Algorithm: keys.ES256, State: keys.Active, ActiveAt: now.Add(-722 * time.Hour)}}, Warn, "ES256 is past keys.rotate_every"},
		{"one of two that was not followed", "default", []keys.Row{active, {Algorithm: keys.RS256, State: keys.Active, ActiveAt: now.Add(-722 * time.Hour)}}, Warn, "RS256 is past"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := doctorOf(t, nil)
			d.judgeKeys("keys", test.tenant, test.rows, false)
			d.want(t, test.status, test.text)
		})
	}
}

func TestIdPsAreJudged(t *testing.T) {
	row := func(check string, status diagnose.Status, change string) diagnose.Row {
		return diagnose.Row{Check: check, Status: status, Seen: "seen " + check, Change: change}
	}
	for name, test := range map[string]struct {
		rows   []diagnose.Row
		status Status
		text   string
	}{
		"passed":             {[]diagnose.Row{row("dns", diagnose.Pass, ""), row("proxy", diagnose.Skipped, "")}, OK, "1 checks passed"},
		"a warning":          {[]diagnose.Row{row("dns", diagnose.Pass, ""), row("certificate", diagnose.Warn, "renew")}, Warn, "certificate : seen certificate renew"},
		"a failure after it": {[]diagnose.Row{row("certificate", diagnose.Warn, "renew"), row("keys", diagnose.Fail, "")}, Fail, "chancery idp test okta"},
		"the first failure":  {[]diagnose.Row{row("tcp", diagnose.Fail, "open the port"), row("keys", diagnose.Fail, "no")}, Fail, "open the port"},
	} {
		t.Run(name, func(t *testing.T) {
			d := doctorOf(t, nil)
			d.tellIdP("idp okta", "okta", test.rows)
			d.want(t, test.status, test.text)
		})
	}
}

func TestCertificate(t *testing.T) {
	tests := []struct {
		name, host string
		from, to   time.Duration
		status     Status
		text       string
	}{
		{"good", "auth.acme.com", -time.Hour, 90 * 24 * time.Hour, OK, "ends at"},
		{"near its end", "auth.acme.com", -time.Hour, 10 * 24 * time.Hour, Warn, "renew it"},
		{"ended", "auth.acme.com", -2 * time.Hour, -time.Hour, Fail, "renew it"},
		{"not begun", "auth.acme.com", time.Hour, 2 * time.Hour, Fail, "renew it"},
		{"of another", "other.acme.com", -time.Hour, 90 * 24 * time.Hour, Fail, "it is not for auth.acme.com"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			folder := t.TempDir()
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(test.from), NotAfter: now.Add(test.to), DNSNames: []string{test.host}}
			der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			private, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			for name, block := range map[string]*pem.Block{"c": {Type: "CERTIFICATE", Bytes: der}, "k": {Type: "PRIVATE KEY", Bytes: private}} {
				if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d := doctorOf(t, map[string]any{"server.public_url": "https://auth.acme.com", "server.tls.cert": folder + "/c", "server.tls.key": folder + "/k"})
			d.certificate()
			d.want(t, test.status, test.text)
		})
	}
}

// TestPublic: what is in front of a server may break what it says.
func TestPublic(t *testing.T) {
	var issuer string
	good := map[string]any{
		"grant_types_supported":                  []string{"urn:ietf:params:oauth:grant-type:jwt-bearer"},
		"authorization_grant_profiles_supported": []string{"urn:ietf:params:oauth:grant-profile:id-jag"},
	}
	const set = `{"keys":[{"kty":"EC","crv":"P-256","kid":"a","alg":"ES256","use":"sig","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	tests := []struct {
		name   string
		change func(metadata map[string]any)
		keys   string
		row    string
		status Status
		text   string
	}{
		{"as it should be", nil, set, "public keys", OK, "published: 1"},
		{"as it should be", nil, set, "public", OK, "offers ID-JAGs"},
		{"no metadata", func(m map[string]any) { clear(m) }, set, "public", Fail, "the metadata says issuer \"\""},
		{"another issuer", func(m map[string]any) { m["issuer"] = issuer + "/" }, set, "public", Fail, "the metadata says issuer"},
		{"no profile", func(m map[string]any) { delete(m, "authorization_grant_profiles_supported") }, set, "public", Fail, "does not offer ID-JAGs"},
		{"no grant", func(m map[string]any) { m["grant_types_supported"] = []string{"client_credentials"} }, set, "public", Fail, "does not offer ID-JAGs"},
		{"another key set", func(m map[string]any) { m["jwks_uri"] = "https://evil.example/keys" }, set, "public keys", Fail, "another key set"},
		{"an empty key set", nil, `{"keys":[]}`, "public keys", Fail, "no usable key"},
		{"no key set", nil, "", "public keys", Fail, "404"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mux := http.NewServeMux()
			server := httptest.NewServer(mux)
			defer server.Close()
			issuer = server.URL
			metadata := map[string]any{"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json"}
			maps.Copy(metadata, good)
			if test.change != nil {
				test.change(metadata)
			}
			mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(metadata) })
			if test.keys != "" {
				mux.HandleFunc("/.well-known/jwks.json", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, test.keys) })
			}
			d := doctorOf(t, map[string]any{"server.public_url": issuer})
			d.public(t.Context())
			for _, row := range d.report.Rows {
				if row.Check == test.row && (row.Status != test.status || !strings.Contains(row.Seen, test.text)) {
					t.Errorf("%+v, want %s %q", row, test.status, test.text)
				}
			}
		})
	}
}

// TestAuditIsJudged: writers that ended without a word are told of, on a real database.
func TestAuditIsJudged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := store.Open(t.Context(), store.Config{URL: "sqlite://" + path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := migrations.Up(t.Context(), s.SQL(), migrations.SQLite); err != nil {
		t.Fatal(err)
	}
	d := doctorOf(t, nil)
	if d.db, err = store.OpenToRead(t.Context(), store.Config{URL: "sqlite://" + path}); err != nil {
		t.Fatal(err)
	}
	defer d.close()
	run := func(statement string) {
		t.Helper()
		if _, err := s.SQL().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		d.audit(t.Context())
	}
	const micros = "cast(unixepoch('subsec') * 1000000 as integer)"
	run("select 1")
	d.want(t, OK, "nothing was recorded yet")
	run("insert into audit_writers (id, anchor, started_at, seq, link, seen_at) values ('a', x'00', 1, 3, x'00', " + micros + ")")
	d.want(t, Warn, "no checkpoint was written yet")
	run("insert into audit_checkpoints (number, at, body, hash, kid, signature) values (1, " + micros + ", '{}', x'00', 'k', 's')")
	d.want(t, OK, "checkpoint 1 is 0s old, 1 writers")
	run("insert into audit_writers (id, anchor, started_at, seq, link, seen_at) values ('b', x'00', 1, 3, x'00', 1)")
	d.want(t, Fail, "1 writers are dead and not sealed, while 1 live")
	run("update audit_writers set seen_at = 1")
	d.want(t, Warn, "2 writers ended without a last checkpoint")
	run("drop table audit_checkpoints")
	d.want(t, Fail, "chancery migrate up")
	if _, err := d.db.SQL().ExecContext(t.Context(), "delete from audit_writers"); err == nil {
		t.Error("what is opened to read was written")
	}
}

func TestClockIsJudged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for apart, status := range map[time.Duration]Status{0: OK, 10 * time.Second: Warn, -time.Minute: Fail} {
		d := doctorOf(t, map[string]any{"database.url": "sqlite://" + path})
		d.Now = func() time.Time { return time.Now().Add(apart) }
		var err error
		if d.db, err = store.OpenToRead(t.Context(), store.Config{URL: "sqlite://" + path}); err != nil {
			t.Fatal(err)
		}
		d.clock(t.Context())
		if last := d.report.Rows[len(d.report.Rows)-1]; last.Status != status {
			t.Errorf("%s: %+v", apart, last)
		}
		d.close()
	}
}

func TestRunRefuses(t *testing.T) {
	if _, err := Run(t.Context(), Config{}); err == nil {
		t.Error("a doctor that looks at nothing")
	}
	if _, err := Egress(t.Context(), Config{}); err == nil {
		t.Error("a list of nothing")
	}
}
