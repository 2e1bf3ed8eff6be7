package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds a document after its aliases were followed: a few lines of
// YAML can otherwise stand for gigabytes.
const maxNodes = 200_000

// maxYAMLDepth is more than the strict decoder takes; it keeps the walk itself bounded.
const maxYAMLDepth = 64

// splitYAML cuts a stream at its document markers, which cannot appear at the
// beginning of a line within a document (YAML 1.2.2 §9.1.2).
func splitYAML(text []byte) []source {
	var documents []source
	begin, line, firstLine := 0, 0, 0
	for at := 0; at < len(text); {
		end := len(text)
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		if isMarker(text[at:end]) {
			if at > begin {
				documents = append(documents, source{text: text[begin:at], line: firstLine})
			}
			begin, firstLine = at, line
		}
		at = end
		line++
	}
	if begin < len(text) {
		documents = append(documents, source{text: text[begin:], line: firstLine})
	}
	return documents
}

func isMarker(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("---")) {
		return false
	}
	return len(line) == 3 || bytes.IndexByte([]byte(" \t\r\n"), line[3]) >= 0
}

// convert writes a YAML document as JSON text, so that there is one strict
// decoder, and remembers the lines. An empty document is nil.
func convert(s source) ([]byte, lines, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(s.text))
	var root yaml.Node
	if err := decoder.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil, nil
		}
		return nil, nil, &Invalid{Problems: []Problem{{Line: s.line + 1, Text: "malformed YAML in the document that begins here: " + quote(err.Error())}}}
	}
	c := converter{offset: s.line, lines: lines{}}
	if len(root.Content) == 0 || isNothing(root.Content[0]) {
		return nil, nil, nil
	}
	if err := c.write(root.Content[0], "", 0); err != nil {
		return nil, nil, err
	}
	if err := decoder.Decode(&root); !errors.Is(err, io.EOF) {
		return nil, nil, &Invalid{Problems: []Problem{{Line: s.line + 1, Text: "the document that begins here goes on after its end"}}}
	}
	return c.out.Bytes(), c.lines, nil
}

// isNothing: a document without a value. One with a value that its tag calls null would be left out unseen.
func isNothing(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null" && slices.Contains([]string{"", "~", "null", "Null", "NULL"}, n.Value)
}

type converter struct {
	out     bytes.Buffer
	lines   lines
	offset  int
	nodes   int
	aliases int
}

func (c *converter) refuse(n *yaml.Node, format string, args ...any) error {
	return &Invalid{Problems: []Problem{{Line: c.offset + n.Line, Text: fmt.Sprintf(format, args...)}}}
}

func (c *converter) write(n *yaml.Node, pointer string, depth int) error {
	c.nodes++
	if c.nodes > maxNodes || c.out.Len() > MaxDocument*2 {
		return c.refuse(n, "the document holds too much once its aliases are followed")
	}
	if depth > maxYAMLDepth {
		return c.refuse(n, "nested too deep")
	}
	if c.aliases == 0 {
		c.lines[pointer] = c.offset + n.Line
	}
	switch n.Kind {
	case yaml.AliasNode:
		c.aliases++
		err := c.write(n.Alias, pointer, depth+1)
		c.aliases--
		return err
	case yaml.MappingNode:
		return c.mapping(n, pointer, depth)
	case yaml.SequenceNode:
		return c.sequence(n, pointer, depth)
	case yaml.ScalarNode:
		return c.scalar(n)
	default:
		return c.refuse(n, "neither a mapping, a list nor a value")
	}
}

func (c *converter) mapping(n *yaml.Node, pointer string, depth int) error {
	if n.Tag != "!!map" {
		return c.refuse(n, "unknown tag %s", quote(n.Tag))
	}
	c.out.WriteByte('{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Tag != "!!str" {
			return c.refuse(key, "the name of a member is no plain text: write it in quotes (merge keys are not taken)")
		}
		if i > 0 {
			c.out.WriteByte(',')
		}
		if err := c.text(key, key.Value); err != nil {
			return err
		}
		c.out.WriteByte(':')
		if err := c.write(n.Content[i+1], pointer+"/"+key.Value, depth+1); err != nil {
			return err
		}
		if c.aliases == 0 {
			c.lines[pointer+"/"+key.Value] = c.offset + key.Line
		}
	}
	c.out.WriteByte('}')
	return nil
}

func (c *converter) sequence(n *yaml.Node, pointer string, depth int) error {
	if n.Tag != "!!seq" {
		return c.refuse(n, "unknown tag %s", quote(n.Tag))
	}
	c.out.WriteByte('[')
	for i, item := range n.Content {
		if i > 0 {
			c.out.WriteByte(',')
		}
		if err := c.write(item, pointer+"/"+strconv.Itoa(i), depth+1); err != nil {
			return err
		}
	}
	c.out.WriteByte(']')
	return nil
}

// scalar: YAML has many spellings of a number; only those that JSON shares are
// taken, so that two readers see the same value.
func (c *converter) scalar(n *yaml.Node) error {
	switch n.Tag {
	case "!!str", "!!timestamp":
		return c.text(n, n.Value)
	case "!!null":
		c.out.WriteString("null")
		return nil
	case "!!bool":
		if n.Value != "true" && n.Value != "false" {
			return c.refuse(n, "%s is not true or false: write one of them, or put text in quotes", quote(n.Value))
		}
	case "!!int", "!!float":
		// A tag may call any text a number: only the first byte tells what JSON would read.
		if !json.Valid([]byte(n.Value)) || !strings.ContainsRune("-0123456789", rune(n.Value[0])) {
			return c.refuse(n, "%s is no decimal number: write one, or put text in quotes", quote(n.Value))
		}
	default:
		return c.refuse(n, "unknown tag %s", quote(n.Tag))
	}
	c.out.WriteString(n.Value)
	return nil
}

func (c *converter) text(n *yaml.Node, s string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return c.refuse(n, "text that cannot be read")
	}
	c.out.Write(b)
	return nil
}
