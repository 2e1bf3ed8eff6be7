package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/strict"
)

// Limits of what is decoded.
const (
	MaxDocument  = 1 << 20
	MaxStream    = 64 << 20
	MaxDocuments = 10_000
	maxLabels    = 64
)

// Format is how documents are written.
type Format int

// The formats. YAML takes JSON too.
const (
	YAML Format = iota
	JSON
)

// Options say what Decode reads.
type Options struct {
	Format Format
}

// ErrTooLarge says that a document, or all of them, is larger than the limits.
var ErrTooLarge = errors.New("too large")

// Decode reads objects: YAML documents, or one JSON object or list of objects.
// It is strict (duplicate and unknown members, wrong types, null, aliases that
// multiply) and validates each spec. All problems of all documents are one
// *Invalid. What it does not check is what needs an object's neighbours.
func Decode(r io.Reader, o Options) ([]Object, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxStream+1))
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	if len(text) > MaxStream {
		return nil, fmt.Errorf("%w: the documents together have more than %d MiB", ErrTooLarge, MaxStream>>20)
	}
	documents, err := split(text, o.Format)
	if err != nil {
		return nil, err
	}
	var objects []Object
	var all findings
	for _, d := range documents {
		found, err := d.objects()
		if err != nil {
			all.merge(err)
			continue
		}
		objects = append(objects, found...)
	}
	if err := all.err(); err != nil {
		return nil, err
	}
	return objects, nil
}

// split takes a stream apart and keeps where each document begins.
func split(text []byte, format Format) ([]source, error) {
	var documents []source
	if format == JSON {
		documents = []source{{text: text, format: JSON}}
	} else {
		documents = splitYAML(text)
	}
	if len(documents) > MaxDocuments {
		return nil, fmt.Errorf("%w: more than %d documents", ErrTooLarge, MaxDocuments)
	}
	for i, d := range documents {
		if len(d.text) > MaxDocument && !d.isList() {
			return nil, fmt.Errorf("%w: document %d has more than %d MiB", ErrTooLarge, i+1, MaxDocument>>20)
		}
	}
	return documents, nil
}

// source is one document as it was read.
type source struct {
	text   []byte
	line   int // lines before it
	format Format
}

func (s source) isList() bool { return bytes.HasPrefix(bytes.TrimLeft(s.text, " \t\r\n"), []byte("[")) }

func (s source) objects() ([]Object, error) {
	if s.format == JSON || s.looksLikeJSON() {
		return decodeJSON(s.text, nil)
	}
	converted, lines, err := convert(s)
	if err != nil || converted == nil {
		return nil, err
	}
	return decodeJSON(converted, lines)
}

// looksLikeJSON: JSON is read by its own rules, not as the YAML that it almost is.
func (s source) looksLikeJSON() bool {
	trimmed := bytes.TrimLeft(s.text, " \t\r\n")
	return len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') && json.Valid(s.text)
}

// lines finds the line of a JSON pointer.
type lines map[string]int

func (l lines) of(pointer string) int {
	for {
		if line, found := l[pointer]; found {
			return line
		}
		i := strings.LastIndexByte(pointer, '/')
		if i < 0 {
			return 0
		}
		pointer = pointer[:i]
	}
}

func decodeJSON(text []byte, at lines) ([]Object, error) {
	value, err := strict.Value(text)
	if err != nil {
		return nil, invalidJSON("", err, "", at)
	}
	if _, isList := value.([]any); !isList {
		o, err := decodeOne(text, value, "", at)
		if err != nil {
			return nil, err
		}
		return []Object{o}, nil
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, invalidJSON("", err, "", at)
	}
	values, _ := value.([]any)
	var objects []Object
	var all findings
	for i, one := range raw {
		if len(one) > MaxDocument {
			return nil, fmt.Errorf("%w: object %d has more than %d MiB", ErrTooLarge, i+1, MaxDocument>>20)
		}
		o, err := decodeOne(one, values[i], fmt.Sprintf("/%d", i), at)
		if err != nil {
			all.merge(err)
			continue
		}
		objects = append(objects, o)
	}
	return objects, all.err()
}

// document is the outer form; the spec is read when the kind is known.
type document struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   Metadata        `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`
}

// decodeOne reads one object: first what it says it is, then its members by that kind.
func decodeOne(text []byte, value any, prefix string, at lines) (Object, error) {
	members, ok := value.(map[string]any)
	if !ok {
		return Object{}, &Invalid{Problems: []Problem{{Line: at.of(prefix), Text: "expected an object with apiVersion, kind, metadata and spec"}}}
	}
	label := labelOf(members)
	spec, err := header(members)
	if err != nil {
		return Object{}, locate(err, label, prefix, at)
	}
	var d document
	if err := strict.Decode(text, &d); err != nil {
		return Object{}, invalidJSON(label, err, prefix, at)
	}
	var f findings
	withoutNull(&f, members, "")
	if err := f.err(); err != nil {
		return Object{}, locate(err, label, prefix, at)
	}
	if len(d.Spec) > 0 {
		if err := strict.Decode(d.Spec, spec); err != nil {
			return Object{}, invalidJSON(label, err, prefix+"/spec", at)
		}
	}
	o := Object{APIVersion: APIVersion, Kind: Kind(d.Kind), Metadata: d.Metadata, Spec: spec}
	o.settle()
	if err := o.Validate(); err != nil {
		return Object{}, locate(err, label, prefix, at)
	}
	return o, nil
}

// header finds the spec type by apiVersion and kind, and says what came instead.
func header(members map[string]any) (Spec, error) {
	var f findings
	if v, _ := members["apiVersion"].(string); v != APIVersion {
		f.add("apiVersion", "received %s, expected %s", shown(members["apiVersion"]), APIVersion)
	}
	name, _ := members["kind"].(string)
	spec := NewSpec(Kind(name))
	switch {
	case spec != nil:
	case slices.Contains(laterKinds(), Kind(name)):
		f.addCode("not_served", "kind", "%s is not served yet", name)
	default:
		var known []string
		for _, k := range Kinds() {
			known = append(known, string(k))
		}
		f.add("kind", "received %s, expected %s", shown(members["kind"]), alternatives(known))
	}
	return spec, f.err()
}

func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return quote(v)
	default:
		return "something that is no text"
	}
}

func labelOf(members map[string]any) string {
	kind, _ := members["kind"].(string)
	metadata, _ := members["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	if kind == "" || name == "" || len(kind) > maxName || len(name) > maxName {
		return ""
	}
	return kind + " " + strings.Trim(quote(name), `"`)
}

// withoutNull: a member without a value is a slip of the hand more often than a
// wish, and an absent list denies. Only free-form members may hold null.
func withoutNull(f *findings, v any, path string) {
	switch path {
	case "spec.data", "spec.data_schema", "spec.attributes", "spec.jwks.inline", "spec.auth.jwks":
		return
	}
	switch v := v.(type) {
	case nil:
		f.add(path, "has no value: leave it out, or give one")
	case map[string]any:
		for _, name := range sortedNames(v) {
			withoutNull(f, v[name], strings.TrimPrefix(path+"."+name, "."))
		}
	case []any:
		for i, item := range v {
			withoutNull(f, item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// merge takes over another error's problems.
func (f *findings) merge(err error) {
	if invalid, ok := errors.AsType[*Invalid](err); ok {
		f.problems = append(f.problems, invalid.Problems...)
		return
	}
	f.problems = append(f.problems, Problem{Text: err.Error()})
}
