package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Encode writes objects as YAML documents with the members in the order of the
// contract. Without server the members that the server adds are left out, so that
// what is written applies again without a difference.
func Encode(w io.Writer, objects []Object, server bool) error {
	for i, o := range objects {
		if !server {
			o.Metadata = Metadata{Name: o.Metadata.Name, Tenant: o.Metadata.Tenant, Labels: o.Metadata.Labels}
		}
		text, err := encodeOne(o)
		if err != nil {
			return fmt.Errorf("%s: %w", o.Label(), err)
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("write objects: %w", err)
		}
	}
	return nil
}

func encodeOne(o Object) ([]byte, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	node, err := nodeOf(decoder)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := encoder.Encode(node); err != nil {
		return nil, err
	}
	return b.Bytes(), encoder.Close()
}

// nodeOf builds a YAML tree from JSON tokens, which keeps the order of members.
func nodeOf(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		return collectionOf(d, t)
	case string:
		return textNode(t), nil
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: t.String()}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(t)}, nil
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}, nil
	default:
		return nil, errors.New("unexpected token")
	}
}

func collectionOf(d *json.Decoder, open json.Delim) (*yaml.Node, error) {
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if open == '[' {
		node = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	for d.More() {
		item, err := nodeOf(d)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, item)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	_, err := d.Token() // the closing one
	return node, err
}

func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	if s == "<<" { // else read back as a merge key
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
