package oauth

import (
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Limits of a request's form.
const (
	MaxBody       = 64 << 10
	maxParameters = 64
	maxName       = 64
)

// Form is a decoded request: each parameter once, only resource may repeat. A
// parameter that is present without a value is absent (RFC 6749 §3.2): some
// clients send `code=` with every grant.
type Form struct {
	values    map[string]string
	resources []string
}

// String names the form; its values, which may be secrets, stay out of logs.
func (f Form) String() string { return fmt.Sprintf("form of %d parameters", len(f.values)) }

// GoString is String, for %#v.
func (f Form) GoString() string { return f.String() }

// LogValue is String, for slog.
func (f Form) LogValue() slog.Value { return slog.StringValue(f.String()) }

// Get returns a parameter's value, empty if it is absent.
func (f Form) Get(name string) string { return f.values[name] }

// With is the form with a parameter that its endpoint says, whatever was sent.
func (f Form) With(name, value string) Form {
	values := make(map[string]string, len(f.values)+1)
	maps.Copy(values, f.values)
	values[name] = value
	return Form{values: values, resources: f.resources}
}

// Resources returns the `resource` parameters (RFC 8707 §2).
func (f Form) Resources() []string { return f.resources }

// ParseForm reads an application/x-www-form-urlencoded body. Unknown parameters are kept and ignored (RFC 6749 §3.2);
// repeated ones are refused, also where a repetition is empty.
func ParseForm(body []byte) (Form, error) {
	if len(body) > MaxBody {
		return Form{}, Refuse(CodeBodyTooLarge, fmt.Sprintf("%d bytes", len(body)), fmt.Sprintf("at most %d", MaxBody))
	}
	f := Form{values: make(map[string]string, 8)}
	seen := make(map[string]bool, 8)
	for pair := range strings.SplitSeq(string(body), "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, value, err := unescape(rawName, rawValue)
		if err != nil {
			return Form{}, err
		}
		if name == "" || len(name) > maxName {
			return Form{}, Refuse(CodeRequestMalformed, "a parameter without a usable name", "a name of at most 64 bytes")
		}
		if seen[name] && name != "resource" {
			return Form{}, Refuse(CodeParameterRepeated, name, "every parameter once")
		}
		seen[name] = true
		if len(seen)+len(f.resources) > maxParameters {
			return Form{}, Refuse(CodeRequestMalformed, "too many parameters", fmt.Sprintf("at most %d", maxParameters))
		}
		switch {
		case value == "":
		case name == "resource":
			f.resources = append(f.resources, value)
		default:
			f.values[name] = value
		}
	}
	return f, nil
}

func unescape(rawName, rawValue string) (name, value string, err error) {
	name, err = url.QueryUnescape(rawName)
	if err != nil {
		return "", "", Refuse(CodeRequestMalformed, "a name that is not form-encoded", "percent-encoding")
	}
	value, err = url.QueryUnescape(rawValue)
	if err != nil {
		return "", "", Refuse(CodeRequestMalformed, "a value that is not form-encoded in "+printable(name), "percent-encoding")
	}
	if !clean(name) || !clean(value) {
		return "", "", Refuse(CodeRequestMalformed, "control characters or invalid UTF-8 in "+printable(name), "printable UTF-8")
	}
	return name, value, nil
}

func clean(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

func printable(name string) string {
	name = strings.ToValidUTF8(name, "?")
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '?'
		}
		return r
	}, name[:min(len(name), maxName)])
}
