// Package objectfile reads objects from files and folders and remembers where
// each was written, so that what the server finds wrong can be shown at its line.
// It checks nothing but what package object checks when it decodes, and knows
// neither server nor store.
package objectfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/chancery-dev/chancery/broker/object"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// Written is objects and where they were written.
type Written struct {
	Objects []object.Object
	places  map[string][]place // by object.Label
}

// Invalid is everything that is wrong, each with its place; never empty.
type Invalid struct{ Lines []string }

// Error writes one line each.
func (e *Invalid) Error() string { return strings.Join(e.Lines, "\n") }

// Read reads files, folders of them and standard input, in the order given and
// within a folder in the order of the names. What is wrong in any of them is one
// *Invalid.
func Read(paths []string, stdin io.Reader) (Written, error) {
	w := Written{places: map[string][]place{}}
	wrong := &Invalid{}
	usedStdin := false
	for _, path := range paths {
		if path == Stdin {
			if usedStdin {
				return Written{}, errors.New("standard input can be read once")
			}
			usedStdin = true
			if err := w.take("standard input", stdin, wrong); err != nil {
				return Written{}, err
			}
			continue
		}
		files, err := Files(path)
		if err != nil {
			return Written{}, err
		}
		for _, file := range files {
			if err := w.open(file, wrong); err != nil {
				return Written{}, err
			}
		}
	}
	if len(wrong.Lines) > 0 {
		return Written{}, wrong
	}
	return w, nil
}

// Files lists a file, or the YAML and JSON files below a folder in the order of
// their names. Names that begin with a dot are left out: a mounted ConfigMap
// keeps second copies under such names.
func Files(root string) ([]string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{root}, nil
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		switch filepath.Ext(path) {
		case ".yaml", ".yml", ".json":
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no .yaml, .yml or .json file", root)
	}
	return files, err
}

func (w *Written) open(file string, wrong *Invalid) error {
	f, err := os.Open(file) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	return w.take(file, f, wrong)
}

// take decodes one file. Its own problems have lines already.
func (w *Written) take(file string, r io.Reader, wrong *Invalid) error {
	text, err := io.ReadAll(io.LimitReader(r, object.MaxStream+1))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	found, err := object.Decode(bytes.NewReader(text), object.Options{})
	if invalid, ok := errors.AsType[*object.Invalid](err); ok {
		for _, p := range invalid.Problems {
			wrong.Lines = append(wrong.Lines, at(file, p.Line, p))
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	w.Objects = append(w.Objects, found...)
	w.remember(file, text)
	return nil
}

// at writes a problem as compilers do: file:line: object: path: text.
func at(file string, line int, p object.Problem) string {
	p.Line = 0
	if line > 0 {
		file = fmt.Sprintf("%s:%d", file, line)
	}
	return file + ": " + p.String()
}

// Locate writes a problem with the place of the object that it is about. Where
// the same name is written for several tenants, all places are named.
func (w Written) Locate(p object.Problem) string {
	where := w.places[p.Object]
	if p.Object == "" && len(w.Objects) == 1 {
		where = w.places[w.Objects[0].Label()]
	}
	if len(where) == 0 {
		return p.String()
	}
	all := make([]string, len(where))
	for i, one := range where {
		all[i] = one.of(p.Path)
	}
	return at(strings.Join(all, " or "), 0, p)
}

// place is where one object was written.
type place struct {
	file string
	node *yaml.Node // nil where it is not known
}

// remember notes the places of a file's objects. Decode has bounded the text already.
func (w *Written) remember(file string, text []byte) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		if err := decoder.Decode(&document); err != nil {
			return // the end, or JSON that is no YAML: then the file alone is named
		}
		for _, root := range document.Content {
			if root.Kind != yaml.SequenceNode {
				w.note(file, root)
				continue
			}
			for _, item := range root.Content {
				w.note(file, item)
			}
		}
	}
}

func (w *Written) note(file string, n *yaml.Node) {
	kind, name := member(n, "kind"), member(member(n, "metadata"), "name")
	if kind == nil || name == nil {
		return
	}
	label := kind.Value + " " + name.Value
	w.places[label] = append(w.places[label], place{file: file, node: n})
}

func member(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// of is file:line of the deepest member of a path such as spec.assertions.clients[0] that is written.
func (p place) of(path string) string {
	if p.node == nil {
		return p.file
	}
	line, n := p.node.Line, p.node
	for token := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if n = child(n, token); n == nil {
			break
		}
		line = n.Line
	}
	return fmt.Sprintf("%s:%d", p.file, line)
}

func child(n *yaml.Node, token string) *yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return member(n, token)
	}
	for i, item := range n.Content {
		if fmt.Sprint(i) == token {
			return item
		}
	}
	return nil
}
