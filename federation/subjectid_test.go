package federation_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

func parseSubjectID(t *testing.T, members map[string]any) federation.SubjectID {
	t.Helper()
	id, err := federation.ParseSubjectID(members)
	if err != nil {
		t.Fatalf("%v: %v", members, err)
	}
	return id
}

func samlNameID() map[string]any {
	return map[string]any{
		"format": "saml-nameid", "issuer": "https://saml.acme.com", "nameid": "alice",
		"nameid_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent", "sp_name_qualifier": "https://sp.example",
	}
}

// Every member counts (ID-JAG-04 saml-nameid): an identifier with one more, one
// less or another is another identifier.
func TestSubjectIDIsComparedMemberByMember(t *testing.T) {
	whole := parseSubjectID(t, samlNameID())
	if again := parseSubjectID(t, samlNameID()); again.Canonical() != whole.Canonical() {
		t.Error("equal identifiers differ")
	}
	underscored := samlNameID()
	underscored["format"] = "saml_nameid"
	if other := parseSubjectID(t, underscored); other.Canonical() != whole.Canonical() || other.Format() != federation.FormatSAMLNameID {
		t.Error("the two spellings of the format differ")
	}
	for name := range samlNameID() {
		if name == "format" {
			continue
		}
		changed := samlNameID()
		changed[name] = "another"
		if parseSubjectID(t, changed).Canonical() == whole.Canonical() {
			t.Errorf("%s does not count", name)
		}
	}
	for _, name := range []string{"nameid_format", "sp_name_qualifier"} {
		less := samlNameID()
		delete(less, name)
		if parseSubjectID(t, less).Canonical() == whole.Canonical() {
			t.Errorf("%s may be left out", name)
		}
	}
	more := samlNameID()
	more["name_qualifier"] = "x"
	if parseSubjectID(t, more).Canonical() == whole.Canonical() {
		t.Error("name_qualifier may be added")
	}
	quoted := parseSubjectID(t, map[string]any{"format": "opaque", "id": `x","y":"z`})
	if other := parseSubjectID(t, map[string]any{"format": "opaque", "id": "x", "y": "z"}); quoted.Canonical() == other.Canonical() {
		t.Error("a value can pretend to be a member")
	}
	if whole.Members()["nameid"] != "alice" || whole.Member("none") != "" || whole.IsZero() || !(federation.SubjectID{}).IsZero() {
		t.Errorf("members %v", whole.Members())
	}
}

func TestSubjectIDRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		members map[string]any
		want    error
	}{
		{"nothing", nil, federation.ErrSubjectIDMember},
		{"no format", map[string]any{"id": "x"}, federation.ErrSubjectIDMember},
		{"format number", map[string]any{"format": 1, "id": "x"}, federation.ErrSubjectIDMember},
		{"format unknown", map[string]any{"format": "phone_number", "phone_number": "+1"}, federation.ErrSubjectIDFormat},
		{"format in other case", map[string]any{"format": "Opaque", "id": "x"}, federation.ErrSubjectIDFormat},
		{"aliases", map[string]any{"format": "aliases", "identifiers": []any{}}, federation.ErrSubjectIDFormat},
		{"opaque without id", map[string]any{"format": "opaque"}, federation.ErrSubjectIDMember},
		{"opaque with empty id", map[string]any{"format": "opaque", "id": ""}, federation.ErrSubjectIDMember},
		{"opaque with null", map[string]any{"format": "opaque", "id": "x", "more": nil}, federation.ErrSubjectIDMember},
		{"opaque with object", map[string]any{"format": "opaque", "id": map[string]any{}}, federation.ErrSubjectIDMember},
		{"opaque with NUL", map[string]any{"format": "opaque", "id": "a\x00b"}, federation.ErrSubjectIDMember},
		{"opaque too long", map[string]any{"format": "opaque", "id": strings.Repeat("x", 1025)}, federation.ErrSubjectIDMember},
		{"iss_sub without iss", map[string]any{"format": "iss_sub", "sub": "x"}, federation.ErrSubjectIDMember},
		{"iss_sub without sub", map[string]any{"format": "iss_sub", "iss": "x"}, federation.ErrSubjectIDMember},
		{"email without email", map[string]any{"format": "email"}, federation.ErrSubjectIDMember},
		{"saml without issuer", map[string]any{"format": "saml-nameid", "nameid": "x"}, federation.ErrSubjectIDMember},
		{"saml without nameid", map[string]any{"format": "saml_nameid", "issuer": "x"}, federation.ErrSubjectIDMember},
	} {
		t.Run(test.name, func(t *testing.T) {
			id, err := federation.ParseSubjectID(test.members)
			if !errors.Is(err, test.want) || !id.IsZero() {
				t.Errorf("got %v, %v, want %v", id.Members(), err, test.want)
			}
		})
	}
}
