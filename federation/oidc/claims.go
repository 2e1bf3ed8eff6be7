package oidc

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jws"
)

const maxMethods = 32

// reader gives claims their types. A claim that is there and null is there with the
// wrong type.
type reader struct {
	claims  jws.Claims
	trail   *federation.Trail
	refusal *federation.Refusal // the first problem; nothing may be used while it is set
}

func (r *reader) refuse(code federation.Code, name, received, expected string, cause error) {
	if r.refusal == nil {
		r.refusal = r.trail.Refuse(code, name, received, expected, cause)
	}
}

// bad refuses a claim of the wrong type.
func (r *reader) bad(name string, err error) bool {
	if err == nil {
		return r.refusal != nil
	}
	expected := ""
	if problem, ok := errors.AsType[*jws.Error](err); ok {
		expected = problem.Expected
	}
	r.refuse(federation.CodeClaimMalformed, name, "", expected, err)
	return true
}

func (r *reader) demand(name string) {
	if !r.claims.Has(name) {
		r.refuse(federation.CodeClaimMissing, name, "", "the claim", nil)
	}
}

func (r *reader) text(name string) string {
	value, present, err := r.claims.String(name)
	if r.bad(name, err) || !present {
		return ""
	}
	if value == "" || len(value) > maxText || hasControl(value) {
		r.refuse(federation.CodeClaimMalformed, name, value, "plain text of 1 to 1,024 bytes", nil)
		return ""
	}
	return value
}

// identifier is text that becomes a key.
func (r *reader) identifier(name string) string {
	value := r.text(name)
	if len(value) > jws.MaxIdentifier {
		r.refuse(federation.CodeClaimMalformed, name, "longer", "1 to 255 bytes", nil)
		return ""
	}
	return value
}

func (r *reader) required(name string) string {
	r.demand(name)
	return r.identifier(name)
}

func (r *reader) time(name string) time.Time {
	value, _, err := r.claims.Time(name)
	if r.bad(name, err) {
		return time.Time{}
	}
	return value
}

func (r *reader) requiredTime(name string) time.Time {
	r.demand(name)
	return r.time(name)
}

func (r *reader) boolean(name string) *bool {
	value, present, err := r.claims.Bool(name)
	if r.bad(name, err) || !present {
		return nil
	}
	return &value
}

func (r *reader) audience() []string {
	r.demand("aud")
	values, _, err := r.claims.Audience()
	if r.bad("aud", err) {
		return nil
	}
	return values
}

// words reads a list of names; where one string may stand for a list of one, it may.
func (r *reader) words(name string, single bool) []string {
	value, present := r.claims.Value(name)
	if _, isText := value.(string); isText && !single {
		r.refuse(federation.CodeClaimMalformed, name, "", "a list", nil)
		return nil
	}
	values, _, err := r.claims.Strings(name)
	if r.bad(name, err) || !present {
		return nil
	}
	if len(values) > maxMethods {
		r.refuse(federation.CodeClaimMalformed, name, strconv.Itoa(len(values))+" elements", "a short list of names", nil)
		return nil
	}
	for _, value := range values {
		if value == "" || len(value) > maxText || hasControl(value) {
			r.refuse(federation.CodeClaimMalformed, name, "", "a short list of names", nil)
			return nil
		}
	}
	return values
}

// scalar is a value as text: a string as it is, a number or boolean in its JSON form.
func scalar(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case bool:
		return strconv.FormatBool(value), true
	case int64:
		return strconv.FormatInt(value, 10), true
	case json.Number:
		return value.String(), true
	default:
		return "", false
	}
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 })
}
