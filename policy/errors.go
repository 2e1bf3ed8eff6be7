package policy

import (
	"errors"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// CompileError is one reason why a policy was refused. File is the module's name,
// or the member of the object (data, data_schema, applies_to) that is wrong; Row
// and Col count from 1 and are 0 where there is no place to point at.
type CompileError struct {
	File    string `json:"file,omitempty"`
	Row     int    `json:"row,omitempty"`
	Col     int    `json:"col,omitempty"`
	Code    string `json:"code,omitempty"` // OPA's class of error, or ours
	Message string `json:"message"`
}

func (e *CompileError) Error() string {
	switch {
	case e.File == "":
		return e.Message
	case e.Row == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Row, e.Col, e.Message)
}

// CompileErrors is every reason why one policy was refused, never empty.
type CompileErrors []*CompileError

func (es CompileErrors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.As find the first *CompileError.
func (es CompileErrors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

func refuse(file, code, format string, args ...any) CompileErrors {
	return CompileErrors{{File: file, Code: code, Message: fmt.Sprintf(format, args...)}}
}

// compileErrors turns whatever OPA returned into CompileErrors.
func compileErrors(file string, err error) CompileErrors {
	if err == nil {
		return nil
	}
	if es, ok := errors.AsType[CompileErrors](err); ok {
		return es
	}
	if es, ok := errors.AsType[ast.Errors](err); ok && len(es) > 0 {
		out := make(CompileErrors, 0, len(es))
		for _, e := range es {
			out = append(out, fromAST(file, e))
		}
		return out
	}
	if e, ok := errors.AsType[*ast.Error](err); ok {
		return CompileErrors{fromAST(file, e)}
	}
	return refuse(file, "rego_error", "%s", err)
}

func fromAST(file string, e *ast.Error) *CompileError {
	out := &CompileError{File: file, Code: e.Code, Message: e.Message}
	if e.Location != nil {
		if e.Location.File != "" {
			out.File = e.Location.File
		}
		out.Row, out.Col = e.Location.Row, e.Location.Col
	}
	return out
}

// Conflict is two grant policies that could be asked about the same request.
type Conflict struct {
	Resource string // empty: any resource that no policy names
	Action   Action
	A, B     Ref
}

func (c *Conflict) Error() string {
	resource := c.Resource
	if resource == "" {
		resource = "any resource"
	}
	return fmt.Sprintf("policies %q and %q both grant for %s and action %s; one must be narrowed by applies_to or become a guard",
		c.A.Name, c.B.Name, resource, c.Action)
}
