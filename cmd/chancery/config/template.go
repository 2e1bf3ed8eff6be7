package config

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template writes a configuration file with every setting explained: those of
// settings as they are, the others as comments that hold their defaults. What it
// writes loads again; settings that would not load are refused.
func Template(settings map[string]any) ([]byte, error) {
	loaded, err := Load(Sources{File: os.DevNull, Flags: settings})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, _ = fmt.Fprint(&b, templateHead)
	var section []string
	for _, leaf := range templateLeaves(settings) {
		path := strings.Split(leaf.Key, ".")
		section = openSections(&b, section, path[:len(path)-1])
		if err := loaded.writeLeaf(&b, leaf, settings, len(path)-1, path[len(path)-1]); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

const templateHead = `# Chancery's configuration. What is commented out holds its default.
# Every setting can be given as an environment variable too: CHANCERY_SERVER__LISTEN.
# "chancery config explain KEY" says what a setting means and where its value comes from.
`

// templateLeaves leaves out the references that a plain value stands beside: YAML has one or the other.
func templateLeaves(settings map[string]any) []Leaf {
	var leaves []Leaf
	plain := map[string]bool{}
	for _, leaf := range Leaves() {
		if _, set := settings[leaf.Key+".env"]; set { // the reference stands in its place
			leaves = append(leaves, Leaf{Key: leaf.Key + ".env", Doc: leaf.Doc + " (name of an environment variable)", Type: "string"})
			plain[leaf.Key] = true
			continue
		}
		base := settingOf(leaf.Key)
		if base != leaf.Key && plain[base] {
			continue
		}
		if leaf.Secret {
			plain[leaf.Key] = true
			leaf.Doc += "; or a reference: {env: NAME}, {file: PATH}, {vault: MOUNT/PATH#KEY}"
		}
		leaves = append(leaves, leaf)
	}
	return leaves
}

// openSections writes the names of the sections that begin here.
func openSections(w io.Writer, from, to []string) []string {
	common := 0
	for common < min(len(from), len(to)) && from[common] == to[common] {
		common++
	}
	if common == 0 {
		_, _ = fmt.Fprintln(w)
	}
	for depth := common; depth < len(to); depth++ {
		_, _ = fmt.Fprintf(w, "%s%s:\n", strings.Repeat("  ", depth), to[depth])
	}
	return to
}

func (l *Loaded) writeLeaf(w io.Writer, leaf Leaf, settings map[string]any, depth int, name string) error {
	indent := strings.Repeat("  ", depth)
	value, set := settings[leaf.Key]
	mark := ""
	if !set {
		mark, value = "#", l.values[leaf.Key]
	}
	if value == nil {
		value = emptyOf(leaf.Type)
	}
	text, err := inline(value)
	if err != nil {
		return fmt.Errorf("%s: %w", leaf.Key, err)
	}
	_, _ = fmt.Fprintf(w, "%s# %s\n%s%s%s: %s\n", indent, leaf.Doc, indent, mark, name, text)
	return nil
}

func emptyOf(kind string) any {
	if kind == "list" {
		return []string{}
	}
	return ""
}

// inline writes a value on one line.
func inline(value any) (string, error) {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return "", err
	}
	if node.Kind != yaml.ScalarNode {
		node.Style = yaml.FlowStyle
	}
	text, err := yaml.Marshal(&node)
	return strings.TrimRight(string(text), "\n"), err
}
