package oidc_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// Many people at once are one request for metadata and one for keys.
func TestManyAtOnce(t *testing.T) {
	s := newSite(t)
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			target, departure, err := s.rp.Begin(t.Context(), owner, s.entry, oidc.Ask{LoginHint: idptest.Bob})
			if err != nil {
				t.Error(err)
				return
			}
			answer, err := oidc.ParseAnswer(s.visit(target))
			if err != nil {
				t.Error(err)
				return
			}
			if signedIn, err := s.rp.Finish(t.Context(), owner, s.entry, answer, departure); err != nil || signedIn.Sub() != "00u2bob" {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.idp.Requests(idptest.PathDiscovery); n > 2 { // that of the keys is another
		t.Errorf("%d requests for metadata", n)
	}
	if n := s.idp.Requests(idptest.PathKeys); n != 1 {
		t.Errorf("%d requests for keys", n)
	}
}

// M1, M2, M10: of go-oidc, what finds the discovery document is used, and nothing that
// decodes tokens or fetches keys.
func TestLibraryDecodesNoToken(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := []string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if on, ok := selector.X.(*ast.Ident); ok && on.Name == "oidclib" {
				used = append(used, selector.Sel.Name)
			}
			return true
		})
	}
	slices.Sort(used)
	if want := []string{"ClientContext", "IssuerMismatchError", "NewProvider"}; !slices.Equal(slices.Compact(used), want) {
		t.Errorf("uses %v of go-oidc, want %v", used, want)
	}
}

// M1: what the library would read otherwise is refused; it would sign in admin.
func TestPayloadsOfTheLibrary(t *testing.T) {
	for _, payload := range []string{`,"Sub":"admin"}`, `,"\u017fub":"admin"}`, `,"sub":"admin"}`, `,"AUD":"evil"}`, `,"ISS":"https://evil.example"}`, `,"Email_Verified":true}`} {
		s := newSite(t)
		s.idp.BreakIDTokens(&idptest.Mutation{Break: func(d *idptest.Draft, p *idptest.IdP) {
			signed, err := d.Sign()
			if err != nil {
				t.Error(err)
			}
			claims, err := decodeClaims(signed)
			if err != nil {
				t.Error(err)
			}
			d.RawClaims = append(claims[:len(claims)-1], payload...)
		}})
		_, err := s.signIn(oidc.Ask{})
		wantCode(t, err, federation.CodeClaimMalformed)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add("state=s&code=c&iss=https%3A%2F%2Fidp.example")
	f.Add("state=s&error=access_denied&error_description=%0d%0a")
	f.Add("code=&state=&iss=")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		answer, err := oidc.ParseAnswer(values)
		if err == nil && ((values.Get("code") == "") == (values.Get("error") == "") || len(values["state"]) > 1 || len(values["iss"]) > 1) {
			t.Errorf("%q was read as %v", query, answer)
		}
	})
}

func BenchmarkVerifyLogout(b *testing.B) {
	idp, err := idptest.New(idptest.Options{Issuer: "https://idp.example", Now: func() time.Time { return noon }})
	if err != nil {
		b.Fatal(err)
	}
	compact, err := idp.LogoutToken(idptest.Alice, client)
	if err != nil {
		b.Fatal(err)
	}
	now := func() time.Time { return noon }
	keys := jwks.NewCache(nil, now)
	b.Cleanup(keys.Close)
	rp, entry := oidc.New(nowhere{}, keys, now), entryFor("https://idp.example", "idp")
	entry.Provider.Keys.Inline = idp.Keys()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rp.VerifyLogout(b.Context(), owner, entry, compact); err != nil {
			b.Fatal(err)
		}
	}
}
