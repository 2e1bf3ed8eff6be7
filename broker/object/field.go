package object

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Duration is a span of time as people write it: "5m", "1h30m", "90s".
type Duration time.Duration

// UnmarshalJSON reads the text form.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errors.New(`expected a duration as text, such as "5m"`)
	}
	if text == "" {
		*d = 0
		return nil
	}
	span, err := time.ParseDuration(text)
	if err != nil {
		return errors.New(`expected a duration such as "30s", "5m" or "1h30m"`)
	}
	if span <= 0 { // "0s" would read as absent, which means the default
		return errors.New("expected a positive duration; leave it out for the default")
	}
	*d = Duration(span)
	return nil
}

// MarshalJSON writes the shortest text form.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// String is "5m" rather than "5m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Or is the duration, or another if it is absent.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// SecretRef says where a secret is; the secret itself is never in an object.
type SecretRef struct {
	Env   string `json:"env,omitempty"`
	File  string `json:"file,omitempty"`
	Vault string `json:"vault,omitempty"`
}

// UnmarshalJSON refuses a secret that is written inline, without repeating it.
func (r *SecretRef) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return errors.New("a secret is never written inline: expected {env: NAME} or {file: PATH}")
	}
	type plain SecretRef
	members := map[string]string{}
	if err := json.Unmarshal(b, &members); err != nil {
		return errors.New("expected {env: NAME} or {file: PATH}")
	}
	var ref plain
	for name, value := range members {
		switch name {
		case "env":
			ref.Env = value
		case "file":
			ref.File = value
		case "vault":
			ref.Vault = value
		default:
			return fmt.Errorf("unknown field %q: expected {env: NAME} or {file: PATH}", name)
		}
	}
	*r = SecretRef(ref)
	return nil
}

// IsZero tells whether nothing is referred to.
func (r SecretRef) IsZero() bool { return r == SecretRef{} }

// String names the place, which is no secret.
func (r SecretRef) String() string {
	switch {
	case r.Env != "":
		return "env:" + r.Env
	case r.File != "":
		return "file:" + r.File
	case r.Vault != "":
		return "vault:" + r.Vault
	default:
		return ""
	}
}
