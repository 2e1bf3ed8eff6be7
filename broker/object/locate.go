package object

import (
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/strict"
)

// invalidJSON turns an error of the strict decoder into a problem with a path.
func invalidJSON(label string, err error, prefix string, at lines) error {
	p := Problem{Object: label, Text: err.Error()}
	pointer := prefix
	if e, ok := errors.AsType[*strict.Error](err); ok {
		pointer, p.Path = prefix+e.Path, dotted(prefix, prefix+e.Path)
		p.Text = e.Rule.Error()
		if e.Note != "" {
			p.Text += ": " + e.Note
		}
	}
	if e, ok := errors.AsType[*strict.UnknownField](err); ok {
		pointer = prefix + e.Path + "/" + e.Name
		p.Path = dotted(prefix, prefix+e.Path)
		p.Text = "unknown field " + quote(e.Name)
		if e.Nearest != "" {
			p.Text += " (nearest known: " + quote(e.Nearest) + ")"
		}
	}
	p.Line = at.of(pointer)
	return &Invalid{Problems: []Problem{p}}
}

// locate says of which object, and on which line, problems are.
func locate(err error, label, prefix string, at lines) error {
	invalid, ok := errors.AsType[*Invalid](err)
	if !ok {
		return err
	}
	located := &Invalid{Problems: slices.Clone(invalid.Problems)}
	for i := range located.Problems {
		p := &located.Problems[i]
		p.Object = label
		p.Line = at.of(prefix + pointerOf(p.Path))
	}
	return located
}

// dotted writes a JSON pointer as people do: spec.auth.method. The place of the
// object within a list is left out.
func dotted(prefix, pointer string) string {
	if i := strings.IndexByte(strings.TrimPrefix(prefix, "/"), '/'); prefix != "" && prefix[1] >= '0' && prefix[1] <= '9' {
		cut := len(prefix)
		if i >= 0 {
			cut = i + 1
		}
		pointer = pointer[cut:]
	}
	var b strings.Builder
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch {
		case token == "":
		case strings.Trim(token, "0123456789") == "":
			b.WriteString("[" + token + "]")
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
	}
	return b.String()
}

// pointerOf is the way back, as far as it matters for finding a line.
func pointerOf(path string) string {
	if path == "" {
		return ""
	}
	return "/" + strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(path)
}
