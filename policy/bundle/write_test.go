package bundle

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/rego"
)

const module = `package chancery.authz

decision := {"allow": true, "scopes": input.requested.scopes} if input.client.name in data.policy.clients
`

const moduleTest = `package chancery.authz_test

import data.chancery.authz

test_listed if authz.decision.allow with input as {"client": {"name": "claude"}, "requested": {"scopes": []}}

test_others if not authz.decision with input as {"client": {"name": "other"}, "requested": {"scopes": []}}
`

// notes is a policy that uses every member.
func notes() policy.Source {
	return policy.Source{
		Name: "notes", Revision: 7, Role: policy.RoleGrant, Binds: policy.BindsTenant,
		Resources: []string{"notes"}, Actions: []string{"issue", "refresh"},
		Modules:    map[string]string{"notes.rego": module},
		Tests:      map[string]string{"notes_test.rego": moduleTest},
		Data:       map[string]any{"clients": []any{"claude"}, "most": json.Number("9007199254740993"), "<&>": json.Number("1.0")},
		DataSchema: map[string]any{"type": "object", "required": []any{"clients"}, "maxProperties": json.Number("3")},
	}
}

func signingKey(t testing.TB, algorithm string) (SigningKey, []byte) {
	t.Helper()
	var key any
	var err error
	switch algorithm {
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	signing, err := ParseSigningKey("", text)
	if err != nil {
		t.Fatal(err)
	}
	return signing, text
}

func written(t testing.TB, src policy.Source, key SigningKey) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, src, key); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	template := policy.Source{
		Name: "groups", Role: policy.RoleGrant, Template: "group-scopes",
		Data: map[string]any{"grants": []any{map[string]any{"groups": []any{"g"}, "resource": "notes", "scopes": []any{"notes:read"}}}},
	}
	tested := template
	tested.Tests = map[string]string{"policy_test.rego": moduleTest, "more_test.rego": moduleTest}
	same := template // a test of one's own that is the template's
	of, _ := rego.Lookup("group-scopes")
	same.Tests = maps.Clone(of.Tests)
	bare := policy.Source{Name: "bare", Role: policy.RoleGuard, Binds: policy.BindsAll, Modules: map[string]string{"a b.rego": module}}
	empty := notes()
	empty.Data = map[string]any{}
	for name, src := range map[string]policy.Source{
		"every member": notes(), "a template": template, "a template with tests": tested, "a template with its own tests": same, "few members": bare, "empty data": empty,
	} {
		for _, algorithm := range []string{ES256, RS256, EdDSA} {
			t.Run(name+" "+algorithm, func(t *testing.T) {
				key, _ := signingKey(t, algorithm)
				got, err := Open(written(t, src, key), []TrustedKey{key.Trusted()})
				if err != nil {
					t.Fatal(err)
				}
				if got.Source.Hash() != src.Hash() || got.Source.Name != src.Name || got.Source.Revision != src.Revision || got.Source.Template != src.Template {
					t.Errorf("%+v\nwant %+v", got.Source, src)
				}
				if got.KeyID != key.Trusted().ID || got.Algorithm != algorithm || len(got.SHA256) != 64 || got.Template != "" {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

func TestFilesAreTheSameForTheSameSource(t *testing.T) {
	one, err := Files(notes())
	if err != nil {
		t.Fatal(err)
	}
	other, err := Files(notes())
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	if err := errors.Join(pack(&a, one), pack(&b, other)); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("%v: two archives of one policy differ", err)
	}
	want := []string{".manifest", "data.json", "modules/notes.rego", "tests/notes_test.rego"}
	if got := slices.Sorted(maps.Keys(one)); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// A template that reads otherwise in another version is taken by its text.
func TestTemplateOfAnotherVersion(t *testing.T) {
	key, _ := signingKey(t, ES256)
	src := policy.Source{Name: "groups", Role: policy.RoleGrant, Template: "group-scopes", Data: map[string]any{"grants": []any{}}}
	for name, change := range map[string]func(map[string][]byte){
		"another text": func(files map[string][]byte) {
			files["modules/policy.rego"] = append(files["modules/policy.rego"], "\n# newer\n"...)
		},
		"another test": func(files map[string][]byte) {
			files["tests/policy_test.rego"] = append(files["tests/policy_test.rego"], "\n# newer\n"...)
		},
		"one that is gone": func(files map[string][]byte) {
			files[manifestFile] = bytes.Replace(files[manifestFile], []byte(`"name": "group-scopes"`), []byte(`"name": "gone"`), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := Files(src)
			if err != nil {
				t.Fatal(err)
			}
			change(files)
			got, err := Open(signed(t, files, key), []TrustedKey{key.Trusted()})
			if err != nil {
				t.Fatal(err)
			}
			if got.Template == "" || got.Source.Template != "" || len(got.Source.Modules) == 0 || got.Source.DataSchema == nil || len(got.Source.Tests) == 0 {
				t.Errorf("%+v", got)
			}
			if _, err := policy.Compile(t.Context(), got.Source); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	key, _ := signingKey(t, ES256)
	for name, test := range map[string]struct {
		change func(*policy.Source)
		want   error
	}{
		"a template that is none": {func(s *policy.Source) { s.Template, s.Modules = "gone", nil }, ErrContent},
		"a path":                  {func(s *policy.Source) { s.Modules["../a.rego"] = module }, ErrPath},
		"no Rego":                 {func(s *policy.Source) { s.Modules["a.json"] = module }, ErrPath},
		"text that is no UTF-8":   {func(s *policy.Source) { s.Modules["a.rego"] = "\xff" }, ErrContent},
		"no name":                 {func(s *policy.Source) { s.Name = "" }, ErrContent},
		"no role":                 {func(s *policy.Source) { s.Role = "" }, ErrContent},
		"no module":               {func(s *policy.Source) { s.Modules = nil }, ErrContent},
		"a module too large":      {func(s *policy.Source) { s.Modules["a.rego"] = strings.Repeat("#", policy.MaxModuleSize+1) }, ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			src := notes()
			test.change(&src)
			var b bytes.Buffer
			if err := Write(&b, src, key); !errors.Is(err, test.want) || b.Len() > 0 {
				t.Errorf("%v, want %v; %d bytes", err, test.want, b.Len())
			}
		})
	}
	var b bytes.Buffer
	if err := Write(&b, notes(), SigningKey{}); !errors.Is(err, ErrKey) || b.Len() > 0 {
		t.Errorf("%v", err)
	}
}

func TestSigningKeyIsNotPrinted(t *testing.T) {
	key, text := signingKey(t, EdDSA)
	block, _ := pem.Decode(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if said := fmt.Sprintf(verb, key); said != "signing key "+key.Trusted().ID || strings.Contains(said, string(block.Bytes)) {
			t.Errorf("%s: %s", verb, said)
		}
	}
}
