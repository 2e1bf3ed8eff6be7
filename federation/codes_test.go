package federation_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

// Every constant of type Code is in Codes, once.
func TestCodesAreComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []federation.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		declared = append(declared, federation.Code(value))
		return true
	})
	if listed := federation.Codes(); !slices.Equal(declared, listed) {
		t.Errorf("declared %v\nlisted   %v", declared, listed)
	}
	form := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	seen := map[federation.Code]bool{}
	for _, code := range declared {
		if seen[code] || !form.MatchString(string(code)) {
			t.Errorf("code %q is repeated or of another form", code)
		}
		seen[code] = true
		if !seen[code.Public()] && code.Public() != federation.CodeAssertionUntrusted {
			t.Errorf("%s shows as %s, which is no code", code, code.Public())
		}
	}
}

func TestTrail(t *testing.T) {
	idp := okta()
	var trail federation.Trail
	trail.Pass("shape", "a", "b")
	trail.For(&idp)
	refusal := trail.Refuse(federation.CodeAudNotUs, "aud", "x\r\ny\x1b[31m", strings.Repeat("é", 1000), nil)
	if refusal.Provider != &idp || len(refusal.Checks) != 2 || !refusal.Checks[0].OK || refusal.Checks[1].Code != federation.CodeAudNotUs {
		t.Errorf("refusal %+v", refusal)
	}
	if strings.ContainsAny(refusal.Received, "\r\n\x1b") || len(refusal.Expected) > 300 {
		t.Errorf("received %q, expected %d bytes", refusal.Received, len(refusal.Expected))
	}
	if want := `aud_not_us: received "x??y?[31m"`; !strings.HasPrefix(refusal.Error(), want) {
		t.Errorf("got %s", refusal.Error())
	}
	if plain := trail.Refuse(federation.CodeIssUnknown, "iss", "", "", nil); plain.Error() != "iss_unknown" || plain.Unwrap() != nil {
		t.Errorf("got %s", plain)
	}
}
