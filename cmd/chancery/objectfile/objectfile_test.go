package objectfile_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
)

const user = `apiVersion: chancery/v1
kind: User
metadata: {name: NAME}
spec: {email: NAME@acme.com, status: active}
`

func named(name string) string { return strings.ReplaceAll(user, "NAME", name) }

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func names(w objectfile.Written) []string {
	var list []string
	for _, o := range w.Objects {
		list = append(list, o.Metadata.Name)
	}
	return list
}

func TestOrder(t *testing.T) {
	root := tree(t, map[string]string{
		"b.yaml": named("b"), "a/z.yml": named("z"), "a/c.json": `[{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"c"},"spec":{"email":"c@acme.com"}}]`,
		"notes.txt": "no", ".git/x.yaml": "no", ".x.yaml": "no", "B.yaml": named("upper"),
	})
	w, err := objectfile.Read([]string{root}, nil)
	if err != nil || !slices.Equal(names(w), []string{"upper", "c", "z", "b"}) {
		t.Errorf("%v %v", err, names(w))
	}
	w, err = objectfile.Read([]string{root + "/b.yaml", "-", root + "/a"}, strings.NewReader(named("stdin")))
	if err != nil || !slices.Equal(names(w), []string{"b", "stdin", "c", "z"}) {
		t.Errorf("%v %v", err, names(w))
	}
}

// A ConfigMap is mounted as links into a folder whose name begins with dots.
func TestMountedConfigMap(t *testing.T) {
	root := tree(t, map[string]string{"..2030_01_31/a.yaml": named("a")})
	if err := os.Symlink("..2030_01_31", filepath.Join(root, "..data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..data/a.yaml", filepath.Join(root, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	w, err := objectfile.Read([]string{root}, nil)
	if err != nil || !slices.Equal(names(w), []string{"a"}) {
		t.Errorf("%v %v", err, names(w))
	}
}

func TestRefused(t *testing.T) {
	root := tree(t, map[string]string{"good.yaml": named("a"), "bad.yaml": named("a") + "---\n" + strings.Replace(named("b"), "status", "sttaus", 1), "worse.yaml": "a: [", "empty/x.txt": ""})
	_, err := objectfile.Read([]string{root + "/good.yaml", root + "/bad.yaml", root + "/worse.yaml"}, nil)
	if err == nil || !strings.Contains(err.Error(), root+"/bad.yaml:9: User b: ") || !strings.Contains(err.Error(), "\n"+root+"/worse.yaml:") {
		t.Errorf("%v", err)
	}
	for _, paths := range [][]string{{root + "/absent.yaml"}, {root + "/empty"}, {"-", "-"}} {
		if _, err := objectfile.Read(paths, strings.NewReader("")); err == nil {
			t.Errorf("%v is read", paths)
		}
	}
}

func TestLocate(t *testing.T) {
	text := `# users
` + named("a") + `---
apiVersion: chancery/v1
kind: Client
metadata:
  name: claude
spec:
  scopes:
    - notes:read
    - notes:write
  auth:
    method: client_secret_post
---
apiVersion: chancery/v1
kind: User
metadata: {name: a, tenant: acme}
spec: {email: a@acme.com}
`
	list := `[{"apiVersion":"chancery/v1","kind":"User","metadata":{"name":"j"},
"spec":{"email":"j@acme.com"}}]`
	root := tree(t, map[string]string{"all.yaml": text, "list.json": list})
	w, err := objectfile.Read([]string{root}, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, json := root+"/all.yaml", root+"/list.json"
	tests := []struct {
		p    object.Problem
		want string
	}{
		{object.Problem{Object: "Client claude", Path: "spec.scopes[1]", Text: "wrong"}, all + ":14: Client claude: spec.scopes[1]: wrong"},
		{object.Problem{Object: "Client claude", Path: "spec.auth.method", Text: "wrong"}, all + ":16: Client claude: spec.auth.method: wrong"},
		{object.Problem{Object: "Client claude", Path: "spec.auth.absent.more", Text: "wrong"}, all + ":16: Client claude: spec.auth.absent.more: wrong"},
		{object.Problem{Object: "Client claude", Text: "wrong"}, all + ":7: Client claude: wrong"},
		{object.Problem{Object: "User j", Path: "spec.email", Text: "wrong"}, json + ":2: User j: spec.email: wrong"},
		{object.Problem{Object: "User a", Text: "wrong"}, all + ":2 or " + all + ":18: User a: wrong"},
		{object.Problem{Object: "User absent", Text: "wrong"}, "User absent: wrong"},
		{object.Problem{Text: "wrong"}, "wrong"},
	}
	for _, test := range tests {
		if got := w.Locate(test.p); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	if one, err := objectfile.Read([]string{json}, nil); err != nil || one.Locate(object.Problem{Text: "wrong"}) != json+":1: wrong" {
		t.Errorf("%v", err)
	}
}
