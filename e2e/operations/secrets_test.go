package operations

import (
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// I5: no secret is in a log, an answer, the database or an export, plain or encoded.
func TestSecretsStaySecret(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := harness.Start(t, harness.Options{Engine: e})
		key := harness.NewSigner(t, "")
		canaries := map[string]string{"the admin credential": w.AdminToken, "the client secret": w.Secret}
		var answers strings.Builder
		send := func(c *harness.Call) harness.Answer {
			a := w.Send(w.Server(), c)
			if a.AccessToken == "" {
				answers.WriteString(a.Body)
			}
			return a
		}
		assertion := w.IdP.IDJAG(idptest.Alice)
		proof := key.Proof(w.Issuer+"/token", nil)
		c := w.NewCall(assertion)
		c.Header.Set("DPoP", proof)
		canaries["the access token"] = send(c).Granted(t).AccessToken
		canaries["the assertion"], canaries["the proof"] = assertion, proof
		send(w.NewCall(assertion))
		for name, m := range map[string]*harness.Call{
			"refused": w.NewCall(w.IdP.IDJAG(idptest.Eve)), "wrong": w.NewCall(w.IdP.IDJAG(idptest.Alice)).With("client_secret", "wrong-canary-5f2c9a7e41b8"),
			"basic":             w.NewCall(w.IdP.IDJAG(idptest.Alice)).Basic("claude", "basic-canary-8c1f0b6d3e97"),
			"misplaced":         w.NewCall(w.IdP.IDJAG(idptest.Alice)).With("client_id", "misplaced-canary").With("scope", `"`),
			"in the grant type": w.NewCall("x").With("grant_type", "grant-canary-71ab"),
		} {
			canaries["the assertion that was "+name] = m.Form.Get("assertion")
			send(m)
		}
		delete(canaries, "the assertion that was in the grant type")
		canaries["a wrong secret"], canaries["a wrong secret in a header"] = "wrong-canary-5f2c9a7e41b8", "basic-canary-8c1f0b6d3e97"
		send(w.NewCall(assertion[:len(assertion)-20]))
		bad := w.AdminRequest(http.MethodPut, "/admin/v1/clients/claude", []byte(`{"apiVersion":"chancery/v1","kind":"Client","metadata":{"name":"claude"},"spec":{"auth":{"method":"client_secret_post","secret":{"env":"X"},"secre":"`+w.Secret+`"}}}`))
		answers.WriteString(bad.Body)
		canaries["the database password"] = password(t, w.DB.URL)
		export := w.Run("audit", "export", "--out", filepath.Join(w.Folder, "export"))
		show := w.Run("config", "effective")
		w.Server().Stop()

		where := map[string]string{"the log": w.Server().Log(), "an answer": answers.String(), "the output of commands": export.String() + show.String()}
		text, err := os.ReadFile(filepath.Join(w.Folder, "export"))
		if err != nil {
			t.Fatal(err, export)
		}
		where["the export"] = string(text)
		maps.Copy(where, stored(t, w.DB))
		for what, canary := range canaries {
			if canary == "" {
				continue
			}
			for form, looks := range forms(canary) {
				for place, text := range where {
					if strings.Contains(text, looks) {
						t.Errorf("%s is in %s, %s", what, place, form)
					}
				}
			}
		}
	})
}

// forms are how a secret might be written down. Of a token, the signature is what makes it one.
func forms(canary string) map[string]string {
	if i := strings.LastIndexByte(canary, '.'); i > 0 {
		canary = canary[i+1:]
	}
	all := map[string]string{"plain": canary, "in hex": hex.EncodeToString([]byte(canary)), "escaped": url.QueryEscape(canary)}
	for offset := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", offset) + canary))
		all["in base64 at "+string(rune('0'+offset))] = strings.TrimRight(encoded[(offset*4+2)/3+1:len(encoded)-4], "=")
	}
	return all
}

func password(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	return secret
}

// stored is everything that the database keeps, as text.
func stored(t *testing.T, d *harness.Database) map[string]string {
	t.Helper()
	all := map[string]string{}
	if d.Engine == harness.SQLite {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			text, err := os.ReadFile(d.File + suffix)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			all["the file "+filepath.Base(d.File)+suffix] = string(text)
		}
		if len(all["the file chancery.db"]) == 0 {
			t.Fatal("there is no database file")
		}
		return all
	}
	db := d.Open(t)
	tables := harness.Strings(t, db, "select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'")
	if len(tables) < 10 {
		t.Fatalf("tables %v", tables)
	}
	for _, table := range tables {
		all["table "+table] = strings.Join(harness.Strings(t, db, "select t::text from "+table+" t"), "\n") // bytea in hex
	}
	return all
}
