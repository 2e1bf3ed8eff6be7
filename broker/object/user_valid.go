package object

import (
	"fmt"

	"github.com/chancery-dev/chancery/federation"
)

const maxIdentities = 64

// Validate implements Spec.
func (s *UserSpec) Validate() error {
	var f findings
	f.value("spec.email", s.Email, emailProblem)
	f.oneOf("spec.status", s.Status, StatusActive, StatusSuspended, StatusDisabled)
	f.each("spec.groups", s.Groups, textProblem)
	if len(s.Groups) > maxList {
		f.add("spec.groups", "%d groups: at most %d", len(s.Groups), maxList)
	}
	if _, err := s.Person(); err != nil {
		f.add("spec.attributes", "%s", err)
	}
	if len(s.Identities) > maxIdentities {
		f.add("spec.identities", "%d identities: at most %d", len(s.Identities), maxIdentities)
		return f.err()
	}
	seen := map[Key]bool{}
	for i, identity := range s.Identities {
		path := fmt.Sprintf("spec.identities[%d]", i)
		identity.check(&f, path)
		for _, key := range identity.keys(identity.IdP) {
			if seen[key] {
				f.add(path, "is listed twice")
			}
			seen[key] = true
		}
	}
	return f.err()
}

func emailProblem(s string) string {
	if _, _, ok := federation.CanonicalEmail(s); !ok {
		return "is no e-mail address of plain ASCII"
	}
	return ""
}

func (i Identity) check(f *findings, path string) {
	if i.IdP == "" {
		f.add(path+".idp", "is required: a subject means nothing without its IdP")
	}
	f.value(path+".idp", i.IdP, nameProblem)
	f.value(path+".sub", i.Sub, subjectProblem)
	f.value(path+".tenant", i.Tenant, subjectProblem)
	if i.Sub == "" && len(i.SubID) == 0 {
		f.add(path, "has neither sub nor sub_id")
	}
	if len(i.SubID) == 0 {
		return
	}
	if _, err := federation.ParseSubjectID(i.SubID); err != nil {
		f.add(path+".sub_id", "%s", err)
	}
}

// keys are the natural keys of one identity. They hold the link to the IdP, so
// that no IdP speaks of another's subjects.
func (i Identity) keys(link string) []Key {
	var keys []Key
	if i.Sub != "" {
		keys = append(keys, Key{Space: SpaceIdentity, Value: IdentityKey(link, i.Tenant, i.Sub), Exclusive: true})
	}
	if id, err := federation.ParseSubjectID(i.SubID); err == nil {
		keys = append(keys, Key{Space: SpaceSubID, Value: SubIDKey(link, i.Tenant, id.Canonical()), Exclusive: true})
	}
	return keys
}

// Links are the keys by which the subjects of IdPs find the user. find gives the
// Link to the IdP that has a name now; where there is none, there is no key.
func (s *UserSpec) Links(find func(idp string) (link string, ok bool)) []Key {
	var keys []Key
	for _, identity := range s.Identities {
		if link, ok := find(identity.IdP); ok {
			keys = append(keys, identity.keys(link)...)
		}
	}
	return keys
}

// Keys implements Spec: what the user says alone. The keys of its identities are
// Links. An address may be that of several users; who resolves by it refuses then.
func (s *UserSpec) Keys() []Key {
	var keys []Key
	if canonical, _, ok := federation.CanonicalEmail(s.Email); ok {
		keys = append(keys, Key{Space: SpaceEmail, Value: canonical})
	}
	return keys
}
