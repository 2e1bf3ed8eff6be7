package verifier

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// reader takes claims out of strict JSON; its first error sticks.
type reader struct {
	members map[string]any
	begins  time.Time // nbf
	err     error
}

func (r *reader) claims() Claims {
	c := Claims{
		Issuer:   r.text("iss", true),
		Subject:  r.identifier("sub"),
		Audience: r.audience(),
		ClientID: r.identifier("client_id"),
		ID:       r.identifier("jti"),

		IssuedAt:  r.time("iat", true),
		ExpiresAt: r.time("exp", true),

		Scopes:   r.scopes(),
		AuthTime: r.time("auth_time", false),
		ACR:      r.text("acr", false),
		AMR:      r.texts("amr"),

		Thumbprint: r.confirmation(),
		Actors:     r.actors(),

		Tenant:      r.text("tenant", false),
		Plan:        r.text("plan", false),
		Environment: r.text("environment", false),
	}
	r.begins = r.time("nbf", false)
	return c
}

func (r *reader) fail(name, expected string) {
	if r.err == nil {
		r.err = errors.New(name + " is not " + expected)
	}
}

func (r *reader) text(name string, required bool) string {
	value, present := r.members[name]
	if !present && !required {
		return ""
	}
	text, ok := value.(string)
	if !ok || text == "" {
		r.fail(name, "a string")
	}
	return text
}

func (r *reader) identifier(name string) string {
	text := r.text(name, true)
	if len(text) > maxIdentifier || strings.ContainsFunc(text, func(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 }) {
		r.fail(name, "1 to 255 bytes without control characters")
	}
	return text
}

// audience: one, as a string or as the only member of a list. A token for us and for
// somebody else could be taken from one to the other.
func (r *reader) audience() string {
	switch aud := r.members["aud"].(type) {
	case string:
		return aud
	case []any:
		if len(aud) == 1 {
			if text, ok := aud[0].(string); ok {
				return text
			}
		}
	}
	r.fail("aud", "one audience")
	return ""
}

// time reads a NumericDate more strictly than RFC 7519 §2: whole seconds, 1970 to 9999.
func (r *reader) time(name string, required bool) time.Time {
	value, present := r.members[name]
	if !present && !required {
		return time.Time{}
	}
	seconds, ok := value.(int64)
	if !ok || seconds < 0 || seconds > 253402300799 {
		r.fail(name, "whole seconds since 1970")
	}
	return time.Unix(seconds, 0).UTC()
}

func (r *reader) texts(name string) []string {
	value, present := r.members[name]
	if !present {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		r.fail(name, "a list of strings")
	}
	texts := make([]string, 0, len(list))
	for _, element := range list {
		text, ok := element.(string)
		if !ok {
			r.fail(name, "a list of strings")
		}
		texts = append(texts, text)
	}
	return texts
}

// scopes: RFC 6749 §3.3, one space between two.
func (r *reader) scopes() []string {
	if _, present := r.members["scope"]; !present {
		return nil
	}
	scopes := strings.Split(r.text("scope", true), " ")
	if slices.ContainsFunc(scopes, func(s string) bool { return !isScope(s) }) {
		r.fail("scope", "scopes with one space between them")
	}
	return scopes
}

// confirmation: a cnf that is not understood must not be passed over, or a bound token
// becomes a bearer token (RFC 7800 §3.1).
func (r *reader) confirmation() string {
	value, present := r.members["cnf"]
	if !present {
		return ""
	}
	cnf, ok := value.(map[string]any)
	jkt, isText := cnf["jkt"].(string)
	if !ok || !isText || len(jkt) != 43 || len(cnf) != 1 {
		r.fail("cnf", "one jkt")
	}
	return jkt
}

func (r *reader) actors() []string {
	var actors []string
	value, present := r.members["act"]
	for present {
		act, ok := value.(map[string]any)
		sub, isText := act["sub"].(string)
		if !ok || !isText || sub == "" || len(actors) == maxActors {
			r.fail("act", "a chain of at most 4 actors")
			return nil
		}
		actors = append(actors, sub)
		value, present = act["act"]
	}
	return actors
}
