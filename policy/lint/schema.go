package lint

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/policy"
)

// node is what a schema says of one place. A nil node is anything.
type node struct {
	kind     string // string, number, boolean, array, object; "" is any
	members  map[string]*node
	required map[string]bool
	open     bool  // members that are not listed may be there
	other    *node // what those are
	items    *node
	enum     []string // of a string
}

// inputSchema is the published one. What its texts say of a member, and its schema does
// not, is added here.
func (p *pass) inputSchema() *node {
	if p.input == nil {
		var schema map[string]any
		if err := json.Unmarshal(policy.InputSchema, &schema); err != nil {
			panic(err)
		}
		p.input = p.shape(schema, schema, 0)
		p.input.members["time"].members["weekday"].enum = []string{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
	}
	return p.input
}

const maxSchemaDepth = 32

// shape reads as much of JSON Schema as describes shapes; anything else makes a place
// anything, which is never wrong here.
func (p *pass) shape(root, schema map[string]any, depth int) *node {
	p.step()
	if depth > maxSchemaDepth {
		return nil
	}
	if ref, ok := schema["$ref"].(string); ok {
		name, local := strings.CutPrefix(ref, "#/$defs/")
		defs, _ := root["$defs"].(map[string]any)
		def, found := defs[name].(map[string]any)
		if !local || !found {
			return nil
		}
		return p.shape(root, def, depth+1)
	}
	for _, word := range []string{"anyOf", "oneOf", "allOf", "if", "not", "patternProperties", "prefixItems", "unevaluatedProperties", "dependentSchemas", "$dynamicRef"} {
		if _, ok := schema[word]; ok {
			return nil
		}
	}
	n := &node{open: true}
	switch kind := schema["type"].(type) {
	case string:
		n.kind = kind
		if kind == "integer" {
			n.kind = "number"
		}
	case nil:
	default:
		return nil // one of several
	}
	if one, ok := schema["const"]; ok {
		n.value(one)
	}
	if enum, ok := schema["enum"].([]any); ok {
		for _, v := range enum {
			if s, ok := v.(string); ok {
				n.enum = append(n.enum, s)
			}
		}
		if len(n.enum) != len(enum) {
			n.enum = nil
		} else {
			n.kind = "string"
		}
	}
	n.object(p, root, schema, depth)
	if items, ok := schema["items"].(map[string]any); ok {
		n.items = p.shape(root, items, depth+1)
	}
	return n
}

func (n *node) object(p *pass, root, schema map[string]any, depth int) {
	if properties, ok := schema["properties"].(map[string]any); ok {
		n.members = make(map[string]*node, len(properties))
		for name, v := range properties {
			member, _ := v.(map[string]any)
			n.members[name] = p.shape(root, member, depth+1)
		}
	}
	switch other := schema["additionalProperties"].(type) {
	case bool:
		n.open = other
	case map[string]any:
		n.other = p.shape(root, other, depth+1)
	}
	if required, ok := schema["required"].([]any); ok {
		n.required = map[string]bool{}
		for _, v := range required {
			if s, ok := v.(string); ok {
				n.required[s] = true
			}
		}
	}
}

func (n *node) value(v any) {
	switch v := v.(type) {
	case string:
		n.kind, n.enum = "string", []string{v}
	case float64:
		n.kind = "number"
	case bool:
		n.kind = "boolean"
	}
}

// dataSchema is what is known of data.policy: its schema, or else the names that its
// data has.
func (p *pass) dataSchema() *node {
	if p.policyData != nil {
		return p.policyData
	}
	if p.options.DataSchema != nil {
		p.policyData = p.shape(p.options.DataSchema, p.options.DataSchema, 0)
	} else if members, ok := p.data.(map[string]any); ok && len(members) > 0 {
		p.policyData = &node{kind: "object", members: map[string]*node{}}
		for name := range members {
			p.policyData.members[name] = nil
		}
	}
	if p.policyData == nil {
		p.policyData = &node{open: true}
	}
	return p.policyData
}

func (n *node) names() []string { return slices.Sorted(maps.Keys(n.members)) }

// member is what is at a name below n. The second answer is false where nothing can be.
func (n *node) member(name string) (*node, bool) {
	if n == nil {
		return nil, true
	}
	switch n.kind {
	case "string", "number", "boolean":
		return nil, false
	case "array":
		return nil, false // its members have numbers
	}
	if member, ok := n.members[name]; ok {
		return member, true
	}
	if n.other != nil {
		return n.other, true
	}
	return nil, n.open
}

// each is what is at a place below n that is not named.
func (n *node) each() *node {
	switch {
	case n == nil:
		return nil
	case n.kind == "array":
		return n.items
	case n.kind == "object" && len(n.members) == 0:
		return n.other
	}
	return nil
}
