// Package strictjson reads JSON from outside so that no two readers can see two
// things in it: one object, no duplicate names, no names that differ only by case,
// no invalid text, bounded size and depth.
//
// It depends on the standard library alone, and must not know tokens.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxDepth is the deepest nesting that is read; the outermost object is level 1.
const MaxDepth = 32

// Why a text is refused.
var (
	ErrSize   = errors.New("JSON text too large")
	ErrSyntax = errors.New("malformed JSON")
	ErrNames  = errors.New("JSON names that are ambiguous")
	ErrDepth  = errors.New("JSON nested too deep")
	ErrText   = errors.New("JSON text with U+0000 or U+FFFD")
)

// Object reads one JSON object of at most maxBytes. Values are nil, bool, string,
// int64, json.Number, []any and map[string]any; a number is an int64 if it is
// written without fraction and exponent and fits. A name of the outermost object
// that differs only by case from one of reserved is refused.
func Object(b []byte, maxBytes int, reserved ...string) (map[string]any, error) {
	if len(b) > maxBytes {
		return nil, ErrSize
	}
	// encoding/json would replace invalid UTF-8, and stops reading after the value.
	if !utf8.Valid(b) || !json.Valid(b) {
		return nil, ErrSyntax
	}
	r := reader{dec: json.NewDecoder(bytes.NewReader(b)), reserved: reserved}
	r.dec.UseNumber()
	value, err := r.value(1)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrSyntax
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, ErrSyntax
	}
	return object, nil
}

type reader struct {
	dec      *json.Decoder
	reserved []string
}

func (r *reader) value(level int) (any, error) {
	token, err := r.dec.Token()
	if err != nil {
		return nil, ErrSyntax
	}
	switch token := token.(type) {
	case json.Delim:
		if level > MaxDepth {
			return nil, ErrDepth
		}
		if token == '{' {
			return r.object(level)
		}
		return r.array(level)
	case json.Number:
		if n, err := strconv.ParseInt(token.String(), 10, 64); err == nil && token.String() != "-0" {
			return n, nil
		}
		return token, nil
	case string:
		return token, checkText(token)
	default: // bool, nil
		return token, nil
	}
}

// checkText refuses U+0000, which other readers end a string at, and U+FFFD, which
// an unpaired surrogate is read as.
func checkText(s string) error {
	if strings.ContainsRune(s, 0) || strings.ContainsRune(s, utf8.RuneError) {
		return ErrText
	}
	return nil
}

func (r *reader) array(level int) (any, error) {
	list := []any{}
	for r.dec.More() {
		element, err := r.value(level + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	_, err := r.dec.Token()
	return list, err
}

func (r *reader) object(level int) (any, error) {
	members := map[string]any{}
	seen := map[string]struct{}{}
	for r.dec.More() {
		token, err := r.dec.Token()
		if err != nil {
			return nil, ErrSyntax
		}
		name, ok := token.(string)
		if !ok {
			return nil, ErrSyntax
		}
		if err := checkText(name); err != nil {
			return nil, err
		}
		folded := fold(name)
		if _, twice := seen[folded]; twice { // duplicates, and names that differ by case
			return nil, ErrNames
		}
		seen[folded] = struct{}{}
		if level == 1 {
			for _, registered := range r.reserved {
				if name != registered && folded == fold(registered) {
					return nil, ErrNames
				}
			}
		}
		if members[name], err = r.value(level + 1); err != nil {
			return nil, err
		}
	}
	_, err := r.dec.Token()
	return members, err
}

// fold maps a name to one representative of all that Unicode simple case folding
// holds equal to it.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}
