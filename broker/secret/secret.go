// Package secret holds a value that must not be printed. However it is
// formatted, logged or marshalled it reads [redacted]; only Reveal gives it up.
package secret

import "log/slog"

const redacted = "[redacted]"

// Text is a secret string. The value is behind a pointer: fmt calls no method of what stands in an unexported field, and
// prints an address there instead.
type Text struct{ value *string }

// New wraps a value.
func New(value string) Text { return Text{value: &value} }

// Reveal returns the value: call it where the value is used, and nowhere else.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsZero tells whether there is no value.
func (t Text) IsZero() bool { return t.Reveal() == "" }

// String implements fmt.Stringer.
func (t Text) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (t Text) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, for JSON, YAML and the rest.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }
