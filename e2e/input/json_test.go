package input

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// document is a file of JSONTestSuite: y_ must parse, n_ must be refused, i_ either.
type document struct {
	name string
	text []byte
}

func (d document) bad() bool  { return strings.HasPrefix(d.name, "n_") }
func (d document) good() bool { return strings.HasPrefix(d.name, "y_") }

func documents(t *testing.T) []document {
	t.Helper()
	corpora := os.Getenv("CHANCERY_CORPORA")
	if corpora == "" {
		t.Skip("CHANCERY_CORPORA is not set: JSONTestSuite is not here")
	}
	files, err := filepath.Glob(filepath.Join(corpora, "jsontestsuite", "test_parsing", "*.json"))
	if err != nil || len(files) < 300 {
		t.Fatalf("%d documents, %v", len(files), err)
	}
	all := make([]document, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, document{strings.TrimSuffix(filepath.Base(file), ".json"), text})
	}
	return all
}

// entry is a place where JSON from outside is read. send presents a text there.
type entry struct {
	name string
	send func(t *testing.T, text []byte) harness.Answer
	// wrap puts a document into an otherwise valid text; then what is good is accepted.
	wrap func(document []byte) []byte
}

// strict are documents that RFC 8259 allows and we refuse everywhere.
var strict = []string{
	"y_object_duplicated_key", "y_object_duplicated_key_and_value", // two readers may understand them differently (T6)
	"y_object_escaped_null_in_key", "y_string_null_escape", // U+0000 ends a text for some readers, and PostgreSQL keeps none
}

func TestJSON(t *testing.T) {
	all := documents(t)
	client, proof := harness.NewSigner(t, "client-1"), harness.NewSigner(t, "")
	objects := strings.Replace(harness.DefaultIdP, "clients: [claude]", "clients: [claude, keyed]", 1) + harness.DefaultClient +
		harness.DefaultResource + harness.DefaultPeople + harness.DefaultPolicy + `
apiVersion: chancery/v1
kind: Client
metadata: {name: keyed}
spec:
  auth: {method: private_key_jwt, jwks: ` + client.Set() + `}
  grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
  scopes: [notes:read]
  resources: [notes]
`
	each(t, harness.Options{Objects: objects, Config: map[string]any{"log.level": "info"}}, func(t *testing.T, w *harness.World) {
		for _, e := range entries(t, w, client, proof) {
			t.Run(e.name, func(t *testing.T) {
				for _, d := range all {
					check(t, e.name+" raw", d, e.send(t, d.text), false)
					check(t, e.name+" member", d, e.send(t, e.wrap(d.text)), true)
				}
			})
		}
		if w.Server().Ready() != http.StatusOK {
			t.Error("the server is not ready any more")
		}
	})
}

func check(t *testing.T, where string, d document, a harness.Answer, wrapped bool) {
	t.Helper()
	switch {
	case a.Status >= 500:
		t.Errorf("%s %s: %d %.300s", where, d.name, a.Status, a.Body)
	case d.bad() && a.Status < 400:
		t.Errorf("%s %s: accepted: %.300s", where, d.name, a.Body)
	case wrapped && slices.Contains(strict, d.name) && a.Status < 400:
		t.Errorf("%s %s: accepted: %.300s", where, d.name, a.Body)
	case wrapped && d.good() && !slices.Contains(strict, d.name) && a.Status >= 400:
		t.Errorf("%s %s: refused: %d %.300s", where, d.name, a.Status, a.Body)
	}
}

// last replaces the closing brace of an object by one more member.
func last(object any, name string, value []byte) []byte {
	encoded, err := json.Marshal(object)
	if err != nil {
		panic(err) // strings and numbers
	}
	text := append(bytes.TrimSuffix(encoded, []byte("}")), fmt.Sprintf(",%q:", name)...)
	return append(append(text, value...), '}')
}

