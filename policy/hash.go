package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// content is what of a policy decides, and what tests say of that: its name, its uid and its revision are not in it.
type content struct {
	Role       Role              `json:"role"`
	Binds      Binds             `json:"binds"`
	AppliesTo  appliesTo         `json:"applies_to"`
	Template   string            `json:"template,omitempty"`
	Modules    map[string]string `json:"modules,omitempty"`
	Data       map[string]any    `json:"data,omitempty"`
	DataSchema map[string]any    `json:"data_schema,omitempty"`
	Tests      map[string]string `json:"tests,omitempty"`
}

type appliesTo struct {
	Resources []string `json:"resources,omitzero"`
	Actions   []string `json:"actions,omitzero"`
}

// legible: what is no UTF-8 would be written as U+FFFD, and two texts become one. Of data Compile refuses it.
func legible(files map[string]string) bool {
	for name, text := range files {
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			return false
		}
	}
	return true
}

// Hash is the SHA-256, in hexadecimal, of what the policy says: role, binds, applies_to, template, modules, data,
// data_schema and tests as one JSON object in the form of RFC 8785. Of a template only its name counts. Numbers stay as
// they are written: the doubles of RFC 8785 §3.2.2.3 would give one hash to 9007199254740992 and 9007199254740993, which
// Rego tells apart. It is "" where the source cannot be written as JSON, which nothing may take for a match.
func (s Source) Hash() string {
	binds := s.Binds
	if binds == "" {
		binds = BindsTenant
	}
	c := content{
		Role: s.Role, Binds: binds, AppliesTo: appliesTo{Resources: s.Resources, Actions: s.Actions}, Template: s.Template,
		Modules: s.Modules, Data: s.Data, DataSchema: s.DataSchema, Tests: s.Tests,
	}
	if s.Template != "" { // Compile fills in what the template brings
		c.Modules = nil
	}
	if !legible(c.Modules) || !legible(c.Tests) {
		return ""
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(c); err != nil {
		return ""
	}
	canonical := jsontext.Value(text.Bytes())
	if err := canonical.Canonicalize(jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false)); err != nil {
		return ""
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}
