package provider

import "log/slog"

const redacted = "[redacted]"

// Secret is a value that prints as [redacted] wherever it goes; only Reveal gives it up. It stands behind a pointer: fmt
// calls no method of what is in an unexported field, and prints an address there instead.
type Secret struct{ value *string }

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the value: call it where the value is used, and nowhere else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero tells whether there is no value.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (s Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, for JSON, YAML and the rest.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
