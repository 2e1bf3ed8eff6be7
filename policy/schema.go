package policy

import (
	"bytes"
	_ "embed" // the published schemas
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// InputSchema is the published JSON Schema of what a policy sees.
//
//go:embed schema/input.v1.json
var InputSchema []byte

// DecisionSchema is the published JSON Schema of what a policy says.
//
//go:embed schema/decision.v1.json
var DecisionSchema []byte

// noLoader refuses every reference that leaves the schema: nothing is fetched, and
// no file of the host is read.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("reference to %s is not available", url)
}

const schemaURL = "chancery:schema"

func compileSchema(schema any) (*jsonschema.Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(noLoader{})
	if err := compiler.AddResource(schemaURL, schema); err != nil {
		return nil, err
	}
	return compiler.Compile(schemaURL)
}

// checkSchema holds a value of an object (named file in errors) against a schema.
func checkSchema(file string, schema, value map[string]any) error {
	plain, err := plainJSON(schema)
	if err != nil {
		return refuse(file+"_schema", "schema_refused", "%s", err)
	}
	compiled, err := compileSchema(plain)
	if err != nil {
		return refuse(file+"_schema", "schema_refused", "%s", err)
	}
	if value == nil {
		value = map[string]any{}
	}
	instance, err := plainJSON(value)
	if err != nil {
		return refuse(file, "data_refused", "%s", err)
	}
	err = compiled.Validate(instance)
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return refuse(file, "data_refused", "%s", err)
	}
	return violations(file, invalid)
}

// violations lists the leaves of a validation error, each with its place.
func violations(file string, e *jsonschema.ValidationError) CompileErrors {
	if len(e.Causes) == 0 {
		message := strings.TrimSpace(e.Error())
		if _, after, ok := strings.Cut(message, "\n- "); ok {
			message = after
		}
		return refuse(file, "data_refused", "%s", message)
	}
	var all CompileErrors
	for _, cause := range e.Causes {
		all = append(all, violations(file, cause)...)
	}
	return all
}

// plainJSON gives v the types that the validator knows. Data may be large, and most
// often has them.
func plainJSON(v any) (any, error) {
	if isPlain(v, 0) {
		return v, nil
	}
	text, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(bytes.NewReader(text))
}

func isPlain(v any, depth int) bool {
	if depth > MaxDataDepth {
		return false
	}
	switch v := v.(type) {
	case nil, bool, string, json.Number, float64, int, int64:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(v any) bool { return !isPlain(v, depth+1) })
	case map[string]any:
		for _, member := range v {
			if !isPlain(member, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}
