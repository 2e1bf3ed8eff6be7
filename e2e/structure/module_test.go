package structure

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/chancery-dev/chancery"

// pkg is what these tests need of `go list -json`.
type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// room is the path inside the module: "" for its root, "broker/grant", ….
func (p pkg) room() string { return room(p.ImportPath) }

func room(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

// own reports whether an import path belongs to this module.
func own(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// in reports whether a room is one of the folders or below one.
func in(room string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		return room == folder || strings.HasPrefix(room, folder+"/")
	})
}

// testOnly rooms exist for tests (and the demo): kits, contract suites, these tests.
func testOnly(room string) bool {
	return in(room, "e2e", "broker/storetest", "broker/keys/keystest", "federation/idptest", "vault/provider/providertest")
}

var listed = sync.OnceValues(func() ([]pkg, error) {
	root, err := root()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

func packages(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := listed()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found no package")
	}
	return pkgs
}

// root is the folder with go.mod.
var root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	return filepath.Dir(strings.TrimSpace(string(out))), err
})
