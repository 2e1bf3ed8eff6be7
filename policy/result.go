package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// result is what one policy said, decoded. decision.v1.json says the same in
// another language; a test holds the two together.
type result struct {
	allow     bool
	scopes    []string
	hasScopes bool
	deny      []string
	stepUp    *StepUp
	approval  *ApprovalNeed
	lifetime  time.Duration
	claims    map[string]any
	reasons   []Reason
}

var errNotObject = errors.New("decision is not an object")

// decode reads a result straight from OPA's values. What does not fit is an error
// that names the member.
func decode(v ast.Value) (*result, error) {
	o, ok := v.(ast.Object)
	if !ok {
		return nil, errNotObject
	}
	r := &result{}
	sawAllow := false
	err := o.Iter(func(k, v *ast.Term) error {
		name, ok := k.Value.(ast.String)
		if !ok {
			return errors.New("a member's name is not a string")
		}
		var err error
		switch name {
		case "allow":
			sawAllow = true
			r.allow, err = boolean(v.Value)
		case "scopes":
			r.hasScopes = true
			r.scopes, err = texts(v.Value, maxScopes, 0)
		case "deny":
			r.deny, err = texts(v.Value, maxDeny, 0)
		case "step_up":
			r.stepUp, err = stepUp(v.Value)
		case "approval":
			r.approval, err = approval(v.Value)
		case "lifetime":
			var n int64
			n, err = whole(v.Value, 1)
			r.lifetime = time.Duration(n) * time.Second
		case "claims":
			r.claims, err = claims(v.Value)
		case "reasons":
			r.reasons, err = reasons(v.Value)
		default:
			return fmt.Errorf("member %q is unknown", clip(string(name), maxCode))
		}
		if err != nil {
			return fmt.Errorf("%s %w", string(name), err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !sawAllow {
		return nil, errors.New("allow is missing")
	}
	return r, nil
}

func boolean(v ast.Value) (bool, error) {
	b, ok := v.(ast.Boolean)
	if !ok {
		return false, errors.New("is not a boolean")
	}
	return bool(b), nil
}

func text(v ast.Value, most int) (string, error) {
	s, ok := v.(ast.String)
	switch {
	case !ok:
		return "", errors.New("holds what is not a string")
	case s == "":
		return "", errors.New("holds an empty string")
	case utf8.RuneCountInString(string(s)) > most:
		return "", fmt.Errorf("holds a string of more than %d characters", most)
	}
	return string(s), nil
}

// members walks an array, or a set, which is an array in JSON.
func members(v ast.Value, most int, each func(ast.Value) error) error {
	var n int
	var until func(func(*ast.Term) bool) bool
	switch v := v.(type) {
	case *ast.Array:
		n, until = v.Len(), v.Until
	case ast.Set:
		n = v.Len()
		until = func(f func(*ast.Term) bool) bool {
			return slices.ContainsFunc(v.Slice(), f)
		}
	default:
		return errors.New("is not an array")
	}
	if n > most {
		return fmt.Errorf("has more than %d members", most)
	}
	var err error
	until(func(t *ast.Term) bool {
		err = each(t.Value)
		return err != nil
	})
	return err
}

func texts(v ast.Value, most, least int) ([]string, error) {
	list := []string{}
	err := members(v, most, func(v ast.Value) error {
		s, err := text(v, maxText)
		list = append(list, s)
		return err
	})
	if err == nil && len(list) < least {
		err = errors.New("is empty")
	}
	return list, err
}

// whole reads a whole number of at least least; 600.0 is whole, as in JSON Schema.
// Longer than maxSeconds is cut to it.
func whole(v ast.Value, least int64) (int64, error) {
	n, ok := v.(ast.Number)
	if !ok {
		return 0, errors.New("is not a number")
	}
	if !tameNumber(string(n)) {
		return 0, errNotNumber
	}
	r, ok := new(big.Rat).SetString(string(n))
	switch {
	case !ok || !r.IsInt():
		return 0, errors.New("is not a whole number")
	case r.Num().Cmp(big.NewInt(least)) < 0:
		return 0, fmt.Errorf("is less than %d", least)
	case r.Num().Cmp(big.NewInt(maxSeconds)) > 0:
		return maxSeconds, nil
	}
	return r.Num().Int64(), nil
}

// object walks an object whose members have names.
func object(v ast.Value, each func(name string, v ast.Value) error) error {
	o, ok := v.(ast.Object)
	if !ok {
		return errors.New("is not an object")
	}
	return o.Iter(func(k, v *ast.Term) error {
		name, ok := k.Value.(ast.String)
		if !ok {
			return errors.New("has a member whose name is not a string")
		}
		return each(string(name), v.Value)
	})
}

func unknown(name string) error {
	return fmt.Errorf("has a member %q that is unknown", clip(name, maxCode))
}

func stepUp(v ast.Value) (*StepUp, error) {
	s := &StepUp{}
	err := object(v, func(name string, v ast.Value) (err error) {
		switch name {
		case "acr_values":
			s.ACRValues, err = texts(v, maxACRValues, 1)
		case "max_age":
			var age int64
			age, err = whole(v, 0)
			s.MaxAge = &age
		default:
			err = unknown(name)
		}
		return err
	})
	if err == nil && s.ACRValues == nil && s.MaxAge == nil {
		err = errors.New("demands nothing")
	}
	return s, err
}

func approval(v ast.Value) (*ApprovalNeed, error) {
	a := &ApprovalNeed{}
	err := object(v, func(name string, v ast.Value) (err error) {
		switch name {
		case "group":
			a.Group, err = text(v, maxText)
		case "within":
			var n int64
			n, err = whole(v, 1)
			a.Within = time.Duration(n) * time.Second
		default:
			err = unknown(name)
		}
		return err
	})
	if err == nil && a.Group == "" {
		err = errors.New("names no group")
	}
	return a, err
}

func reasons(v ast.Value) ([]Reason, error) {
	list := []Reason{}
	err := members(v, maxReasons, func(v ast.Value) error {
		r := Reason{}
		err := object(v, func(name string, v ast.Value) (err error) {
			switch name {
			case "code":
				r.Code, err = text(v, maxCode)
			case "detail":
				r.Detail, err = text(v, maxText)
			default:
				err = unknown(name)
			}
			return err
		})
		if err == nil && r.Code == "" {
			err = errors.New("holds a reason without a code")
		}
		list = append(list, r)
		return err
	})
	return list, err
}

// claims reads the one part whose shape is free, within a size: values of a policy
// may share structure, so that writing them out could be endless.
func claims(v ast.Value) (map[string]any, error) {
	o, ok := v.(ast.Object)
	if !ok {
		return nil, errors.New("is not an object")
	}
	if o.Len() > maxClaims {
		return nil, fmt.Errorf("has more than %d members", maxClaims)
	}
	room := maxClaimsNodes
	value, err := plain(v, 0, &room)
	if err != nil {
		return nil, err
	}
	m, _ := value.(map[string]any)
	return m, nil
}

func plain(v ast.Value, depth int, room *int) (any, error) {
	if *room--; *room < 0 {
		return nil, fmt.Errorf("has more than %d values", maxClaimsNodes)
	}
	if depth > maxClaimsDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxClaimsDepth)
	}
	switch v := v.(type) {
	case ast.Null:
		return nil, nil //nolint:nilnil // null is the value
	case ast.Boolean:
		return bool(v), nil
	case ast.Number:
		if !tameNumber(string(v)) {
			return nil, errNotNumber
		}
		return json.Number(v), nil
	case ast.String:
		if utf8.RuneCountInString(string(v)) > maxText {
			return nil, fmt.Errorf("holds a string of more than %d characters", maxText)
		}
		return string(v), nil
	case ast.Object:
		m := make(map[string]any, min(v.Len(), maxClaimsNodes))
		err := object(v, func(name string, v ast.Value) (err error) {
			m[name], err = plain(v, depth+1, room)
			return err
		})
		return m, err
	}
	list := []any{}
	err := members(v, maxClaimsNodes, func(v ast.Value) error {
		item, err := plain(v, depth+1, room)
		list = append(list, item)
		return err
	})
	return list, err
}
