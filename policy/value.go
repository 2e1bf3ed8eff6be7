package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// nodeCost is what one value counts for besides its text.
const nodeCost = 8

var (
	errTooDeep   = errors.New("nested too deeply")
	errTooLarge  = errors.New("too large")
	errNotUTF8   = errors.New("a string is not UTF-8")
	errNotNumber = errors.New("a number is out of range or has too many digits")
)

// converter makes OPA values of Go values, within a size and a depth. The first
// error stays; what is made after it is worthless.
type converter struct {
	room int
	err  error
}

func (c *converter) fail(err error) *ast.Term {
	if c.err == nil {
		c.err = err
	}
	return ast.NullTerm()
}

func (c *converter) take(n int) bool {
	c.room -= n + nodeCost
	if c.room < 0 {
		c.fail(errTooLarge)
	}
	return c.err == nil
}

// fits counts a string and reports whether there may be such a one.
func (c *converter) fits(s string) bool {
	switch {
	case !c.take(len(s)):
	case len(s) > maxString:
		c.fail(errTooLarge)
	case !utf8.ValidString(s):
		c.fail(errNotUTF8)
	}
	return c.err == nil
}

func (c *converter) str(s string) *ast.Term {
	if !c.fits(s) {
		return ast.NullTerm()
	}
	return ast.InternedTerm(s)
}

func (c *converter) strs(list []string) *ast.Term {
	if !c.take(0) {
		return ast.NullTerm()
	}
	terms := make([]*ast.Term, len(list))
	for i, s := range list {
		terms[i] = c.str(s)
	}
	return ast.ArrayTerm(terms...)
}

// any converts what a JSON or YAML decoder makes, and what Go code puts in its place.
func (c *converter) any(v any, depth int) *ast.Term {
	if depth > MaxDataDepth {
		return c.fail(errTooDeep)
	}
	switch v := v.(type) {
	case map[string]any:
		return c.object(v, depth)
	case []any:
		return c.array(v, depth)
	case []string:
		return c.strs(v)
	case map[string]string:
		return c.stringMap(v)
	case []map[string]any:
		terms := make([]*ast.Term, len(v))
		for i, m := range v {
			terms[i] = c.object(m, depth+1)
		}
		return ast.ArrayTerm(terms...)
	}
	return c.scalar(v)
}

func (c *converter) scalar(v any) *ast.Term {
	switch v := v.(type) {
	case string:
		return c.str(v)
	case nil:
		c.take(0)
		return ast.NullTerm()
	case bool:
		c.take(0)
		return ast.InternedTerm(v)
	case json.Number:
		return c.number(string(v))
	case float64:
		return c.float(v)
	case float32:
		return c.float(float64(v))
	case int:
		c.take(0)
		return ast.InternedTerm(v)
	case int64:
		return c.number(strconv.FormatInt(v, 10))
	case int32:
		return c.number(strconv.FormatInt(int64(v), 10))
	case uint64:
		return c.number(strconv.FormatUint(v, 10))
	}
	return c.fail(fmt.Errorf("a value of type %T has no JSON form", v))
}

func (c *converter) float(f float64) *ast.Term {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return c.fail(errNotNumber)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return c.fail(errNotNumber)
	}
	return c.number(string(text))
}

func (c *converter) number(text string) *ast.Term {
	if !c.take(len(text)) {
		return ast.NullTerm()
	}
	if !json.Valid([]byte(text)) || !tameNumber(text) {
		return c.fail(errNotNumber)
	}
	return ast.NumberTerm(json.Number(text))
}

func (c *converter) array(list []any, depth int) *ast.Term {
	if !c.take(0) {
		return ast.NullTerm()
	}
	terms := make([]*ast.Term, len(list))
	for i, v := range list {
		terms[i] = c.any(v, depth+1)
		if c.err != nil {
			return ast.NullTerm()
		}
	}
	return ast.ArrayTerm(terms...)
}

func (c *converter) object(m map[string]any, depth int) *ast.Term {
	if depth > MaxDataDepth {
		return c.fail(errTooDeep)
	}
	if !c.take(0) {
		return ast.NullTerm()
	}
	pairs := make([][2]*ast.Term, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, [2]*ast.Term{c.str(k), c.any(v, depth+1)})
		if c.err != nil {
			return ast.NullTerm()
		}
	}
	return ast.ObjectTerm(pairs...)
}

func (c *converter) stringMap(m map[string]string) *ast.Term {
	if !c.take(0) {
		return ast.NullTerm()
	}
	pairs := make([][2]*ast.Term, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, [2]*ast.Term{c.str(k), c.str(v)})
	}
	return ast.ObjectTerm(pairs...)
}

// tameNumber reports whether arithmetic on a number stays small. 1e1000000000 is
// nine bytes of JSON and a gigabyte of digits once something is added to it.
func tameNumber(text string) bool {
	if len(text) > maxNumberText {
		return false
	}
	e := strings.IndexAny(text, "eE")
	if e < 0 {
		return true
	}
	exponent, err := strconv.Atoi(text[e+1:])
	return err == nil && exponent <= maxExponent && exponent >= -maxExponent
}

// sortedKeys is the keys of m in order, for everything that must be deterministic.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
