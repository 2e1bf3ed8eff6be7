package federation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
)

// Formats of subject identifiers (RFC 9493 §3.2, ID-JAG-04 saml-nameid).
const (
	FormatSAMLNameID    = "saml-nameid"
	formatSAMLNameIDOld = "saml_nameid" // as some IdPs and documents spell it
	FormatIssSub        = "iss_sub"
	FormatOpaque        = "opaque"
	FormatEmail         = "email"
)

// SubjectID is a subject identifier (RFC 9493) whose members are all strings:
// the form of every format that is served.
type SubjectID struct {
	members   map[string]string
	canonical string
}

// What is wrong with a subject identifier.
var (
	ErrSubjectIDFormat = errors.New("subject identifier of a format that is not served")
	ErrSubjectIDMember = errors.New("member of the subject identifier is absent, empty or not plain text")
)

const maxSubjectIDMember = 1024

// ParseSubjectID reads a `sub_id` claim or a User's `sub_id`. Both spellings of
// saml-nameid become one; every other member is kept as sent.
func ParseSubjectID(object map[string]any) (SubjectID, error) {
	format, _ := object["format"].(string)
	if format == "" || len(format) > maxSubjectIDMember { // RFC 9493 §3: REQUIRED
		return SubjectID{}, fmt.Errorf("format: %w", ErrSubjectIDMember)
	}
	if format == formatSAMLNameIDOld {
		format = FormatSAMLNameID
	}
	if required(format) == nil {
		return SubjectID{}, fmt.Errorf("%w: %s", ErrSubjectIDFormat, Clip(format)) // its members are not ours to judge
	}
	members := make(map[string]string, len(object))
	for name, value := range object {
		text, ok := value.(string)
		if !ok || text == "" || len(text) > maxSubjectIDMember || hasControl(text) {
			return SubjectID{}, fmt.Errorf("%s: %w", Clip(name), ErrSubjectIDMember)
		}
		members[name] = text
	}
	members["format"] = format
	for _, name := range required(format) {
		if members[name] == "" {
			return SubjectID{}, fmt.Errorf("%s: %w", name, ErrSubjectIDMember)
		}
	}
	canonical, err := canonicalMembers(members)
	if err != nil {
		return SubjectID{}, err
	}
	return SubjectID{members: members, canonical: canonical}, nil
}

// required names the members without which an identifier of a format names
// nobody; nil for a format that is not served.
func required(format string) []string {
	switch format {
	case FormatSAMLNameID:
		return []string{"issuer", "nameid"} // ID-JAG-04, saml-nameid
	case FormatIssSub:
		return []string{"iss", "sub"} // RFC 9493 §3.2.4
	case FormatOpaque:
		return []string{"id"} // RFC 9493 §3.2.5
	case FormatEmail:
		return []string{"email"} // RFC 9493 §3.2.2
	default:
		return nil
	}
}

// canonicalMembers is JSON with its names in order and nothing escaped that need
// not be, so that equal identifiers are equal strings.
func canonicalMembers(members map[string]string) (string, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(members); err != nil { // sorts the names
		return "", fmt.Errorf("encode subject identifier: %w", err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || 0x7f <= r && r < 0xa0 })
}

// IsZero tells whether there is no identifier.
func (s SubjectID) IsZero() bool { return s.canonical == "" }

// Format is the identifier's format, saml-nameid in its one spelling.
func (s SubjectID) Format() string { return s.members["format"] }

// Canonical is equal for two identifiers if, and only if, every member of the one
// is a member of the other with the same value: nothing is matched on `nameid`
// alone (ID-JAG-04, saml-nameid).
func (s SubjectID) Canonical() string { return s.canonical }

// Member returns one member, "" when it is absent.
func (s SubjectID) Member(name string) string { return s.members[name] }

// Members returns a copy of all.
func (s SubjectID) Members() map[string]string { return maps.Clone(s.members) }
