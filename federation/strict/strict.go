package strict

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is the deepest nesting that is read; the outermost object or array
// is level 1.
const MaxDepth = 32

// MaxBytes is the size limit of [Object] when none is given.
const MaxBytes = 64 << 10

// Limits bound one text. The zero value means [MaxBytes], [MaxDepth], nothing
// reserved, U+0000 allowed.
type Limits struct {
	Bytes    int   // of the text; 0 means MaxBytes
	Depth    int   // 0, or anything above it, means MaxDepth
	Reserved Names // names that the outermost object may hold only exactly as written
	NoNUL    bool  // refuse U+0000 in names and strings: PostgreSQL cannot store it
}

func (l Limits) bytes() int {
	if l.Bytes <= 0 {
		return MaxBytes
	}
	return l.Bytes
}

func (l Limits) depth() int {
	if l.Depth <= 0 || l.Depth > MaxDepth {
		return MaxDepth
	}
	return l.Depth
}

// Object reads one JSON object. Values are nil, bool, string, int64,
// json.Number, []any and map[string]any; a number is an int64 when it is
// written without fraction and exponent and fits, otherwise a json.Number of
// encoding/json, with the text as sent. (Re-encode with encoding/json: other
// encoders take a json.Number for a string.)
func Object(b []byte, limit Limits) (map[string]any, error) {
	if len(b) > limit.bytes() {
		return nil, &Error{Rule: ErrSize}
	}
	v, err := read(b, limit)
	if err != nil {
		return nil, err
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &Error{Rule: ErrNotObject}
	}
	return object, nil
}

// Value reads any JSON value under the rules of [Object], without a limit of
// size: the caller has read b through one.
func Value(b []byte) (any, error) { return read(b, Limits{}) }

func read(b []byte, limit Limits) (any, error) {
	r := reader{
		// The decoder refuses invalid UTF-8, unpaired surrogates, a byte order
		// mark and duplicate names by default (RFC 7493 §2.1, §2.3).
		dec:   jsontext.NewDecoder(bytes.NewBuffer(b)),
		limit: limit,
	}
	v, err := r.value(1)
	if err != nil {
		return nil, err
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, &Error{Rule: ErrSyntax, Note: "text after the value"}
	}
	return v, nil
}

type reader struct {
	dec   *jsontext.Decoder
	limit Limits
}

func (r *reader) value(level int) (any, error) {
	token, err := r.dec.ReadToken()
	if err != nil {
		return nil, r.syntax(err)
	}
	switch token.Kind() {
	case 'n':
		return nil, nil // JSON null is a value
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '"':
		return r.text(token)
	case '0':
		n, ok := number(token.String())
		if !ok {
			return nil, r.refuse(ErrNumber, "")
		}
		return n, nil
	case '{', '[':
		if level > r.limit.depth() {
			return nil, r.refuse(ErrDepth, "")
		}
		if token.Kind() == '{' {
			return r.object(level)
		}
		return r.array(level)
	default:
		return nil, r.refuse(ErrSyntax, "")
	}
}

func (r *reader) text(token jsontext.Token) (string, error) {
	s := token.String()
	if r.limit.NoNUL && strings.IndexByte(s, 0) >= 0 {
		return "", r.refuse(ErrNUL, "")
	}
	return s, nil
}

func (r *reader) array(level int) (any, error) {
	list := []any{}
	for r.dec.PeekKind() != ']' {
		v, err := r.value(level + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, r.syntax(err)
	}
	return list, nil
}

func (r *reader) object(level int) (any, error) {
	members := map[string]any{}
	folds := false // a name is not its own representative
	for r.dec.PeekKind() != '}' {
		token, err := r.dec.ReadToken()
		if err != nil {
			return nil, r.syntax(err)
		}
		name, err := r.text(token)
		if err != nil {
			return nil, err
		}
		if level == 1 {
			if registered, resembles := r.limit.Reserved.Resembles(name); resembles {
				return nil, r.refuse(ErrReserved, registered)
			}
		}
		folds = folds || !isFolded(name)
		if members[name], err = r.value(level + 1); err != nil {
			return nil, err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return nil, r.syntax(err)
	}
	if folds {
		if name, collides := collision(members); collides {
			return nil, r.refuse(ErrFold, name)
		}
	}
	return members, nil
}

// collision finds two names of one object that fold together.
func collision(members map[string]any) (string, bool) {
	seen := make(map[string]struct{}, len(members))
	for name := range members {
		folded := Fold(name)
		if _, found := seen[folded]; found {
			return folded, true
		}
		seen[folded] = struct{}{}
	}
	return "", false
}

func (r *reader) refuse(rule error, note string) error {
	return &Error{Rule: rule, Path: string(r.dec.StackPointer()), Note: note}
}

// syntax names the rule behind a tokenizer's error, without the text it quotes.
func (r *reader) syntax(err error) error {
	rule := ErrSyntax
	if errors.Is(err, jsontext.ErrDuplicateName) {
		rule = ErrDuplicate
	}
	return r.refuse(rule, "")
}
