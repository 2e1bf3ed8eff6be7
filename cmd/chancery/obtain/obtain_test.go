package obtain_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/obtain"
)

// server is a resource and an authorization server in one; SELF in an answer is where it is.
type server struct {
	*httptest.Server
	answers map[string]answer
	asked   []string
	form    string
}

type answer struct {
	status    int
	challenge string
	body      string
}

func serve(t *testing.T, answers map[string]answer) *server {
	t.Helper()
	s := &server{answers: answers}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			s.form = string(body) + " " + r.Header.Get("Authorization")
		}
		a, known := s.answers[r.URL.Path]
		if !known {
			http.NotFound(w, r)
			return
		}
		if a.challenge != "" {
			w.Header().Set("WWW-Authenticate", strings.ReplaceAll(a.challenge, "SELF", s.URL))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		fmt.Fprint(w, strings.ReplaceAll(a.body, "SELF", s.URL))
	}))
	t.Cleanup(s.Close)
	return s
}

const (
	place    = "/.well-known/oauth-protected-resource/mcp"
	document = `{"resource":"SELF/mcp","authorization_servers":["SELF"],"scopes_supported":["b","a"]}`
)

func TestDescribe(t *testing.T) {
	good := answer{http.StatusOK, "", document}
	for name, c := range map[string]struct {
		answers map[string]answer
		wrong   error // nil: it is described
	}{
		"at its well-known place": {map[string]answer{place: good}, nil},
		"by its challenge":        {map[string]answer{"/mcp": {401, `Bearer resource_metadata="SELF/elsewhere", scope="a"`, ""}, "/elsewhere": good}, nil},
		"by a second challenge":   {map[string]answer{"/mcp": {401, `DPoP algs="ES256", resource_metadata="SELF/elsewhere"`, ""}, "/elsewhere": good}, nil},
		"nowhere":                 {map[string]answer{"/mcp": {401, `Bearer realm="x"`, ""}}, obtain.ErrUndescribed},
		"nothing there":           {map[string]answer{"/mcp": {401, `Bearer resource_metadata="SELF/elsewhere"`, ""}}, obtain.ErrUndescribed},
		"of another resource":     {map[string]answer{place: {200, "", strings.Replace(document, "SELF/mcp", "SELF/other", 1)}}, obtain.ErrMisdescribed},
		"of a longer one":         {map[string]answer{place: {200, "", strings.Replace(document, "SELF/mcp", "SELF/mcp/", 1)}}, obtain.ErrMisdescribed},
		"of nothing":              {map[string]answer{place: {200, "", `{"authorization_servers":["SELF"]}`}}, obtain.ErrMisdescribed},
		"no JSON":                 {map[string]answer{place: {200, "", "<html>"}}, obtain.ErrMisdescribed},
		"a name twice":            {map[string]answer{place: {200, "", `{"resource":"SELF/x","resource":"SELF/mcp"}`}}, obtain.ErrMisdescribed},
		"too large":               {map[string]answer{place: {200, "", document + strings.Repeat(" ", 64<<10)}}, obtain.ErrMisdescribed},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answers)
			d, err := obtain.Describe(t.Context(), s.Client(), s.URL+"/mcp")
			if c.wrong != nil {
				if !errors.Is(err, c.wrong) {
					t.Errorf("%v, want %v", err, c.wrong)
				}
				return
			}
			if err != nil || len(d.Issuers) != 1 || d.Issuers[0] != s.URL || len(d.Scopes) != 2 || d.Scopes[0] != "a" {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
	for _, bad := range []string{"", "notes", "http://notes.example/mcp", "https://a@notes.example", "https://notes.example/#x", "ftp://notes.example"} {
		if _, err := obtain.Describe(t.Context(), http.DefaultClient, bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	// Text of a stranger is neither shown nor offered for pasting as an issuer.
	for _, bad := range []string{`https://a.example/$(id)`, `https://a.example/;id`, "https://a.example/ --dpop", `https://a.example/\u001b[2J`, "a.example", "http://a.example"} {
		s := serve(t, map[string]answer{place: {200, "", strings.Replace(document, `["SELF"]`, `["`+bad+`"]`, 1)}})
		if d, err := obtain.Describe(t.Context(), s.Client(), s.URL+"/mcp"); !errors.Is(err, obtain.ErrMisdescribed) {
			t.Errorf("%q passes: %+v %v", bad, d, err)
		}
	}
	// A resource of the network sends nobody to their own machine.
	inner := serve(t, map[string]answer{"/x": {200, "", document}})
	outer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+inner.URL+`/x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(outer.Close)
	if _, err := obtain.Describe(t.Context(), outer.Client(), outer.URL+"/mcp"); err == nil || len(inner.asked) > 0 {
		t.Errorf("%v, asked %v", err, inner.asked)
	}
	// A challenge that leads away over plain http is not followed.
	s := serve(t, map[string]answer{"/mcp": {401, `Bearer resource_metadata="http://metadata.example/x"`, ""}})
	if _, err := obtain.Describe(t.Context(), s.Client(), s.URL+"/mcp"); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Error(err)
	}
}

// whole answers everything with success.
func whole() map[string]answer {
	return map[string]answer{
		place: {200, "", document},
		"/.well-known/oauth-authorization-server": {200, "", `{"issuer":"SELF","token_endpoint":"SELF/token"}`},
		"/token": {200, "", `{"access_token":"at","token_type":"Bearer","expires_in":600,"scope":"a"}`},
	}
}

func program() obtain.Identity {
	return obtain.Identity{ClientID: "svc", ClientSecret: secret.New("canary"), ClientCredentials: true}
}

func TestDo(t *testing.T) {
	s := serve(t, whole())
	who := program()
	who.Issuer = s.URL
	o, err := obtain.Do(t.Context(), obtain.Request{Resource: s.URL + "/mcp", Identity: who})
	if err != nil || o.Token.AccessToken != "at" || strings.Join(o.Asked, " ") != "a b" || strings.Join(o.Granted(), " ") != "a" || len(o.Legs) != 1 {
		t.Fatalf("%+v %v", o, err)
	}
	if !strings.Contains(s.form, "scope=a+b") || !strings.Contains(s.form, "grant_type=client_credentials") {
		t.Error(s.form)
	}
	if o, err = obtain.Do(t.Context(), obtain.Request{Resource: s.URL + "/mcp", Identity: who, Scopes: []string{"a"}}); err != nil || strings.Join(o.Asked, " ") != "a" {
		t.Errorf("%+v %v", o, err)
	}
}

// TestWhomASecretIsSentTo: a server that only the resource names gets no secret, and metadata that is another's is no issuer.
func TestWhomASecretIsSentTo(t *testing.T) {
	ask := func(s *server, who obtain.Identity) error {
		_, err := obtain.Do(t.Context(), obtain.Request{Resource: s.URL + "/mcp", Identity: who})
		return err
	}
	sent := func(s *server) bool {
		for _, request := range s.asked {
			if strings.HasPrefix(request, http.MethodPost) {
				return true
			}
		}
		return false
	}
	t.Run("a secret", func(t *testing.T) {
		s := serve(t, whole())
		if err := ask(s, program()); err == nil || !strings.Contains(err.Error(), "say --issuer "+s.URL) || sent(s) {
			t.Error(err, s.asked)
		}
	})
	t.Run("an assertion of a file", func(t *testing.T) {
		s := serve(t, whole())
		if err := ask(s, obtain.Identity{AssertionFile: "x"}); err == nil || !strings.Contains(err.Error(), "say --issuer "+s.URL) || sent(s) {
			t.Error(err, s.asked)
		}
	})
	t.Run("what is signed for it alone", func(t *testing.T) {
		s := serve(t, whole())
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(s, obtain.Identity{ClientID: "svc", ClientKey: key, ClientCredentials: true}); err != nil {
			t.Error(err)
		}
	})
	t.Run("an issuer that the resource denies", func(t *testing.T) {
		s := serve(t, whole())
		who := program()
		who.Issuer = "https://auth.example"
		if err := ask(s, who); err == nil || !strings.Contains(err.Error(), "takes no tokens of https://auth.example") || sent(s) {
			t.Error(err, s.asked)
		}
	})
	t.Run("a resource that says nothing", func(t *testing.T) {
		s := serve(t, whole())
		delete(s.answers, place)
		who := program()
		if err := ask(s, who); !errors.Is(err, obtain.ErrUndescribed) {
			t.Error(err)
		}
		who.Issuer = s.URL
		if err := ask(s, who); err != nil {
			t.Error(err)
		}
	})
	t.Run("a resource that says something wrong", func(t *testing.T) {
		s := serve(t, whole())
		s.answers[place] = answer{200, "", `{"resource":"https://other.example"}`}
		who := program()
		who.Issuer = s.URL
		if err := ask(s, who); !errors.Is(err, obtain.ErrMisdescribed) || sent(s) {
			t.Error(err)
		}
	})
	t.Run("two issuers", func(t *testing.T) {
		s := serve(t, whole())
		s.answers[place] = answer{200, "", strings.Replace(document, `["SELF"]`, `["SELF","https://b.example"]`, 1)}
		if err := ask(s, program()); err == nil || !strings.Contains(err.Error(), "https://b.example: say --issuer") {
			t.Error(err)
		}
	})
	t.Run("none", func(t *testing.T) {
		s := serve(t, whole())
		s.answers[place] = answer{200, "", strings.Replace(document, `["SELF"]`, `[]`, 1)}
		if err := ask(s, program()); err == nil || !strings.Contains(err.Error(), "no authorization server") {
			t.Error(err)
		}
	})
	t.Run("metadata of another issuer", func(t *testing.T) {
		s := serve(t, whole())
		s.answers["/.well-known/oauth-authorization-server"] = answer{200, "", `{"issuer":"SELF/","token_endpoint":"SELF/token"}`}
		who := program()
		who.Issuer = s.URL
		if err := ask(s, who); err == nil || sent(s) {
			t.Error(err, s.asked)
		}
	})
	t.Run("no secret in an error", func(t *testing.T) {
		s := serve(t, whole())
		s.answers["/token"] = answer{400, "", `{"error":"invalid_client","error_description":"no"}`}
		who := program()
		who.Issuer = s.URL
		err := ask(s, who)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, who), "canary") {
			t.Error(err)
		}
	})
}

func TestIdentityValidate(t *testing.T) {
	person := obtain.Identity{ClientID: "a", ClientSecret: secret.New("s"), IdPIssuer: "https://idp.example", IdPClientID: "b", Subject: secret.New("t")}
	for name, break1 := range map[string]func(*obtain.Identity){
		"no client":              func(i *obtain.Identity) { i.ClientID = "" },
		"no subject":             func(i *obtain.Identity) { i.Subject = secret.Text{} },
		"no IdP":                 func(i *obtain.Identity) { i.IdPIssuer = "" },
		"no client at the IdP":   func(i *obtain.Identity) { i.IdPClientID = "" },
		"also an assertion":      func(i *obtain.Identity) { i.AssertionFile = "x" },
		"also client_credential": func(i *obtain.Identity) { i.ClientCredentials = true },
		"nothing":                func(i *obtain.Identity) { *i = obtain.Identity{ClientID: "a"} },
		"nobody authenticates":   func(i *obtain.Identity) { *i = obtain.Identity{ClientID: "a", ClientCredentials: true} },
		"secret and key": func(i *obtain.Identity) {
			_, key, _ := ed25519.GenerateKey(rand.Reader)
			i.ClientKey = key
		},
	} {
		i := person
		break1(&i)
		if i.Validate() == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := person.Validate(); err != nil {
		t.Error(err)
	}
}

func TestParseKey(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	for _, key := range []any{ec, r, ed} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if _, err := obtain.ParseKey(encode("PRIVATE KEY", der, err)); err != nil {
			t.Errorf("%T: %v", key, err)
		}
	}
	der, err := x509.MarshalECPrivateKey(ec)
	if _, err := obtain.ParseKey(encode("EC PRIVATE KEY", der, err)); err != nil {
		t.Error(err)
	}
	if _, err := obtain.ParseKey(encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r), nil)); err != nil {
		t.Error(err)
	}
	public, err := x509.MarshalPKIXPublicKey(ec.Public())
	for _, bad := range [][]byte{nil, []byte("canary"), encode("PRIVATE KEY", []byte("canary"), nil), encode("PUBLIC KEY", public, err)} {
		if _, err := obtain.ParseKey(bad); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestProfile(t *testing.T) {
	p, err := obtain.ParseProfile([]byte("idps:\n  okta: {issuer: https://auth.acme.com, client: {id: notes, key_file: k.pem}, idp: {issuer: https://acme.okta.com, client_id: x}, subject_token: {file: t}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := p.Entry(""); err != nil || e.Client.ID != "notes" || e.IdP.ClientID != "x" {
		t.Error(e, err)
	}
	for _, bad := range []string{"", "idps: {}", "idps: {a: {client: {secret: inline}}}", "idp: {}", "[]", "idps: {a: {issuer: x}, a: {issuer: y}}"} {
		if _, err := obtain.ParseProfile([]byte(bad)); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	_, err = obtain.ParseProfile([]byte("idps: {a: {client: {secretfile: x}}}"))
	if err == nil || err.Error() != `line 1: unknown field "secretfile"` {
		t.Errorf("a field that is misspelt: %v", err)
	}
}
