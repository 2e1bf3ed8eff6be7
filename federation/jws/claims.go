package jws

import (
	"errors"
	"maps"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/federation/strict"
)

// MaxIdentifier is the longest sub or jti, in bytes.
const MaxIdentifier = 255

// Claims is the strict JSON object of a token's payload. It is built by
// [ParseClaims]; the zero value has no claim. Values must not be changed.
type Claims struct{ members map[string]any }

// registeredClaims are the names that a broker acts on (RFC 7519 §4.1, RFC
// 8693, RFC 9068, RFC 9449, OpenID Connect Core, ID-JAG). A claim that differs
// from one only by case is an attack on the next reader.
var registeredClaims = strict.Reserve(
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti",
	"client_id", "typ", "scope", "resource", "authorization_details", "cnf", "act", "may_act",
	"tenant", "aud_tenant", "aud_sub", "sub_id", "tid", "oid",
	"email", "email_verified", "name", "preferred_username",
	"auth_time", "acr", "amr", "azp", "nonce", "at_hash", "c_hash", "s_hash", "sid",
	"groups", "roles", "entitlements", "_claim_names", "_claim_sources", "hasgroups",
	"htm", "htu", "ath", "events", "status",
)

// ParseClaims is the gate for the claims of every token: one strict JSON
// object, no name that resembles a registered one, and sub and jti fit to be
// keys where present. Presence and meaning are the caller's to demand.
func ParseClaims(payload []byte) (Claims, error) {
	members, err := strict.Object(payload, strict.Limits{Bytes: MaxBytes, Reserved: registeredClaims, NoNUL: true})
	if err != nil {
		return Claims{}, &Error{Kind: ErrClaims, Cause: err}
	}
	c := Claims{members: members}
	for _, name := range []string{"sub", "jti"} {
		if err := c.checkIdentifier(name); err != nil {
			return Claims{}, err
		}
	}
	return c, nil
}

func (c Claims) checkIdentifier(name string) error {
	value, present, err := c.String(name)
	if err != nil || !present {
		return err
	}
	if value == "" || len(value) > MaxIdentifier || hasControl(value) {
		return badClaim(name, "1 to 255 bytes without control characters")
	}
	return nil
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return true
		}
	}
	return false
}

// Has tells whether a claim is there, be it null.
func (c Claims) Has(name string) bool {
	_, present := c.members[name]
	return present
}

// Value returns a claim as strict.Object gives it.
func (c Claims) Value(name string) (value any, present bool) {
	value, present = c.members[name]
	return value, present
}

// String returns a claim that must be a string where it is present. null is
// not a string.
func (c Claims) String(name string) (value string, present bool, err error) {
	v, present := c.members[name]
	if !present {
		return "", false, nil
	}
	value, ok := v.(string)
	if !ok {
		return "", true, badClaim(name, "a string")
	}
	return value, true, nil
}

// Bool returns a claim that must be a boolean where it is present.
func (c Claims) Bool(name string) (value, present bool, err error) {
	v, present := c.members[name]
	if !present {
		return false, false, nil
	}
	value, ok := v.(bool)
	if !ok {
		return false, true, badClaim(name, "a boolean")
	}
	return value, true, nil
}

// Time returns a NumericDate (RFC 7519 §2), read more strictly than the
// standard: a whole number of seconds, written without fraction and exponent,
// from 1970 to 9999. A string or a float is refused.
func (c Claims) Time(name string) (value time.Time, present bool, err error) {
	v, present := c.members[name]
	if !present {
		return time.Time{}, false, nil
	}
	const lastSecond = 253402300799 // 9999-12-31T23:59:59Z
	seconds, ok := v.(int64)
	if !ok || seconds < 0 || seconds > lastSecond {
		return time.Time{}, true, badClaim(name, "whole seconds since 1970")
	}
	return time.Unix(seconds, 0).UTC(), true, nil
}

// Integer returns a claim that must be a whole number where it is present.
func (c Claims) Integer(name string) (value int64, present bool, err error) {
	v, present := c.members[name]
	if !present {
		return 0, false, nil
	}
	value, ok := v.(int64)
	if !ok || value == math.MinInt64 {
		return 0, true, badClaim(name, "a whole number")
	}
	return value, true, nil
}

// Strings returns a claim that is a string or a list of strings, as a list. A
// claim that is absent gives nil; an empty list stays empty.
func (c Claims) Strings(name string) (values []string, present bool, err error) {
	v, present := c.members[name]
	switch v := v.(type) {
	case string:
		return []string{v}, true, nil
	case []any:
		values = make([]string, len(v))
		for i, element := range v {
			text, ok := element.(string)
			if !ok {
				return nil, true, badClaim(name, "a string or a list of strings")
			}
			values[i] = text
		}
		return values, true, nil
	default:
		if !present {
			return nil, false, nil
		}
		return nil, true, badClaim(name, "a string or a list of strings")
	}
}

// Audience returns aud (RFC 7519 §4.1.3). An absent aud gives nil: nobody. A
// caller that demands exactly one value looks at the length; isArray tells how
// it was written.
func (c Claims) Audience() (values []string, isArray bool, err error) {
	values, _, err = c.Strings("aud")
	if err != nil {
		return nil, false, err
	}
	if slices.Contains(values, "") {
		return nil, false, badClaim("aud", "no empty string")
	}
	_, isArray = c.members["aud"].([]any)
	return values, isArray, nil
}

// Object returns a claim that must be a JSON object where it is present.
func (c Claims) Object(name string) (value map[string]any, present bool, err error) {
	v, present := c.members[name]
	if !present {
		return nil, false, nil
	}
	value, ok := v.(map[string]any)
	if !ok {
		return nil, true, badClaim(name, "a JSON object")
	}
	return value, true, nil
}

// List returns a claim that must be a JSON array where it is present.
func (c Claims) List(name string) (value []any, present bool, err error) {
	v, present := c.members[name]
	if !present {
		return nil, false, nil
	}
	value, ok := v.([]any)
	if !ok {
		return nil, true, badClaim(name, "a list")
	}
	return value, true, nil
}

// Names lists all claims in alphabetical order.
func (c Claims) Names() []string { return slices.Sorted(maps.Keys(c.members)) }

// IsClaim tells an unacceptable claim, and which, from other errors.
func IsClaim(err error) (name string, ok bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || !errors.Is(e.Kind, ErrClaim) {
		return "", false
	}
	return e.Name, true
}
