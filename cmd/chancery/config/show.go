package config

import (
	"fmt"
	"net/url"
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

const redacted = "[redacted]"

// plainParameters of a database URL hold no secret.
var plainParameters = []string{"application_name", "connect_timeout", "sslmode", "sslrootcert", "target_session_attrs"}

// hideSecret keeps what helps to recognise a URL. Where a password might be in
// what it would keep, it keeps the scheme alone.
func hideSecret(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return redacted
	}
	if u.Fragment != "" || strings.Contains(u.Path, "@") || u.Path != u.EscapedPath() {
		return u.Scheme + "://" + redacted
	}
	shown := u.Scheme + "://"
	if u.User != nil {
		shown += u.User.Username()
		if _, has := u.User.Password(); has {
			shown += ":" + redacted
		}
		shown += "@"
	}
	var parameters []string
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
		if pair == "" {
			continue
		}
		if name, _, _ := strings.Cut(pair, "="); !slices.Contains(plainParameters, name) {
			pair = redacted
		}
		parameters = append(parameters, pair)
	}
	shown += u.Host + u.Path
	if len(parameters) > 0 {
		shown += "?" + strings.Join(parameters, "&")
	}
	return shown
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
	i := -1
	for at := 0; at < len(node.Content); at += 2 { // names stand at even places, values between them
		if node.Content[at].Value == path[0] {
			i = at
		}
	}
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
