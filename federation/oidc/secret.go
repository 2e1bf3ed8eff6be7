package oidc

import "log/slog"

const redacted = "[redacted]"

// Secret is a text that prints as nothing: a client's secret, a token. Only Reveal
// gives it up. The zero value is none.
type Secret struct{ value *string } // fmt would print a plain field of a struct that holds one

// NewSecret wraps a text.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the text: call it where the text is sent, and nowhere else.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero tells whether there is none.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String implements fmt.Stringer.
func (s Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (s Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, for JSON, YAML and the rest.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
