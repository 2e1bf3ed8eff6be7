package provider

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	maxManifest = 64 << 10
	maxNodes    = 4096
)

// ErrManifest is wrapped by every error about a manifest's text.
var ErrManifest = errors.New("the manifest cannot be used")

func invalid(format string, arguments ...any) error {
	return fmt.Errorf("%w: %w", ErrManifest, fmt.Errorf(format, arguments...))
}

// parse reads one YAML mapping: no second document, no alias, no tag, no name twice.
func parse(text []byte) (*yaml.Node, error) {
	if len(text) > maxManifest {
		return nil, invalid("more than %d bytes", maxManifest)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, more yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return nil, invalid("%w", err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, invalid("more than one document")
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, invalid("not a mapping")
	}
	left := maxNodes
	return root, plain(root, &left)
}

func plain(n *yaml.Node, left *int) error {
	if *left--; *left < 0 {
		return invalid("too many values")
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 || n.Tag == "!!merge" {
		return invalid("line %d: anchors, aliases, merges and tags are not read", n.Line)
	}
	if n.Kind == yaml.MappingNode {
		seen := map[string]bool{}
		for i := 0; i < len(n.Content); i += 2 {
			name := n.Content[i].Value
			if n.Content[i].Kind != yaml.ScalarNode || seen[name] {
				return invalid("line %d: %q stands here twice, or is no name", n.Content[i].Line, name)
			}
			seen[name] = true
		}
	}
	for _, child := range n.Content {
		if err := plain(child, left); err != nil {
			return err
		}
	}
	return nil
}

// overlay puts own keys over another manifest's: mappings are joined, everything else is replaced.
func overlay(under, own *yaml.Node) *yaml.Node {
	if under.Kind != yaml.MappingNode || own.Kind != yaml.MappingNode {
		return own
	}
	joined := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: own.Line, Content: slices.Clone(under.Content)}
	for i := 0; i < len(own.Content); i += 2 {
		at := indexOf(joined, own.Content[i].Value)
		if at < 0 {
			joined.Content = append(joined.Content, own.Content[i], own.Content[i+1])
			continue
		}
		joined.Content[at+1] = overlay(joined.Content[at+1], own.Content[i+1])
	}
	return joined
}

func indexOf(mapping *yaml.Node, name string) int {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// known refuses names that t does not have.
func known(n *yaml.Node, t reflect.Type, path string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return knownIn(n, t, path)
	}
	fields := fieldsOf(t)
	for i := 0; i < len(n.Content); i += 2 {
		name := n.Content[i].Value
		field, ok := fields[name]
		if !ok {
			return unknown(n.Content[i], strings.TrimPrefix(path+"."+name, "."), nearest(name, slices.Collect(maps.Keys(fields))))
		}
		if err := known(n.Content[i+1], field, path+"."+name); err != nil {
			return err
		}
	}
	return nil
}

// knownIn looks into the values of a map, whose names are the manifest's own.
func knownIn(n *yaml.Node, t reflect.Type, path string) error {
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Map {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if err := known(n.Content[i+1], t.Elem(), path+"."+n.Content[i].Value); err != nil {
			return err
		}
	}
	return nil
}

func unknown(at *yaml.Node, path, near string) error {
	if near == "" {
		return invalid("line %d: %q is not known", at.Line, path)
	}
	return invalid("line %d: %q is not known; did you mean %q?", at.Line, path, near)
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		fields[f.Tag.Get("yaml")] = f.Type
	}
	return fields
}
