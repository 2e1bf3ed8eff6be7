package lint_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/lint"
	"github.com/chancery-dev/chancery/rego"
)

// Nothing is said of the templates, not even a warning.
func TestTemplates(t *testing.T) {
	for _, template := range rego.Templates() {
		for _, role := range []policy.Role{"", policy.RoleGrant, policy.RoleGuard} {
			for _, f := range lint.Check(t.Context(), template.Modules, template.Tests, nil, lint.Options{Role: role, DataSchema: template.DataSchema}) {
				t.Errorf("%s: %s", template.Name, f)
			}
		}
	}
}

// found is what is said of the policies that documentation, examples and tests hold,
// and is right: they are there to be short, or to be refused.
var found = []string{
	"docs/policy.md: test-missing",                  // parts of policies
	"docs/guides/policy.md: unknown-input",          // the mistake that the page is about
	"docs/guides/policy.md: test-without-denial",    // its tests are written further down
	"e2e/idp/people_test.go: group-by-name",         // aliases
	"e2e/token/documents_test.go: allow-by-default", // what policy says is not what they are about
	"e2e/token/happy_test.go: allow-by-default",
	"e2e/token/settle_test.go: allow-by-default",
	"cmd/chancery/policytestrun_test.go: missing-reasons", // its tests are what it is about
	"e2e/operations/start_test.go: parse-error",           // to be refused
	"e2e/operations/start_test.go: builtin-unavailable",   // likewise
}

// short is what is said of most policies that a test writes, and of nothing else here.
func short(name string, f lint.Finding) bool {
	program := strings.HasPrefix(name, "e2e/") || strings.HasPrefix(name, "cmd/")
	return program && f.Severity == lint.Warning && (f.Rule == "missing-reasons" || f.Rule == "test-missing" || f.Rule == "test-without-denial")
}

func TestPoliciesOfTheRepository(t *testing.T) {
	root := filepath.Join("..", "..")
	policies := 0
	var got []string
	for _, folder := range []string{"docs", "e2e", "examples", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name := filepath.ToSlash(path[len(root)+1:])
			if strings.HasPrefix(name, "docs/policy-lint/") || name == "cmd/chancery/policylint_test.go" {
				return nil // there to be found
			}
			for _, one := range policiesIn(t, path) {
				policies++
				for _, f := range lint.Check(t.Context(), one.modules, one.tests, nil, lint.Options{}) {
					if short(name, f) {
						continue
					}
					if says := name + ": " + f.Rule; !slices.Contains(found, says) {
						t.Errorf("%s: %s", name, f)
					} else if !slices.Contains(got, says) {
						got = append(got, says)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if policies < 20 {
		t.Errorf("only %d policies were read", policies)
	}
	for _, says := range found {
		if !slices.Contains(got, says) {
			t.Errorf("%s is not found any more", says)
		}
	}
}

type written struct{ modules, tests map[string]string }

// policiesIn are the policies in a file: a test belongs to the module before it.
func policiesIn(t *testing.T, path string) []written {
	t.Helper()
	var texts []string
	switch filepath.Ext(path) {
	case ".md", ".yaml", ".yml", ".rego":
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = []string{string(text)}
	case ".go":
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil // a neighbour is writing it
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil {
					texts = append(texts, text)
				}
			}
			return true
		})
	}
	var all []written
	for _, text := range texts {
		for _, module := range modulesIn(text) {
			if strings.Contains(module, "\ntest_") {
				if len(all) > 0 {
					last := all[len(all)-1]
					last.tests[fmt.Sprintf("%d_test.rego", len(last.tests))] = module
				}
				continue
			}
			if strings.Contains(module, "decision") || strings.Contains(module, "authz.index") {
				all = append(all, written{modules: map[string]string{"policy.rego": module}, tests: map[string]string{}})
			}
		}
	}
	return all
}

const packageLine = "package chancery.authz"

// modulesIn are the modules that stand in a text: in quotes, or as lines that are
// indented alike.
func modulesIn(text string) []string {
	var all []string
	for {
		at := strings.Index(text, packageLine)
		if at < 0 {
			return all
		}
		if at > 0 && text[at-1] == '"' {
			if quoted, err := strconv.QuotedPrefix(text[at-1:]); err == nil {
				if module, err := strconv.Unquote(quoted); err == nil && strings.Contains(module, "\n") {
					all = append(all, module)
				}
			}
			text = text[at+1:]
			continue
		}
		begin := strings.LastIndexByte(text[:at], '\n') + 1
		indent := text[begin:at]
		var module strings.Builder
		for line := range strings.Lines(text[begin:]) {
			if strings.TrimSpace(line) == "" {
				module.WriteString("\n")
				continue
			}
			rest, ok := strings.CutPrefix(line, indent)
			if !ok || strings.HasPrefix(rest, "```") || strings.HasPrefix(rest, "---") {
				break
			}
			module.WriteString(rest)
		}
		if strings.TrimSpace(indent) == "" && strings.Count(module.String(), "\n") > 1 {
			all = append(all, module.String())
		}
		text = text[at+1:]
	}
}
