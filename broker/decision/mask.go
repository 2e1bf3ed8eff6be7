package decision

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
)

// Prefix begins every pseudonym.
const Prefix = "masked-"

const (
	pseudonymPurpose = "chancery decision pseudonyms"
	pseudonymBytes   = 10
	// leastText is how long a masked value must be to be looked for inside other text.
	leastText = 4
)

// Keys derive what pseudonyms are made with; *keyring.Keyring does.
type Keys interface {
	Derive(purpose string) ([][]byte, error)
}

// Masks decide what of an input is written down in the clear.
//
// Personal members are masked wherever no policy that was asked can read them, so that nothing that decided is lost. What
// redact names is masked whether it was read or not; what it names with ! before it is in the clear. Equal values have equal
// pseudonyms within a tenant and different ones elsewhere, for as long as the oldest key of the keyring stays.
type Masks struct {
	keys   Keys
	always []path
	unread []path
}

// NewMasks reads the paths of decisions.redact.
func NewMasks(keys Keys, redact []string) (*Masks, error) {
	if keys == nil {
		return nil, errors.New("decision: there are no keys for pseudonyms")
	}
	m := &Masks{keys: keys}
	var clear []string
	for _, text := range redact {
		name, isClear := strings.CutPrefix(text, "!")
		p, err := parsePath(name)
		if err != nil {
			return nil, err
		}
		if !isClear {
			m.always = append(m.always, p)
			continue
		}
		if !p.member.personal || len(p.rest) > 0 {
			return nil, fmt.Errorf("%.64q: only what is masked by default, whole, can be recorded in the clear", text)
		}
		clear = append(clear, p.String())
	}
	for _, p := range m.always {
		if slices.Contains(clear, p.String()) {
			return nil, fmt.Errorf("%q is to be masked and to be recorded in the clear", p)
		}
	}
	for _, d := range members() {
		named := slices.ContainsFunc(m.always, func(p path) bool { return p.member.name == d.name && len(p.rest) == 0 })
		if d.personal && !named && !slices.Contains(clear, d.name) {
			m.unread = append(m.unread, path{member: d})
		}
	}
	return m, nil
}

// CheckPaths says what is wrong with the paths of decisions.redact.
func CheckPaths(redact []string) error {
	_, err := NewMasks(noKeys{}, redact)
	return err
}

type noKeys struct{}

func (noKeys) Derive(string) ([][]byte, error) { return nil, errNoKey }

var errNoKey = errors.New("there is no key for pseudonyms")

// Record writes an input and a result as they are stored: what is masked in the one is replaced in the other too. Set is who
// was asked. Without a key nothing is recorded: it is an error.
func (m *Masks) Record(t tenant.UID, set *policy.Set, in *policy.Input, d policy.Decision) (input, result []byte, err error) {
	hider, err := m.hider(t)
	if err != nil {
		return nil, nil, err
	}
	resource := ""
	if in.Resource != nil {
		resource = in.Resource.Name
	}
	masked, beside := *in, policy.Record{}
	note := func(p path) {
		if p.member.visit(&masked, p.rest, hider) {
			beside.Masked = append(beside.Masked, p.String())
		}
	}
	for _, p := range m.always {
		note(p)
	}
	hider.keep = false // what nobody reads is in no result
	for _, p := range m.unread {
		if !set.MayRead(resource, in.Action, p.member.name) {
			note(p)
		}
	}
	if in.Resource != nil {
		if beside.Implies = in.Implies; beside.Implies == nil {
			beside.Implies = map[string][]string{}
		}
	}
	if input, err = recorded(in, masked, beside); err != nil {
		return nil, nil, err
	}
	result, err = json.Marshal(hider.result(d))
	return input, result, err
}

// recorded writes a masked input. Pseudonyms may be longer than what they stand for: one that has outgrown its limit by them
// loses what has no fixed shape.
func recorded(in *policy.Input, masked policy.Input, beside policy.Record) ([]byte, error) {
	text, err := masked.Recorded(beside)
	if err == nil || len(beside.Masked) == 0 {
		return text, err
	}
	if _, err := in.JSON(); err != nil {
		return nil, err
	}
	if masked.Assertion != nil {
		a := *masked.Assertion
		a.Claims, masked.Assertion = map[string]any{}, &a
	}
	if masked.User != nil {
		u := *masked.User
		u.Attributes, masked.User = map[string]any{}, &u
	}
	if masked.Requested != nil {
		r := *masked.Requested
		r.AuthorizationDetails, masked.Requested = nil, &r
	}
	for _, name := range []string{"assertion.claims", "user.attributes", "requested.authorization_details"} {
		if !slices.Contains(beside.Masked, name) {
			beside.Masked = append(beside.Masked, name)
		}
	}
	return masked.Recorded(beside)
}

// hider makes one tenant's pseudonyms. keep remembers what it masked.
type hider struct {
	key  []byte
	keep bool
	seen map[string]string
	made map[string]bool
}

func (m *Masks) hider(t tenant.UID) (*hider, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	keys, err := m.keys.Derive(pseudonymPurpose)
	if err != nil {
		return nil, fmt.Errorf("keys of pseudonyms: %w", err)
	}
	if len(keys) == 0 {
		return nil, errNoKey
	}
	of := hmac.New(sha256.New, keys[len(keys)-1]) // the oldest: a rotation leaves pseudonyms as they are
	of.Write([]byte(t.String()))                  // never fails
	return &hider{key: of.Sum(nil), keep: true, seen: map[string]string{}, made: map[string]bool{}}, nil
}

// text implements changer. What is a pseudonym of this input already stays one.
func (h *hider) text(s string) string {
	if h.made[s] {
		return s
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(s)) // never fails
	return h.note(s, Prefix+hex.EncodeToString(mac.Sum(nil)[:pseudonymBytes]))
}

// email implements changer: policies compare domains, and a domain is nobody.
func (h *hider) email(s string) string {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || h.made[s] {
		return h.text(s)
	}
	return h.note(s, h.text(s[:at])+s[at:])
}

func (h *hider) note(s, pseudonym string) string {
	h.made[pseudonym] = true
	if h.keep {
		h.seen[s] = pseudonym
	}
	return pseudonym
}

// result replaces what was masked though policy could read it: it may have put it into what it said.
func (h *hider) result(d policy.Decision) policy.Decision {
	if len(h.seen) == 0 {
		return d
	}
	var pairs []string
	for _, s := range slices.SortedFunc(maps.Keys(h.seen), func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) {
		if len(s) >= leastText {
			pairs = append(pairs, s, h.seen[s])
		}
	}
	within := strings.NewReplacer(pairs...)
	d.Deny = slices.Clone(d.Deny)
	for i, s := range d.Deny {
		d.Deny[i] = within.Replace(s)
	}
	d.Reasons = slices.Clone(d.Reasons)
	for i := range d.Reasons {
		d.Reasons[i].Detail = within.Replace(d.Reasons[i].Detail)
	}
	if d.Claims != nil {
		claims, _ := replaced(d.Claims, h.seen, within).(map[string]any)
		d.Claims = claims
	}
	return d
}

// replaced is a value of a result with what was masked replaced: whole texts of any length, longer ones inside others too.
func replaced(v any, seen map[string]string, within *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		if pseudonym, ok := seen[v]; ok {
			return pseudonym
		}
		return within.Replace(v)
	case json.Number:
		if pseudonym, ok := seen[v.String()]; ok {
			return pseudonym
		}
		return v
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, inner := range v {
			m[name] = replaced(inner, seen, within)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = replaced(v[i], seen, within)
		}
		return list
	}
	return v
}
