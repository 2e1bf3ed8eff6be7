package federation

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// StatusActive is the only status with which a user gets anything.
const StatusActive = "active"

// Identifiers are the words in which a verified assertion speaks of its subject.
type Identifiers struct {
	IdPUID  string
	IdPName string
	Tenant  string // IdP-side tenant, "" when the assertion names none
	Subject string // sub; always present
	AudSub  string // our own user id, "" when absent
	SubID   SubjectID
	// SubIDFormat is the format of a sub_id that is not served and so left out of SubID.
	SubIDFormat   string
	Email         string // as sent, "" when absent
	EmailVerified *bool  // nil when the assertion does not say
	Guest         bool   // the assertion says that the subject is a guest at the IdP
}

// Account is a user of a tenant, as far as a grant needs to know.
type Account struct {
	UID            string
	Name           string
	Email          string
	Status         string
	Kind           string // "person", "service", …; "" is a person
	Guest          bool
	HomeTenant     string
	Groups         []string
	GroupsComplete bool // kept by hand or by SCIM: what is not listed is not held
	Roles          []string
	Attributes     map[string]any
}

// Directory finds accounts of one tenant; the implementation is bound to it. An
// empty list means nobody. An error means that it is not known.
type Directory interface {
	// BySubject finds who is linked to sub at an IdP (and an IdP-side tenant, "" for none).
	BySubject(ctx context.Context, idp *IdentityProvider, tenant, sub string) ([]Account, error)
	// BySubjectID finds who is linked to a subject identifier, by SubjectID.Canonical.
	BySubjectID(ctx context.Context, idp *IdentityProvider, tenant, canonical string) ([]Account, error)
	// ByID finds an account by our own user id.
	ByID(ctx context.Context, uid string) ([]Account, error)
	// ByEmail finds accounts by CanonicalEmail.
	ByEmail(ctx context.Context, email string) ([]Account, error)
	// IdPs lists the uids of the IdPs to which an account is linked. A link to one
	// that is gone is listed too, as something that is no IdP's uid; an empty list
	// means that nobody has linked the account yet.
	IdPs(ctx context.Context, uid string) ([]string, error)
}

// Vouches tells whether an IdP may still speak of an account of which it spoke before: one that is linked to it under its issuer
// of now, or to nobody where the entry lets an address alone lead to him. An account that was unlinked since is another's.
func Vouches(ctx context.Context, d Directory, idp *IdentityProvider, uid string) (bool, error) {
	idps, err := d.IdPs(ctx, uid)
	if err != nil {
		return false, err
	}
	return slices.Contains(idps, idp.UID) || len(idps) == 0 && slices.Contains(idp.Subject.Match, MatchEmail), nil
}

// NewAccount is the account that just-in-time provisioning would make.
type NewAccount struct {
	IdPName string
	Tenant  string
	Subject string
	SubID   SubjectID
	Guest   bool
	Email   string // canonical, of a listed domain and not said to be unverified; else ""
}

// Resolution is whom an assertion speaks of: an account, or, where the entry
// provisions just in time and nobody is linked, the account to be made.
type Resolution struct {
	Account   Account
	Provision *NewAccount // when not nil, there is no Account yet
	MatchedBy []MatchBy
	Checks    []Check
}

// ErrForeignIdentifiers is returned when identifiers come from another IdP than
// the one whose rules are to be applied. It is a mistake of the caller.
var ErrForeignIdentifiers = errors.New("identifiers of another identity provider")

// Resolve finds the one active account that all identifiers agree on.
//
//  1. Only the identifiers that the entry's match lists are looked up.
//  2. All of those that are present are, not only the first that finds somebody:
//     two that find different accounts are refused.
//  3. One that finds nobody says nothing, so long as another finds somebody: sub
//     is always there and need not be the subject of single sign-on (ID-JAG-04).
//  4. aud_sub and email are not the IdP's own name space. They never reach a user
//     who is linked to other IdPs only (T13, T32).
//  5. Whoever is found must be active, and no guest unless the entry allows it.
//
// What it does not check: whether the IdP itself still holds the user active.
func Resolve(ctx context.Context, directory Directory, idp *IdentityProvider, ids Identifiers) (Resolution, error) {
	if ids.IdPUID != idp.UID || ids.IdPUID == "" {
		return Resolution{}, ErrForeignIdentifiers
	}
	s := search{directory: directory, idp: idp, ids: ids}
	s.trail.For(idp)
	for _, by := range idp.Subject.Match {
		if err := s.look(ctx, by); err != nil {
			return Resolution{}, err
		}
	}
	if len(s.by) == 0 {
		return s.nobody()
	}
	return s.somebody()
}

