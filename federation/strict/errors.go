package strict

import (
	"errors"
	"fmt"
	"strings"
)

// What a text can be refused for. Every error of this package wraps one of
// them, or is an [*UnknownField].
var (
	ErrSyntax    = errors.New("malformed JSON")
	ErrSize      = errors.New("JSON text too large")
	ErrDepth     = errors.New("JSON nested too deep")
	ErrDuplicate = errors.New("duplicate member name")
	ErrFold      = errors.New("member names that differ only by case")
	ErrReserved  = errors.New("member name that differs from a registered one only by case")
	ErrNotObject = errors.New("not a JSON object")
	ErrNumber    = errors.New("number outside the range of a double")
	ErrNUL       = errors.New("text with U+0000")
	ErrMember    = errors.New("member of the wrong type")
)

// Error says which rule a text broke and where. The text itself is not in it,
// member names aside.
type Error struct {
	Rule error  // one of the Err values of this package
	Path string // JSON pointer (RFC 6901) to the value, "" for the whole text
	Note string // what was found, may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Rule.Error())
	if e.Path != "" {
		fmt.Fprintf(&b, " at %q", e.Path)
	}
	if e.Note != "" {
		b.WriteString(": ")
		b.WriteString(e.Note)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Rule }

// UnknownField is returned by [Decode] for a member that the target does not
// have.
type UnknownField struct {
	Path    string // JSON pointer to the object that holds the member
	Name    string // the name as sent
	Nearest string // the closest known name, "" when none is close
}

func (e *UnknownField) Error() string {
	at := e.Path
	if at == "" {
		at = "/"
	}
	if e.Nearest == "" {
		return fmt.Sprintf("unknown field %q in %q", e.Name, at)
	}
	return fmt.Sprintf("unknown field %q in %q (nearest known: %q)", e.Name, at, e.Nearest)
}
