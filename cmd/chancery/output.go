package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// How records are printed.
const (
	asTable = "table"
	asJSON  = "json"
	asYAML  = "yaml"
)

func (c *command) addOutputFlag(cmd *cobra.Command, fallback string) {
	cmd.Flags().StringVarP(&c.output, "output", "o", "", "table, json or yaml (default: "+fallback+")")
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if c.output == "" {
			c.output = fallback
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}

func (c *command) checkOutput() error {
	switch c.output {
	case "", asTable, asJSON, asYAML:
		return nil
	}
	return fmt.Errorf("--output: %q: table, json or yaml is expected", c.output)
}

// table is records for people.
type table struct {
	columns []string
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells []string) {
		shown := make([]string, len(cells))
		for i, cell := range cells {
			shown[i] = visible(cell)
			if shown[i] == "" && i < len(cells)-1 {
				shown[i] = "-"
			}
		}
		_, _ = fmt.Fprintln(columns, strings.Join(shown, "\t"))
	}
	line(t.columns)
	for _, row := range t.rows {
		line(row)
	}
	return columns.Flush()
}

// print writes a record as JSON or YAML, or lets people have it their way.
func (c *command) print(record any, forPeople func(io.Writer) error) error {
	switch c.output {
	case asJSON:
		return printJSON(c.stdout, record)
	case asYAML:
		return printYAML(c.stdout, record)
	}
	return forPeople(c.stdout)
}

func printJSON(w io.Writer, record any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(record)
}

// printYAML keeps the names and the order of the JSON form.
func printYAML(w io.Writer, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	root, err := yamlNode(decoder)
	if err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(root), encoder.Close()); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// yamlNode builds a YAML tree from JSON tokens.
func yamlNode(d *json.Decoder) (*yaml.Node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, isCollection := token.(json.Delim)
	if !isCollection {
		return yamlScalar(token), nil
	}
	node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	if open == '[' {
		node = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	}
	for d.More() {
		item, err := yamlNode(d)
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, item)
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle // {} and []
	}
	_, err = d.Token() // the closing one
	return node, err
}

func yamlScalar(token json.Token) *yaml.Node {
	text, isText := token.(string)
	switch {
	case !isText && token == nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: "null"}
	case !isText:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(token)}
	}
	node := &yaml.Node{}
	node.SetString(text)
	if text == "<<" { // else read back as a merge key
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}

// visible makes text safe for a terminal: what a client sent is among what is shown.
func visible(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// visibleLines is visible, but for the ends of lines and the tabs within them.
func visibleLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = visibleColumns(lines[i])
	}
	return strings.Join(lines, "\n")
}

// hidden runes move the cursor, change direction or are not seen at all.
func hidden(r rune) bool { return !unicode.IsPrint(r) }

func clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