// search is one resolution under way.
type search struct {
	directory Directory
	idp       *IdentityProvider
	ids       Identifiers
	trail     Trail

	account Account
	by      []MatchBy
	why     Code // the most telling reason why nobody was found
	note    string
	foreign bool // somebody was found, who is linked to other IdPs only
}

// look looks one identifier up and compares whom it finds with who was found before.
func (s *search) look(ctx context.Context, by MatchBy) error {
	value, find := s.lookup(by)
	if find == nil {
		return nil
	}
	accounts, err := find(ctx)
	if err != nil {
		return fmt.Errorf("look up subject by %s: %w", by, err)
	}
	switch {
	case len(accounts) == 0:
		s.trail.Pass(string(by), value, "finds nobody")
		return nil
	case len(accounts) > 1 || accounts[0].UID == "":
		return s.trail.Refuse(CodeSubjectConflict, string(by), value, "one account", nil)
	}
	found := accounts[0]
	if len(s.by) > 0 && found.UID != s.account.UID {
		return s.trail.Refuse(CodeSubjectConflict, string(by), found.UID, s.account.UID, nil)
	}
	foreign, err := s.isForeign(ctx, by, found.UID)
	if err != nil {
		return fmt.Errorf("look up the identities of %s: %w", found.UID, err)
	}
	s.foreign = s.foreign || foreign
	s.account, s.by = found, append(s.by, by)
	s.trail.Pass(string(by), value, found.UID)
	return nil
}

// isForeign: an IdP's own identifiers are linked to it by definition; the others
// could name anybody, and a new IdP must not assert the subjects of an old one
// (T13, T32).
func (s *search) isForeign(ctx context.Context, by MatchBy, uid string) (bool, error) {
	shared := by == MatchAudSub || by == MatchEmail || by == MatchSubjectID && s.ids.SubID.Format() == FormatEmail
	if !shared {
		return false, nil
	}
	idps, err := s.directory.IdPs(ctx, uid)
	return len(idps) > 0 && !slices.Contains(idps, s.idp.UID), err
}

// lookup returns what to ask the directory, or nil when the identifier is absent
// or does not count.
func (s *search) lookup(by MatchBy) (value string, find func(context.Context) ([]Account, error)) {
	switch by {
	case MatchSubjectID:
		return s.bySubjectID()
	case MatchAudSub:
		if s.ids.AudSub == "" {
			return "", nil
		}
		return s.ids.AudSub, func(ctx context.Context) ([]Account, error) { return s.directory.ByID(ctx, s.ids.AudSub) }
	case MatchSubject:
		if s.ids.Subject == "" {
			return "", nil
		}
		return s.ids.Subject, func(ctx context.Context) ([]Account, error) {
			return s.directory.BySubject(ctx, s.idp, s.ids.Tenant, s.ids.Subject)
		}
	case MatchEmail:
		return s.byEmail(s.ids.Email)
	default:
		return "", nil // a way that is not known finds nobody
	}
}

func (s *search) bySubjectID() (value string, find func(context.Context) ([]Account, error)) {
	id := s.ids.SubID
	switch {
	case id.IsZero():
		if s.ids.SubIDFormat != "" {
			s.miss(CodeSubIDUnsupported, "format "+s.ids.SubIDFormat)
		}
		return "", nil
	case id.Format() == FormatEmail:
		// An address in another wrapping: the rules for email hold, a link by hand
		// included, since whoever can change the address would inherit it (T13).
		if !slices.Contains(s.idp.Subject.Match, MatchEmail) {
			s.miss(CodeSubIDUnsupported, "format email where match does not list email")
			return "", nil
		}
		return s.byEmail(id.Member("email"))
	case id.Format() == FormatSAMLNameID && !slices.Contains(s.idp.Assertions.SAMLEntityIDs, id.Member("issuer")):
		// ID-JAG-04 saml-nameid: no trust comes from sub_id.issuer; the validated
		// iss must be linked to it by configuration.
		s.miss(CodeSAMLSubID, "issuer "+id.Member("issuer"))
		return "", nil
	}
	if id.Format() == FormatSAMLNameID {
		s.miss(CodeSAMLSubID, id.Canonical()) // unless it finds somebody
	}
	return id.Canonical(), func(ctx context.Context) ([]Account, error) {
		return s.directory.BySubjectID(ctx, s.idp, s.ids.Tenant, id.Canonical())
	}
}