func entries(t *testing.T, w *harness.World, client, proof *harness.Signer) []entry {
	t.Helper()
	draft := func() *idptest.Draft {
		d, err := w.IdP.Draft(idptest.Alice)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	redeem := func(t *testing.T, change func(*idptest.Draft)) harness.Answer {
		t.Helper()
		d := draft()
		change(d)
		compact, err := d.Sign()
		if err != nil {
			t.Fatal(err)
		}
		return w.Redeem(compact)
	}
	jti := 0
	fresh := func() string { jti++; return fmt.Sprintf("%s-%d", t.Name(), jti) }
	clientClaims := func() map[string]any {
		return map[string]any{"iss": "keyed", "sub": "keyed", "aud": w.Issuer, "jti": fresh(), "exp": time.Now().Unix() + 60}
	}
	proofClaims := func() map[string]any {
		return map[string]any{"jti": fresh(), "htm": "POST", "htu": w.Issuer + "/token", "iat": time.Now().Unix()}
	}
	clientHeader := map[string]any{"typ": "JWT", "alg": "ES256", "kid": "client-1"}
	jwk := proof.JWK()
	delete(jwk, "kid")
	delete(jwk, "use")
	delete(jwk, "alg")
	proofHeader := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
	asKeyed := func(t *testing.T, header, claims []byte) harness.Answer {
		t.Helper()
		c := w.NewCall(w.IdP.IDJAG(idptest.Alice, idptest.WithClientID("keyed"))).With("client_id").With("client_secret")
		c.With("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		return w.Send(w.Server(), c.With("client_assertion", client.SignRaw(header, claims)))
	}
	withProof := func(t *testing.T, header, claims []byte) harness.Answer {
		t.Helper()
		c := w.NewCall(w.IdP.IDJAG(idptest.Alice))
		c.Header.Set("DPoP", proof.SignRaw(header, claims))
		return w.Send(w.Server(), c)
	}
	encode := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	user := func(document []byte) []byte {
		return slices.Concat([]byte(`{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"json"},"spec":{"attributes":{"a":`), document, []byte(`}}}`))
	}
	admin := func(method, path string) func(*testing.T, []byte) harness.Answer {
		return func(t *testing.T, text []byte) harness.Answer {
			t.Helper()
			return w.AdminRequest(method, path, text)
		}
	}
	return []entry{
		{
			"assertion header",
			func(t *testing.T, text []byte) harness.Answer {
				return redeem(t, func(d *idptest.Draft) { d.RawHeader = text })
			},
			func(document []byte) []byte { return last(draft().Header, "x", document) },
		},
		{
			"assertion claims",
			func(t *testing.T, text []byte) harness.Answer {
				return redeem(t, func(d *idptest.Draft) { d.RawClaims = text })
			},
			func(document []byte) []byte { return last(draft().Claims, "x", document) },
		},
		{
			"client assertion header",
			func(t *testing.T, text []byte) harness.Answer { return asKeyed(t, text, encode(clientClaims())) },
			func(document []byte) []byte { return last(clientHeader, "x", document) },
		},
		{
			"client assertion claims",
			func(t *testing.T, text []byte) harness.Answer { return asKeyed(t, encode(clientHeader), text) },
			func(document []byte) []byte { return last(clientClaims(), "x", document) },
		},
		{
			"proof header",
			func(t *testing.T, text []byte) harness.Answer { return withProof(t, text, encode(proofClaims())) },
			func(document []byte) []byte { return last(proofHeader, "x", document) },
		},
		{
			"proof claims",
			func(t *testing.T, text []byte) harness.Answer { return withProof(t, encode(proofHeader), text) },
			func(document []byte) []byte { return last(proofClaims(), "x", document) },
		},
		{"admin PUT", admin(http.MethodPut, "/admin/v1/users/json"), user},
		{"admin apply", admin(http.MethodPost, "/admin/v1/apply"), func(document []byte) []byte {
			return slices.Concat([]byte("["), user(document), []byte("]"))
		}},
	}
}
