package admin

import (
	_ "embed" // the specification
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed openapi.yaml
var specification []byte

// operation is one row of the specification.
type operation struct {
	Method     string
	Path       string
	ID         string
	Permission Permission
	Open       bool // security: []
	Query      []string
}

// ginPath writes {name} as :name.
func (o operation) ginPath() string {
	return strings.NewReplacer("{", ":", "}", "").Replace(o.Path)
}

type description struct {
	Paths      map[string]map[string]described `yaml:"paths"`
	Components struct {
		Parameters map[string]struct {
			Name string `yaml:"name"`
			In   string `yaml:"in"`
		} `yaml:"parameters"`
	} `yaml:"components"`
}

type described struct {
	ID         string `yaml:"operationId"`
	Permission string `yaml:"x-permission"`
	Security   *[]any `yaml:"security"`
	Parameters []struct {
		Ref string `yaml:"$ref"`
	} `yaml:"parameters"`
}

// operations reads the specification. An operation that names no permission, and
// does not say that it is open, is an error: nothing is open by omission.
func operations() ([]operation, error) {
	var d description
	if err := yaml.Unmarshal(specification, &d); err != nil {
		return nil, fmt.Errorf("specification: %w", err)
	}
	var all []operation
	for path, methods := range d.Paths {
		for method, op := range methods {
			o := operation{
				Method: strings.ToUpper(method), Path: path, ID: op.ID, Permission: Permission(op.Permission),
				Open: op.Security != nil && len(*op.Security) == 0,
			}
			for _, p := range op.Parameters {
				parameter, known := d.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
				if !known {
					return nil, fmt.Errorf("specification: %s: unknown parameter %s", op.ID, p.Ref)
				}
				if parameter.In == "query" {
					o.Query = append(o.Query, parameter.Name)
				}
			}
			if err := o.check(); err != nil {
				return nil, err
			}
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method) })
	return all, nil
}

func (o operation) check() error {
	switch {
	case o.ID == "":
		return fmt.Errorf("specification: %s %s has no operationId", o.Method, o.Path)
	case o.Open && o.Permission != "":
		return fmt.Errorf("specification: %s is open and names a permission", o.ID)
	case !o.Open && !slices.Contains(permissions(), o.Permission):
		return fmt.Errorf("specification: %s names no known permission (%q)", o.ID, o.Permission)
	default:
		return nil
	}
}

// describe is the specification as JSON.
func describe() ([]byte, error) {
	var v any
	if err := yaml.Unmarshal(specification, &v); err != nil {
		return nil, fmt.Errorf("specification: %w", err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("specification: %w", err)
	}
	return b, nil
}
