package structure

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the modules beside the service need themselves. Whoever uses one needs these too.
var sdkModules = map[string][]string{
	"sdk/go":                      {"github.com/go-jose/go-jose/v4", "golang.org/x/oauth2"},
	"sdk/go/verifier/ginverifier": {"github.com/gin-gonic/gin", "github.com/chancery-dev/chancery/sdk/go"},
	"sdk/go/verifier/mcpverifier": {"github.com/modelcontextprotocol/go-sdk", "github.com/chancery-dev/chancery/sdk/go"},
}

// Every module is linted and tested: deploy/ci/lib.sh lists it.
func TestEveryModuleIsTested(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(read(t, dir, "deploy/ci/lib.sh"), "MODULES=(")
	list, _, _ = strings.Cut(list, ")")
	listed := strings.Fields(list)
	for _, name := range committed(t) {
		folder := path.Dir(name)
		if path.Base(name) != "go.mod" {
			continue
		}
		if !slices.Contains(listed, folder) {
			t.Errorf("deploy/ci/lib.sh does not list %s", folder)
		}
		if _, known := sdkModules[folder]; folder != "." && !known {
			t.Errorf("nobody says what %s may need", folder)
		}
	}
}

// The SDK needs few modules, at the versions of this one, and imports nothing of the
// service.
func TestSDKStandsAlone(t *testing.T) {
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	ours := required(t, dir)
	for folder, may := range sdkModules {
		for name, version := range required(t, filepath.Join(dir, folder)) {
			if !version.indirect && !slices.Contains(may, name) {
				t.Errorf("%s needs %s", folder, name)
			}
			if here, both := ours[name]; both && compareVersions(here.version, version.version) < 0 {
				t.Errorf("%s needs %s %s, which raises our %s", folder, name, version.version, here.version)
			}
			for _, f := range floors {
				if f.module == name && compareVersions(version.version, f.atLeast) < 0 {
					t.Errorf("%s has %s %s, below %s: %s", folder, name, version.version, f.atLeast, f.reason)
				}
			}
		}
		for _, imported := range importsOf(t, filepath.Join(dir, folder)) {
			if own(imported) && !in(room(imported), "sdk/go") {
				t.Errorf("%s imports %s", folder, imported)
			}
		}
	}
}

type requirement struct {
	version  string
	indirect bool
}

func required(t *testing.T, dir string) map[string]requirement {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go mod edit in %s: %v", dir, err)
	}
	var file struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
	}
	if err := json.Unmarshal(out, &file); err != nil {
		t.Fatal(err)
	}
	found := map[string]requirement{}
	for _, r := range file.Require {
		found[r.Path] = requirement{r.Version, r.Indirect}
	}
	return found
}

func importsOf(t *testing.T, dir string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=Imports,TestImports,XTestImports", "./...")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list in %s: %v", dir, err)
	}
	var imports []string
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		imports = slices.Concat(imports, p.Imports, p.TestImports, p.XTestImports)
	}
	return imports
}
