package strict

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads one JSON value into a tagged struct (json tags, names compared
// exactly). A member that the struct does not have is an [*UnknownField]; the
// rules of [Object] hold at every level, and U+0000 is refused. Members of type
// any get the types that [Object] gives. There is no limit of size: the caller
// has read b through one. On an error the target may be partly filled.
func Decode(b []byte, into any) error {
	// The whole text first: no target sees a value of a text that breaks a rule.
	if _, err := read(b, Limits{NoNUL: true}); err != nil {
		return err
	}
	err := json.Unmarshal(b, into,
		json.RejectUnknownMembers(true),
		json.WithUnmarshalers(json.UnmarshalFromFunc(untyped)),
	)
	if err == nil {
		return nil
	}
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return &Error{Rule: ErrMember}
	}
	path := string(semantic.JSONPointer)
	if errors.Is(semantic.Err, json.ErrUnknownName) {
		return unknownField(semantic.JSONPointer, semantic.GoType)
	}
	return &Error{Rule: ErrMember, Path: path, Note: expectation(semantic)}
}

func untyped(dec *jsontext.Decoder, into *any) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	*into, err = Value(raw)
	return err
}

// expectation says what was expected; the value as sent may be a secret and is
// left out. An error that a target's own UnmarshalJSON returned is quoted: the
// type knows what it may say.
func expectation(e *json.SemanticError) string {
	switch {
	case e.Err != nil && e.JSONValue == nil:
		return e.Err.Error()
	case e.GoType != nil:
		return fmt.Sprintf("expected %s", kindName(e.GoType))
	default:
		return ""
	}
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "a boolean"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Pointer:
		return kindName(t.Elem())
	default:
		return t.String()
	}
}

func unknownField(at jsontext.Pointer, target reflect.Type) *UnknownField {
	name := at.LastToken()
	return &UnknownField{
		Path:    string(at.Parent()),
		Name:    name,
		Nearest: Nearest(name, fieldNames(target)),
	}
}

// fieldNames lists the JSON names of a struct's fields, embedded ones included.
func fieldNames(t reflect.Type) []string {
	if t == nil {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported() && !field.Anonymous:
		case name == "" && field.Anonymous:
			names = append(names, fieldNames(field.Type)...)
		case name == "":
			names = append(names, field.Name)
		default:
			names = append(names, name)
		}
	}
	return names
}
