package token

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// encoder writes the members of one JSON object in the order of the calls.
// Absent values write nothing. Its errors stick.
type encoder struct {
	out []byte
	err error
}

func (e *encoder) open()  { e.out = append(e.out, '{') }
func (e *encoder) close() { e.out = append(e.out, '}') }

func (e *encoder) name(name string) {
	if last := e.out[len(e.out)-1]; last != '{' {
		e.out = append(e.out, ',')
	}
	e.string(name)
	e.out = append(e.out, ':')
}

// string refuses invalid UTF-8: a verifier would read another string, or none.
func (e *encoder) string(value string) {
	out, err := jsontext.AppendQuote(e.out, value)
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("%w: a text is not UTF-8", errClaims)
	}
	e.out = out
}

func (e *encoder) text(name, value string) {
	if value != "" {
		e.name(name)
		e.string(value)
	}
}

// time writes a NumericDate in whole seconds (RFC 7519 §2).
func (e *encoder) time(name string, value time.Time) {
	if !value.IsZero() {
		e.name(name)
		e.out = strconv.AppendInt(e.out, value.Unix(), 10)
	}
}

func (e *encoder) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	e.name(name)
	e.out = append(e.out, '[')
	for i, value := range values {
		if i > 0 {
			e.out = append(e.out, ',')
		}
		e.string(value)
	}
	e.out = append(e.out, ']')
}

// any writes what the claims of others hold. Lists of names, the common case,
// take the short way.
func (e *encoder) any(name string, value any) {
	switch value := value.(type) {
	case string:
		e.name(name)
		e.string(value)
		return
	case []string:
		if len(value) > 0 {
			e.texts(name, value)
			return
		}
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		if e.err == nil {
			e.err = fmt.Errorf("%w: %s cannot be encoded", errClaims, name)
		}
		return
	}
	e.name(name)
	e.out = append(e.out, encoded...)
}

func (e *encoder) actor(a *Actor) {
	if a == nil {
		return
	}
	e.name("act")
	e.open()
	e.text("sub", a.Subject)
	e.text("client_id", a.ClientID)
	e.actor(a.Actor)
	e.close()
}

func (c Claims) encode() ([]byte, error) {
	e := encoder{out: make([]byte, 0, 768)}
	e.open()
	e.text("iss", c.Issuer)
	e.text("sub", c.Subject)
	e.text("aud", c.Audience)
	e.text("client_id", c.ClientID)
	e.time("iat", c.IssuedAt)
	e.time("exp", c.ExpiresAt)
	e.text("jti", c.ID)
	e.text("scope", c.Scope)
	e.time("auth_time", c.AuthTime)
	e.text("acr", c.ACR)
	e.texts("amr", c.AMR)
	e.actor(c.Actor)
	if c.Thumbprint != "" {
		e.name("cnf")
		e.open()
		e.text("jkt", c.Thumbprint)
		e.close()
	}
	e.text("tenant", c.Tenant)
	e.text("plan", c.Plan)
	e.text("environment", c.Environment)
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		e.any(name, c.Extra[name])
	}
	if len(c.Policy) > 0 {
		e.any(c.namespace(), c.Policy)
	}
	e.close()
	return e.out, e.err
}
