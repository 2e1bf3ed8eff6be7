package bundle

import (
	"bytes"
	"encoding/json"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/chancery-dev/chancery/policy"
)

// maxManifest bounds .manifest, in which the schema of the data is.
const maxManifest = policy.MaxSchemaSize + 64<<10

// version is that of the metadata.
const version = 1

// roots are where a bundle's modules, tests and data are, and nothing else: OPA may load others beside it.
func roots() []string { return []string{"chancery/authz", "chancery/authz_test", "policy"} }

// manifest is OPA's .manifest, as far as a policy has something to say there.
type manifest struct {
	Revision         string          `json:"revision,omitempty"`
	Roots            []string        `json:"roots,omitempty"`
	RegoVersion      *int            `json:"rego_version,omitempty"`
	FileRegoVersions map[string]int  `json:"file_rego_versions,omitempty"`
	Wasm             []any           `json:"wasm,omitempty"`
	Metadata         json.RawMessage `json:"metadata,omitempty"`
	rest             *policyMetadata // metadata.chancery
}

// policyMetadata is what OPA's format has no place for.
type policyMetadata struct {
	Version   int         `json:"version"`
	Name      string      `json:"name"`
	Role      policy.Role `json:"role"`
	Binds     string      `json:"binds,omitempty"`
	Resources []string    `json:"resources,omitzero"`
	Actions   []string    `json:"actions,omitzero"`
	// DataSchema is the policy's own.
	DataSchema json.RawMessage   `json:"data_schema,omitempty"`
	Template   *templateMetadata `json:"template,omitempty"`
	Revision   int64             `json:"revision,omitempty"`
	Hash       string            `json:"hash"` // policy.Source.Hash
}

// templateMetadata is what a template brought: the modules, these tests, and this schema.
type templateMetadata struct {
	Name       string          `json:"name"`
	Tests      []string        `json:"tests,omitempty"`
	DataSchema json.RawMessage `json:"data_schema,omitempty"`
}

// write is the manifest's text.
func (m manifest) write() ([]byte, error) {
	if m.rest != nil {
		text, err := indented(map[string]any{"chancery": m.rest})
		if err != nil {
			return nil, err
		}
		m.Metadata = text
	}
	return indented(m)
}

// indented keeps numbers as they are written, and members in order.
func indented(v any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	return text.Bytes(), err
}

// parseManifest reads .manifest; nil, which is none, says nothing.
func parseManifest(text []byte) (manifest, error) {
	var m manifest
	if text == nil {
		return m, nil
	}
	if len(text) > maxManifest {
		return m, because(ErrTooLarge, "%s has more than %d bytes", manifestFile, maxManifest)
	}
	if err := jsonv2.Unmarshal(text, &m, jsonv2.RejectUnknownMembers(true)); err != nil {
		return m, because(ErrContent, "%s: %s", manifestFile, err)
	}
	switch {
	case len(m.Wasm) > 0:
		return m, because(ErrContent, "%s: it has compiled modules (wasm), which nobody can read", manifestFile)
	case m.RegoVersion != nil && *m.RegoVersion != 1:
		return m, because(ErrContent, "%s: Rego version %d: 1 is expected", manifestFile, *m.RegoVersion)
	}
	for file, of := range m.FileRegoVersions {
		if of != 1 {
			return m, because(ErrContent, "%s: Rego version %d of %q: 1 is expected", manifestFile, of, file)
		}
	}
	return m, m.parseMetadata()
}

func (m *manifest) parseMetadata() error {
	if m.Metadata == nil {
		return nil
	}
	var all map[string]jsontext.Value // others' members are theirs
	if err := jsonv2.Unmarshal(m.Metadata, &all); err != nil {
		return because(ErrContent, "%s: metadata: %s", manifestFile, err)
	}
	ours, ok := all["chancery"]
	if !ok {
		return nil
	}
	m.rest = &policyMetadata{}
	if err := jsonv2.Unmarshal(ours, m.rest, jsonv2.RejectUnknownMembers(true)); err != nil {
		return because(ErrContent, "%s: metadata.chancery: %s", manifestFile, err)
	}
	if m.rest.Version != version {
		return because(ErrContent, "%s: metadata.chancery: version %d is not known", manifestFile, m.rest.Version)
	}
	if m.rest.Name == "" || m.rest.Role == "" || m.rest.Hash == "" {
		return because(ErrContent, "%s: metadata.chancery lacks name, role or hash", manifestFile)
	}
	return nil
}

// soundJSON refuses members of one name, text that is no UTF-8 and what follows the value.
func soundJSON(text []byte) error {
	var v jsontext.Value
	return jsonv2.Unmarshal(text, &v)
}

// document reads a JSON object with its numbers as they are written.
func document(name string, text []byte) (map[string]any, error) {
	if err := soundJSON(text); err != nil {
		return nil, because(ErrContent, "%q: %s", name, err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return nil, because(ErrContent, "%q is no JSON object", name)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		return nil, because(ErrContent, "%q: %s", name, err)
	}
	return members, nil
}
