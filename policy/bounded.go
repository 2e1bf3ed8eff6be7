package policy

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// A call to a built-in cannot be cancelled, so one that builds something large from
// small operands would take the process down before any time budget is looked at.
// The built-ins below are OPA's own behind a check of their operands; OPA's table of
// functions is the process's, so they hold for every evaluation in it.
func init() { //nolint:gochecknoinits // OPA registers built-ins by process; nothing else may run before
	for name, check := range map[string]func([]*ast.Term) error{
		"plus": checkNumbers, "minus": checkNumbers, "mul": checkNumbers, "div": checkNumbers, "rem": checkNumbers,
		"abs": checkNumbers, "ceil": checkNumbers, "floor": checkNumbers, "round": checkNumbers, "format_int": checkNumbers,
		"to_number":    checkNumeral,
		"concat":       checkConcat,
		"sprintf":      checkSprintf,
		"replace":      checkReplace,
		"array.concat": checkArrayConcat,
		"object.union": checkObjectUnion,
		"regex.match":  checkPattern,
		"equal":        checkCompared, "neq": checkCompared, "lt": checkCompared, "lte": checkCompared, "gt": checkCompared, "gte": checkCompared,
		"internal.member_2": checkCompared,
		"internal.member_3": func(operands []*ast.Term) error { return checkCompared(operands[1:]) },
	} {
		bound(name, check)
	}
}

func bound(name string, check func([]*ast.Term) error) {
	original := topdown.GetBuiltin(name)
	topdown.RegisterBuiltinFunc(name, func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		if err := check(operands); err != nil {
			return err
		}
		return original(bctx, operands, iter)
	})
}

var (
	errLongNumber = fmt.Errorf("a number has more than %d digits", maxNumberText)
	errLongString = fmt.Errorf("a string would be longer than %d bytes", maxString)
	errLongArray  = fmt.Errorf("an array would have more than %d members", maxArray)
	errBigOperand = errors.New("an operand is too large")
)

// checkNumbers lets arithmetic touch only numbers whose result is short: each
// operation at most doubles the digits, and the next one refuses what became long.
func checkNumbers(operands []*ast.Term) error {
	for _, o := range operands {
		if n, ok := o.Value.(ast.Number); ok && !tameNumber(string(n)) {
			return errLongNumber
		}
	}
	return nil
}

func checkNumeral(operands []*ast.Term) error {
	if s, ok := operands[0].Value.(ast.String); ok && !tameNumber(string(s)) {
		return errLongNumber
	}
	return nil
}

func checkConcat(operands []*ast.Term) error {
	delimiter, _ := operands[0].Value.(ast.String)
	total := 0
	add := func(t *ast.Term) {
		if s, ok := t.Value.(ast.String); ok && total <= maxString {
			total += len(s) + len(delimiter)
		}
	}
	switch list := operands[1].Value.(type) {
	case *ast.Array:
		list.Foreach(add)
	case ast.Set:
		list.Foreach(add)
	}
	if total > maxString {
		return errLongString
	}
	return nil
}

// checkSprintf bounds what a format can grow: widths and precisions (also those
// taken from operands), and operands that are written out.
func checkSprintf(operands []*ast.Term) error {
	format, ok := operands[0].Value.(ast.String)
	if !ok {
		return nil // OPA says what is wrong
	}
	digits, inVerb := 0, false
	for _, r := range string(format) {
		switch {
		case r == '%':
			inVerb, digits = !inVerb, 0
		case !inVerb:
		case r == '*':
			return errors.New("a width taken from an operand is not available")
		case r >= '0' && r <= '9':
			if digits++; digits > maxFormatWidth {
				return errors.New("a width or precision is too large")
			}
		case strings.ContainsRune("+-# .[]", r):
			digits = 0
		default:
			inVerb = false
		}
	}
	verbs := strings.Count(string(format), "%")
	room := maxString - len(format) - 1000*min(verbs, maxString)
	if room < 0 {
		return errLongString
	}
	// An operand may be written more than once (%[1]s): each verb could take all of them.
	m := measure{room: room / max(verbs, 1)}
	return m.term(operands[1])
}

func checkReplace(operands []*ast.Term) error {
	s, ok1 := operands[0].Value.(ast.String)
	old, ok2 := operands[1].Value.(ast.String)
	into, ok3 := operands[2].Value.(ast.String)
	if !ok1 || !ok2 || !ok3 {
		return nil
	}
	if len(s)+strings.Count(string(s), string(old))*len(into) > maxString {
		return errLongString
	}
	return nil
}

func checkArrayConcat(operands []*ast.Term) error {
	total := 0
	for _, o := range operands[:2] {
		if a, ok := o.Value.(*ast.Array); ok {
			total += a.Len()
		}
	}
	if total > maxArray {
		return errLongArray
	}
	return nil
}

// checkObjectUnion measures what a deep union would walk: objects may share
// structure, so that a few hundred bytes unfold to anything.
func checkObjectUnion(operands []*ast.Term) error {
	m := measure{room: maxString * nodeCost}
	for _, o := range operands[:2] {
		if err := m.term(o); err != nil {
			return err
		}
	}
	return nil
}

// checkCompared wants one operand at least that is not endless when it is unfolded, since
// a comparison ends with the smaller.
func checkCompared(operands []*ast.Term) error {
	var err error
	for _, o := range operands[:2] {
		m := measure{room: maxString * nodeCost}
		if err = m.term(o); err == nil {
			return nil
		}
	}
	return err
}

// checkPattern bounds a regular expression by the size of the program it compiles
// to, which repetition can make thousands of times longer than its text. OPA keeps
// compiled patterns for the process.
func checkPattern(operands []*ast.Term) error {
	pattern, ok := operands[0].Value.(ast.String)
	if !ok {
		return nil
	}
	if len(pattern) > maxPattern {
		return fmt.Errorf("a pattern is longer than %d bytes", maxPattern)
	}
	re, err := syntax.Parse(string(pattern), syntax.Perl)
	if err != nil {
		return err
	}
	size := programSize(re)
	if size > maxPatternSize {
		return errors.New("a pattern compiles to too large a program")
	}
	if value, ok := operands[1].Value.(ast.String); ok && size*len(value) > maxMatchWork {
		return errors.New("a pattern would take too long on this value")
	}
	return nil
}

// programSize estimates, from above, the instructions and rune ranges of a pattern.
func programSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size += programSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxPatternSize*1024)
}

// measure walks a value as it would be written out and stops when it is too large.
type measure struct{ room int }

func (m *measure) term(t *ast.Term) error {
	m.room -= nodeCost
	switch v := t.Value.(type) {
	case ast.String:
		m.room -= len(v)
	case ast.Number:
		m.room -= len(v)
	case *ast.Array:
		return m.all(v.Until)
	case ast.Set:
		return m.all(v.Until)
	case ast.Object:
		return m.all(func(f func(*ast.Term) bool) bool {
			return v.Until(func(key, value *ast.Term) bool { return f(key) || f(value) })
		})
	}
	if m.room < 0 {
		return errBigOperand
	}
	return nil
}

func (m *measure) all(until func(func(*ast.Term) bool) bool) error {
	var err error
	until(func(t *ast.Term) bool {
		err = m.term(t)
		return err != nil
	})
	if err == nil && m.room < 0 {
		err = errBigOperand
	}
	return err
}
