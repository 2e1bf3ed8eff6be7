package policy

import (
	_ "embed" // builtins.txt
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

//go:embed builtins.txt
var builtinList string

// allowedBuiltins lists the names in builtins.txt.
func allowedBuiltins() []string {
	var names []string
	for line := range strings.Lines(builtinList) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			names = append(names, line)
		}
	}
	return names
}

// capabilities is what a policy may use: the reviewed built-ins, Rego v1 only, no
// network. AllowNet is empty, not nil: nil would be every host.
var capabilities = sync.OnceValue(func() *ast.Capabilities {
	caps := &ast.Capabilities{
		Features: []string{ast.FeatureRegoV1, ast.FeatureKeywordsInRefs},
		AllowNet: []string{},
	}
	allowed := allowedBuiltins()
	for _, b := range ast.CapabilitiesForThisVersion().Builtins {
		if slices.Contains(allowed, b.Name) {
			caps.Builtins = append(caps.Builtins, b)
		}
	}
	return caps
})

// Builtins lists the built-in functions that a policy may call.
func Builtins() []string { return allowedBuiltins() }
