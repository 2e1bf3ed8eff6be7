package object

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/chancery-dev/chancery/federation"
)

// WorkloadSpec turns a platform's token into a client: the issuer is trusted by
// its IdentityProvider, which of its tokens is which client is said here.
type WorkloadSpec struct {
	Disabled  bool                  `json:"disabled,omitempty"`
	IdP       string                `json:"idp,omitempty"`   // name
	Match     map[string]ClaimValue `json:"match,omitempty"` // claim path → the value that it must have
	Client    string                `json:"client,omitempty"`
	Resources []string              `json:"resources,omitempty"`
	Scopes    []string              `json:"scopes,omitempty"`
}

// SpaceWorkload holds what a workload matches, so that no token is two workloads by the same words.
const SpaceWorkload = "workload_match"

// ClaimValue is what a claim must be: text, a number or a boolean. The zero value
// is no value.
type ClaimValue struct {
	text string // as it is compared
	json string // as it was written
}

// Text is a ClaimValue of text.
func Text(s string) ClaimValue {
	b, _ := json.Marshal(s) // a string always marshals
	return ClaimValue{text: s, json: string(b)}
}

// String is the value as it is compared: text as it is, a number or a boolean in its JSON form.
func (v ClaimValue) String() string { return v.text }

// errClaimValue repeats nothing of what came: it may be anything.
var errClaimValue = errors.New("expected text, a whole number, true or false")

// UnmarshalJSON keeps a number as it is written: a float would not be what the token says.
func (v *ClaimValue) UnmarshalJSON(b []byte) error {
	var value any
	if err := json.Unmarshal(b, &value); err != nil {
		return errClaimValue
	}
	switch value := value.(type) {
	case string:
		*v = Text(value)
	case bool:
		*v = ClaimValue{text: string(b), json: string(b)}
	case float64:
		if !isWhole(string(b)) {
			return errClaimValue
		}
		*v = ClaimValue{text: string(b), json: string(b)}
	default:
		return errClaimValue
	}
	return nil
}

// isWhole: 1.0 and 1e0 are the same number in another form, and forms are what is compared.
func isWhole(s string) bool {
	if len(s) > 1 && s[0] == '-' && s[1] != '0' {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// MarshalJSON writes the value as it was read.
func (v ClaimValue) MarshalJSON() ([]byte, error) {
	if v.json == "" {
		return []byte(`""`), nil
	}
	return []byte(v.json), nil
}

// Claims are the rules of match as federation reads them, in the order of their
// paths. A path that cannot be read is an error, never a rule that is left out.
func (s *WorkloadSpec) Claims() ([]federation.ClaimEquals, error) {
	claims := make([]federation.ClaimEquals, 0, len(s.Match))
	for _, path := range slices.Sorted(maps.Keys(s.Match)) {
		parsed, err := federation.ParseClaimPath(path)
		if err != nil {
			return nil, err
		}
		claims = append(claims, federation.ClaimEquals{Path: parsed, Value: s.Match[path].text})
	}
	return claims, nil
}

// Keys implements Spec: two workloads of one IdP with the same rules would make
// every token that fits ambiguous. The rules are hashed, since they can be long.
func (s *WorkloadSpec) Keys() []Key {
	claims, err := s.Claims()
	if err != nil || s.IdP == "" || len(claims) == 0 {
		return nil // Validate says why
	}
	parts := []string{s.IdP}
	rules := map[string]string{}
	for _, c := range claims {
		rules[c.String()] = c.Value
	}
	for _, path := range slices.Sorted(maps.Keys(rules)) {
		parts = append(parts, path, rules[path])
	}
	sum := sha256.Sum256([]byte(joinKey(parts...)))
	return []Key{{Space: SpaceWorkload, Value: base64.RawURLEncoding.EncodeToString(sum[:]), Exclusive: true}}
}
