package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Explanation is what there is to say of one setting.
type Explanation struct {
	Leaf
	Value  any    // nil: not set
	Origin string // default, file …, environment, flag
}

// Explain finds settings by key: one leaf, or all of a section.
func (l *Loaded) Explain(key string) ([]Explanation, error) {
	var found []Explanation
	for _, leaf := range Leaves() {
		if leaf.Key != key && !strings.HasPrefix(leaf.Key, key+".") {
			continue
		}
		origin, set := l.origin[leaf.Key]
		if !set {
			origin = "not set"
		}
		found = append(found, Explanation{Leaf: leaf, Value: l.shown(leaf), Origin: origin})
	}
	if len(found) == 0 {
		return nil, unknownKey(key)
	}
	return found, nil
}

func (l *Loaded) shown(leaf Leaf) any {
	value, ok := l.values[leaf.Key]
	if ok && leaf.Secret {
		return hideSecret(fmt.Sprint(value))
	}
	return value
}

// hideSecret keeps what helps to recognise a URL and drops the password.
func hideSecret(value string) string {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		return "[redacted]"
	}
	if credentials, host, ok := strings.Cut(rest, "@"); ok {
		user, _, hasPassword := strings.Cut(credentials, ":")
		if hasPassword {
			user += ":[redacted]"
		}
		rest = user + "@" + host
	}
	if before, _, ok := strings.Cut(rest, "?"); ok && strings.Contains(rest, "password") {
		rest = before + "?[redacted]"
	}
	return scheme + "://" + rest
}

// Effective prints the merged configuration as YAML, secrets hidden.
func (l *Loaded) Effective() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, leaf := range Leaves() {
		if _, set := l.values[leaf.Key]; !set {
			continue
		}
		if err := place(root, strings.Split(leaf.Key, "."), l.shown(leaf), l.origin[leaf.Key]); err != nil {
			return nil, err
		}
	}
	return yaml.Marshal(root)
}

func place(node *yaml.Node, path []string, value any, origin string) error {
	i := slices.IndexFunc(node.Content, func(n *yaml.Node) bool { return n.Value == path[0] })
	if len(path) == 1 {
		var leaf yaml.Node
		if err := leaf.Encode(value); err != nil {
			return err
		}
		if origin != "default" {
			leaf.LineComment = origin
		}
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, &leaf)
		return nil
	}
	if i < 0 {
		node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, &yaml.Node{Kind: yaml.MappingNode})
		i = len(node.Content) - 2
	}
	return place(node.Content[i+1], path[1:], value, origin)
}
