package policy

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
)

// Format lays a module out as "opa fmt" does. The error is a CompileErrors.
func Format(file, text string) (string, error) {
	out, err := format.SourceWithOpts(file, []byte(text), format.Opts{RegoVersion: ast.RegoV1})
	if err != nil {
		return "", compileErrors(file, err)
	}
	return string(out), nil
}
