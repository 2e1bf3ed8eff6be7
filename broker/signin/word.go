package signin

import (
	"encoding/json"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// word is what an IdP said of a person, verified.
type word struct {
	ids      federation.Identifiers
	groups   assertion.Groups
	name     string
	proof    session.Proof
	upstream session.Upstream // Hint is not sealed yet
	ends     time.Time        // of the IdP's session; zero: not said
	checks   []federation.Check
}

func wordOf(s *oidc.SignIn) word {
	ids := s.Identifiers()
	w := word{ids: ids, groups: s.Groups(), name: s.Name(), proof: session.Proof{ACR: session.ForeignACR(s.ACR()), AMR: s.AMR()}, checks: s.Checks()}
	if at, known := s.AuthTime(); known {
		w.proof.AuthTime = at
	}
	w.upstream = session.Upstream{Subject: s.Sub(), SessionID: s.SessionID(), Tenant: ids.Tenant, Hint: []byte(s.IDToken().Reveal())}
	return w
}

// nameHint is what a logout request to a SAML IdP needs.
type nameHint struct {
	NameID saml.NameID `json:"name_id"`
	Index  string      `json:"index,omitempty"`
}

func wordOfSAML(s *saml.SignIn) (word, error) {
	ids := s.Identifiers()
	w := word{ids: ids, groups: s.Groups(), proof: session.Proof{ACR: session.ForeignACR(s.ACR()), AMR: s.AMR()}, checks: s.Checks()}
	if at, known := s.AuthTime(); known {
		w.proof.AuthTime = at
	}
	if at, known := s.SessionEndsAt(); known {
		w.ends = at
	}
	hint, err := json.Marshal(nameHint{NameID: s.NameID(), Index: s.SessionIndex()})
	if err != nil {
		return word{}, err
	}
	w.upstream = session.Upstream{SessionID: s.SessionIndex(), Tenant: ids.Tenant, Hint: hint}
	if !ids.SubID.IsZero() {
		w.upstream.Subject = ids.SubID.Canonical()
	}
	return w, nil
}

// person is what the IdP calls who came, for showing.
func (w word) person() string {
	for _, text := range []string{w.ids.Email, w.name, w.ids.Subject} {
		if text != "" {
			return federation.Clip(text)
		}
	}
	return ""
}

// profile is what is kept of it for later decisions.
func (w word) profile(user string, now time.Time) session.Profile {
	subject := w.ids.Subject
	if subject == "" {
		subject = w.upstream.Subject
	}
	return session.Profile{
		UserUID: user, IdPUID: w.ids.IdPUID, Name: federation.Clip(w.name), Email: federation.Clip(w.ids.Email),
		EmailVerified: w.ids.EmailVerified != nil && *w.ids.EmailVerified,
		Groups:        w.groups.Values, GroupsState: string(w.groups.State), Guest: w.ids.Guest, Subject: subject, SeenAt: now,
	}
}

// wordText is a word while it waits, sealed.
type wordText struct {
	IdPUID        string            `json:"idp"`
	IdPName       string            `json:"idp_name"`
	Issuer        string            `json:"issuer"` // of the entry when it was said
	Tenant        string            `json:"tenant,omitempty"`
	Subject       string            `json:"subject,omitempty"`
	SubID         map[string]string `json:"sub_id,omitempty"`
	Email         string            `json:"email,omitempty"`
	EmailVerified *bool             `json:"email_verified,omitempty"`
	Guest         bool              `json:"guest,omitempty"`
	Groups        []string          `json:"groups,omitempty"`
	GroupsState   string            `json:"groups_state"`
	Name          string            `json:"name,omitempty"`
	Proof         session.Proof     `json:"proof"`
	Upstream      session.Upstream  `json:"upstream"`
	Ends          time.Time         `json:"ends"`
}

func (w word) text(issuer string) *wordText {
	t := &wordText{
		IdPUID: w.ids.IdPUID, IdPName: w.ids.IdPName, Issuer: issuer, Tenant: w.ids.Tenant, Subject: w.ids.Subject, Email: w.ids.Email,
		EmailVerified: w.ids.EmailVerified, Guest: w.ids.Guest, Groups: w.groups.Values, GroupsState: string(w.groups.State),
		Name: w.name, Proof: w.proof, Upstream: w.upstream, Ends: w.ends,
	}
	if !w.ids.SubID.IsZero() {
		t.SubID = w.ids.SubID.Members()
	}
	return t
}

func (t *wordText) word() (word, error) {
	w := word{
		ids: federation.Identifiers{
			IdPUID: t.IdPUID, IdPName: t.IdPName, Tenant: t.Tenant, Subject: t.Subject, Email: t.Email, EmailVerified: t.EmailVerified, Guest: t.Guest,
		},
		groups: assertion.Groups{State: assertion.GroupsState(t.GroupsState), Values: t.Groups},
		name:   t.Name, proof: t.Proof, upstream: t.Upstream, ends: t.Ends,
	}
	if len(t.SubID) == 0 {
		return w, nil
	}
	members := make(map[string]any, len(t.SubID))
	for name, value := range t.SubID {
		members[name] = value
	}
	var err error
	w.ids.SubID, err = federation.ParseSubjectID(members)
	return w, err
}

func checksOf(checks []federation.Check) []audit.Check {
	told := make([]audit.Check, len(checks))
	for i, c := range checks {
		told[i] = audit.Check{Name: c.Name, OK: c.OK, Received: c.Received, Expected: c.Expected}
	}
	return told
}