// byEmail: only an address of a listed domain that is not said to be unverified
// counts. A listed domain pins the issuer to it, so that silence about
// verification is accepted there, and nowhere else (T13, T14).
func (s *search) byEmail(address string) (value string, find func(context.Context) ([]Account, error)) {
	if address == "" {
		s.miss(CodeNoEmail, "")
		return "", nil
	}
	canonical, domain, ok := CanonicalEmail(address)
	if !ok || !s.isListed(domain) {
		s.miss(CodeEmailUnverified, address)
		return "", nil
	}
	if s.ids.EmailVerified != nil && !*s.ids.EmailVerified {
		s.miss(CodeEmailUnverified, "email_verified false")
		return "", nil
	}
	return canonical, func(ctx context.Context) ([]Account, error) { return s.directory.ByEmail(ctx, canonical) }
}

func (s *search) isListed(domain string) bool {
	return slices.ContainsFunc(s.idp.Subject.EmailDomains, func(listed string) bool {
		canonical, ok := CanonicalDomain(listed)
		return ok && canonical == domain
	})
}

// miss notes why an identifier did not count. The first reason is kept: match is
// in the administrator's order.
func (s *search) miss(code Code, note string) {
	if s.why == "" {
		s.why, s.note = code, note
	}
}

func (s *search) somebody() (Resolution, error) {
	account := s.account
	switch {
	case s.foreign:
		return Resolution{}, s.trail.Refuse(CodeSubjectUnmatched, "subject", account.UID+" of another IdP", "a user linked to "+s.idp.Name, nil)
	case account.Status != StatusActive: // exactly: an unknown status is not active
		return Resolution{}, s.trail.Refuse(CodeSubjectDisabled, "status", account.Status, StatusActive, nil)
	case (account.Guest || s.ids.Guest) && !s.idp.Subject.AllowGuests:
		return Resolution{}, s.trail.Refuse(CodeGuestDenied, "guest", "guest", "no guest", nil)
	}
	s.trail.Pass("subject", account.UID, "one active account")
	return Resolution{Account: account, MatchedBy: s.by, Checks: s.trail.Checks()}, nil
}

func (s *search) nobody() (Resolution, error) {
	// An account is made under the name by which it is found the next time.
	if s.idp.Subject.Provision && s.ids.Subject != "" && slices.Contains(s.idp.Subject.Match, MatchSubject) {
		if s.ids.Guest && !s.idp.Subject.AllowGuests {
			return Resolution{}, s.trail.Refuse(CodeGuestDenied, "guest", "guest", "no guest", nil)
		}
		s.trail.Pass("subject", "nobody yet", "just_in_time")
		return Resolution{Provision: s.newAccount(), Checks: s.trail.Checks()}, nil
	}
	code, received := s.why, s.note
	if code == "" {
		code, received = CodeSubjectUnmatched, s.ids.Subject
	}
	return Resolution{}, s.trail.Refuse(code, "subject", received, fmt.Sprintf("a user linked by one of %v", s.idp.Subject.Match), nil)
}

func (s *search) newAccount() *NewAccount {
	account := &NewAccount{IdPName: s.idp.Name, Tenant: s.ids.Tenant, Subject: s.ids.Subject, SubID: s.ids.SubID, Guest: s.ids.Guest}
	canonical, domain, ok := CanonicalEmail(s.ids.Email)
	if ok && s.isListed(domain) && (s.ids.EmailVerified == nil || *s.ids.EmailVerified) {
		account.Email = canonical
	}
	return account
}
