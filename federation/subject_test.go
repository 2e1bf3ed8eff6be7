package federation_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/federation"
)

// directory is a tenant's users, linked in a list.
type directory struct {
	links   map[string][]string // "okta||00u1alice" and the like, to user ids
	users   map[string]federation.Account
	idps    map[string][]string
	lookups []string
	failure error
	// forgotten is what IdPs fails with.
	forgotten error
}

func (d *directory) find(key string, ids []string) ([]federation.Account, error) {
	d.lookups = append(d.lookups, key)
	var found []federation.Account
	for _, id := range ids {
		if user, there := d.users[id]; there {
			found = append(found, user)
		}
	}
	return found, d.failure
}

func (d *directory) BySubject(_ context.Context, idp *federation.IdentityProvider, tenant, sub string) ([]federation.Account, error) {
	key := idp.Name + "|" + tenant + "|" + sub
	return d.find(key, d.links[key])
}

func (d *directory) BySubjectID(_ context.Context, idp *federation.IdentityProvider, tenant, canonical string) ([]federation.Account, error) {
	key := idp.Name + "|" + tenant + "|" + canonical
	return d.find(key, d.links[key])
}

func (d *directory) ByID(_ context.Context, uid string) ([]federation.Account, error) {
	return d.find("id "+uid, []string{uid})
}

func (d *directory) ByEmail(_ context.Context, email string) ([]federation.Account, error) {
	var ids []string
	for id, user := range d.users {
		if user.Email == email {
			ids = append(ids, id)
		}
	}
	return d.find("email "+email, ids)
}

func (d *directory) IdPs(_ context.Context, uid string) ([]string, error) {
	return d.idps[uid], d.forgotten
}

const nameID = `{"format":"saml-nameid","issuer":"https://saml.acme.com","nameid":"alice"}`

// world: alice and bob of okta, carol of no IdP, mallory of another.
func world(t *testing.T) (*directory, *federation.IdentityProvider, *federation.Identifiers) {
	t.Helper()
	active := func(uid, email string) federation.Account {
		return federation.Account{UID: uid, Email: email, Status: "active"}
	}
	d := &directory{
		links: map[string][]string{
			"okta||00u1alice": {"usr_alice"}, "okta||00u2bob": {"usr_bob"}, "okta||" + nameID: {"usr_alice"},
			"okta|eu|00u1alice": {"usr_bob"}, "keycloak||00u1alice": {"usr_mallory"}, `okta||{"format":"opaque","id":"a-1"}`: {"usr_alice"},
			`okta||{"format":"iss_sub","iss":"https://sso.acme.com","sub":"a"}`: {"usr_alice"},
			`okta||{"email":"carol@acme.com","format":"email"}`:                 {"usr_bob"},
		},
		users: map[string]federation.Account{
			"usr_alice": active("usr_alice", "alice@acme.com"), "usr_bob": active("usr_bob", "bob@acme.com"),
			"usr_carol": active("usr_carol", "carol@acme.com"), "usr_mallory": active("usr_mallory", "mallory@acme.com"),
		},
		idps: map[string][]string{"usr_alice": {"idp_1"}, "usr_bob": {"idp_2", "idp_1"}, "usr_mallory": {"idp_2"}},
	}
	idp := &federation.IdentityProvider{
		UID: "idp_1", Name: "okta", Issuer: "https://acme.okta.com",
		Assertions: federation.AssertionRules{SAMLEntityIDs: []string{"https://saml.acme.com"}},
		Subject: federation.SubjectRules{
			Match:        []federation.MatchBy{federation.MatchSubjectID, federation.MatchAudSub, federation.MatchSubject},
			EmailDomains: []string{"acme.com"},
		},
	}
	return d, idp, &federation.Identifiers{IdPUID: "idp_1", IdPName: "okta", Subject: "00u1alice"}
}

func withEmail(p *federation.IdentityProvider) {
	p.Subject.Match = append(p.Subject.Match, federation.MatchEmail)
}

func unverified() *bool { return new(bool) }

func TestResolve(t *testing.T) {
	saml := map[string]any{"format": "saml-nameid", "issuer": "https://saml.acme.com", "nameid": "alice"}
	set := func(ids *federation.Identifiers, t *testing.T, members map[string]any) {
		ids.SubID = parseSubjectID(t, members)
	}
	for _, test := range []struct {
		name   string
		change func(*testing.T, *directory, *federation.IdentityProvider, *federation.Identifiers)
		user   string
		code   federation.Code
	}{
		{name: "sub", user: "usr_alice"},
		{name: "sub unknown", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "00u9nobody"
		}, code: federation.CodeSubjectUnmatched},
		{name: "sub in other case", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "00U1ALICE"
		}, code: federation.CodeSubjectUnmatched},
		{name: "sub of an IdP-side tenant", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Tenant = "eu"
		}, user: "usr_bob"},
		{name: "sub of another IdP-side tenant", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Tenant = "us"
		}, code: federation.CodeSubjectUnmatched},
		{name: "nothing listed", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, _ *federation.Identifiers) {
			p.Subject.Match = nil
		}, code: federation.CodeSubjectUnmatched},
		{name: "unknown way listed", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, _ *federation.Identifiers) {
			p.Subject.Match = []federation.MatchBy{"name"}
		}, code: federation.CodeSubjectUnmatched},
		{name: "linked twice", change: func(_ *testing.T, d *directory, _ *federation.IdentityProvider, _ *federation.Identifiers) {
			d.links["okta||00u1alice"] = []string{"usr_alice", "usr_bob"}
		}, code: federation.CodeSubjectConflict},
		{name: "account without an id", change: func(_ *testing.T, d *directory, _ *federation.IdentityProvider, _ *federation.Identifiers) {
			d.users["usr_alice"] = federation.Account{Status: "active"}
		}, code: federation.CodeSubjectConflict},

		{name: "aud_sub and sub agree", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.AudSub = "usr_alice"
		}, user: "usr_alice"},
		{name: "aud_sub and sub differ", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.AudSub = "usr_bob"
		}, code: federation.CodeSubjectConflict},
		{name: "aud_sub alone", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, ids.AudSub = "unlinked", "usr_bob"
		}, user: "usr_bob"},
		{name: "aud_sub of nobody, sub linked", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.AudSub = "usr_gone"
		}, user: "usr_alice"},
		{name: "aud_sub not listed", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			p.Subject.Match = []federation.MatchBy{federation.MatchSubject}
			ids.AudSub = "usr_bob"
		}, user: "usr_alice"},
		{name: "aud_sub of a user of no IdP", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, ids.AudSub = "unlinked", "usr_carol"
		}, user: "usr_carol"},
		{name: "aud_sub of another IdP's user", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, ids.AudSub = "unlinked", "usr_mallory"
		}, code: federation.CodeSubjectUnmatched},
		{name: "aud_sub of another IdP's user, sub linked", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.AudSub = "usr_mallory"
		}, code: federation.CodeSubjectConflict},

		{name: "sub_id saml", change: func(t *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "unlinked"
			set(ids, t, saml)
		}, user: "usr_alice"},
		{name: "sub_id saml and sub differ", change: func(t *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "00u2bob"
			set(ids, t, saml)
		}, code: federation.CodeSubjectConflict},
		{name: "sub_id saml with one more member", change: func(t *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "unlinked"
			set(ids, t, map[string]any{"format": "saml-nameid", "issuer": "https://saml.acme.com", "nameid": "alice", "name_qualifier": "x"})
		}, code: federation.CodeSAMLSubID},
		{name: "sub_id saml of an entity that is not linked", change: func(t *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, p.Assertions.SAMLEntityIDs = "unlinked", []string{"https://other.acme.com"}
			set(ids, t, saml)
		}, code: federation.CodeSAMLSubID},
		{name: "sub_id saml with no entity linked", change: func(t *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, p.Assertions.SAMLEntityIDs = "unlinked", nil
			set(ids, t, saml)
		}, code: federation.CodeSAMLSubID},
		{name: "sub_id saml that does not count, sub linked", change: func(t *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, p.Assertions.SAMLEntityIDs = "00u2bob", nil
			set(ids, t, saml)
		}, user: "usr_bob"},
		{name: "sub_id opaque", change: func(t *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "unlinked"
			set(ids, t, map[string]any{"format": "opaque", "id": "a-1"})
		}, user: "usr_alice"},
		{name: "sub_id iss_sub", change: func(t *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "unlinked"
			set(ids, t, map[string]any{"format": "iss_sub", "iss": "https://sso.acme.com", "sub": "a"})
		}, user: "usr_alice"},
		{name: "sub_id of a format that is not served", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, ids.SubIDFormat = "unlinked", "phone_number"
		}, code: federation.CodeSubIDUnsupported},
		{name: "sub_id of a format that is not served, sub linked", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.SubIDFormat = "phone_number"
		}, user: "usr_alice"},
		{name: "sub_id email, email not listed", change: func(t *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject = "unlinked"
			set(ids, t, map[string]any{"format": "email", "email": "carol@acme.com"})
		}, code: federation.CodeSubIDUnsupported},
		{name: "sub_id email by the rules of email, not by its link", change: func(t *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject, ids.Email = "unlinked", "carol@acme.com"
			set(ids, t, map[string]any{"format": "email", "email": "Carol@acme.com"})
		}, user: "usr_carol"},
		{name: "sub_id email of another IdP's user", change: func(t *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject = "unlinked"
			set(ids, t, map[string]any{"format": "email", "email": "mallory@acme.com"})
		}, code: federation.CodeSubjectUnmatched},
		{name: "sub_id email and email differ", change: func(t *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject, ids.Email = "unlinked", "bob@acme.com"
			set(ids, t, map[string]any{"format": "email", "email": "carol@acme.com"})
		}, code: federation.CodeSubjectConflict},

		{name: "email not listed", change: func(_ *testing.T, _ *directory, _ *federation.IdentityProvider, ids *federation.Identifiers) {
			ids.Subject, ids.Email = "unlinked", "carol@acme.com"
		}, code: federation.CodeSubjectUnmatched},
		{name: "email listed", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject, ids.Email = "unlinked", "CAROL@Acme.com"
		}, user: "usr_carol"},
		{name: "email and sub differ", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Email = "bob@acme.com"
		}, code: federation.CodeSubjectConflict},
		{name: "email of a domain that is not listed", change: func(_ *testing.T, d *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			carol := d.users["usr_carol"]
			carol.Email = "carol@sub.acme.com"
			d.users["usr_carol"] = carol
			ids.Subject, ids.Email = "unlinked", "carol@sub.acme.com"
		}, code: federation.CodeEmailUnverified},
		{name: "email with no domain listed", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			p.Subject.EmailDomains = nil
			ids.Subject, ids.Email = "unlinked", "carol@acme.com"
		}, code: federation.CodeEmailUnverified},
		{name: "email not verified", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject, ids.Email, ids.EmailVerified = "unlinked", "carol@acme.com", unverified()
		}, code: federation.CodeEmailUnverified},
		{name: "email not verified, sub linked", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Email, ids.EmailVerified = "bob@acme.com", unverified()
		}, user: "usr_alice"},
		{name: "email with a fullwidth at", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject, ids.Email = "unlinked", "carol＠acme.com"
		}, code: federation.CodeEmailUnverified},
		{name: "email absent", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject = "unlinked"
		}, code: federation.CodeNoEmail},
		{name: "email of two users", change: func(_ *testing.T, d *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			d.users["usr_carol2"] = federation.Account{UID: "usr_carol2", Email: "carol@acme.com", Status: "active"}
			ids.Subject, ids.Email = "unlinked", "carol@acme.com"
		}, code: federation.CodeSubjectConflict},
		{name: "email of another IdP's user", change: func(_ *testing.T, _ *directory, p *federation.IdentityProvider, ids *federation.Identifiers) {
			withEmail(p)
			ids.Subject, ids.Email = "unlinked", "mallory@acme.com"
		}, code: federation.CodeSubjectUnmatched},

		{name: "status absent", change: status("usr_alice", ""), code: federation.CodeSubjectDisabled},
		{name: "status disabled", change: status("usr_alice", "disabled"), code: federation.CodeSubjectDisabled},
		{name: "status in other case", change: status("usr_alice", "Active"), code: federation.CodeSubjectDisabled},
		{name: "guest", change: guest(false), code: federation.CodeGuestDenied},
		{name: "guest by the IdP's word", change: saidGuest(false), code: federation.CodeGuestDenied},
		{name: "guest by the IdP's word allowed", change: saidGuest(true), user: "usr_alice"},
		{name: "guest allowed", change: guest(true), user: "usr_alice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, idp, ids := world(t)
			if test.change != nil {
				test.change(t, d, idp, ids)
			}
			resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
			if test.code == "" {
				if err != nil || resolution.Account.UID != test.user || resolution.Provision != nil || len(resolution.MatchedBy) == 0 {
					t.Fatalf("got %+v, %v, want %s", resolution, err, test.user)
				}
				return
			}
			refusal, ok := errors.AsType[*federation.Refusal](err)
			if !ok || refusal.Code != test.code || resolution.Account.UID != "" || resolution.Provision != nil {
				t.Fatalf("got %+v, %v, want %s", resolution, err, test.code)
			}
			if refusal.Provider != idp || refusal.Checks[len(refusal.Checks)-1].Code != test.code {
				t.Errorf("refusal %+v", refusal)
			}
		})
	}
}

func status(uid, status string) func(*testing.T, *directory, *federation.IdentityProvider, *federation.Identifiers) {
	return func(_ *testing.T, d *directory, _ *federation.IdentityProvider, _ *federation.Identifiers) {
		user := d.users[uid]
		user.Status = status
		d.users[uid] = user
	}
}

// saidGuest: the directory knows nothing of it, the assertion does.
func saidGuest(allowed bool) func(*testing.T, *directory, *federation.IdentityProvider, *federation.Identifiers) {
	return func(_ *testing.T, _ *directory, idp *federation.IdentityProvider, ids *federation.Identifiers) {
		ids.Guest, idp.Subject.AllowGuests = true, allowed
	}
}

func guest(allowed bool) func(*testing.T, *directory, *federation.IdentityProvider, *federation.Identifiers) {
	return func(_ *testing.T, d *directory, p *federation.IdentityProvider, _ *federation.Identifiers) {
		user := d.users["usr_alice"]
		user.Guest = true
		d.users["usr_alice"] = user
		p.Subject.AllowGuests = allowed
	}
}

// The directory is asked only for what the entry lists.
func TestResolveAsksForNothingElse(t *testing.T) {
	d, idp, ids := world(t)
	idp.Subject.Match = []federation.MatchBy{federation.MatchSubject}
	ids.AudSub, ids.Email, ids.SubID = "usr_bob", "bob@acme.com", parseSubjectID(t, map[string]any{"format": "opaque", "id": "a-1"})
	resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.lookups, []string{"okta||00u1alice"}) || !slices.Equal(resolution.MatchedBy, []federation.MatchBy{federation.MatchSubject}) {
		t.Errorf("asked %v, matched by %v", d.lookups, resolution.MatchedBy)
	}
}

// All listed identifiers are looked up, not only the first that finds somebody.
func TestResolveAsksForAllThatIsListed(t *testing.T) {
	d, idp, ids := world(t)
	withEmail(idp)
	ids.AudSub, ids.Email, ids.SubID = "usr_alice", "alice@acme.com", parseSubjectID(t, map[string]any{"format": "opaque", "id": "a-1"})
	resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
	if err != nil || len(d.lookups) != 4 || !slices.Equal(resolution.MatchedBy, idp.Subject.Match) {
		t.Errorf("asked %v, matched by %v, %v", d.lookups, resolution.MatchedBy, err)
	}
}

// A directory that fails is no directory without the user.
func TestResolveFailure(t *testing.T) {
	d, idp, ids := world(t)
	d.failure = errors.New("database is away")
	_, err := federation.Resolve(t.Context(), d, idp, *ids)
	if _, refused := errors.AsType[*federation.Refusal](err); refused || !errors.Is(err, d.failure) {
		t.Errorf("got %v", err)
	}
	d.failure, d.forgotten = nil, errors.New("database is away")
	ids.AudSub = "usr_alice"
	resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
	if !errors.Is(err, d.forgotten) || resolution.Account.UID != "" {
		t.Errorf("whose user it is was not known: %+v, %v", resolution, err)
	}
}

func TestResolveForeignIdentifiers(t *testing.T) {
	d, idp, ids := world(t)
	for _, uid := range []string{"", "idp_2"} {
		ids.IdPUID = uid
		if _, err := federation.Resolve(t.Context(), d, idp, *ids); !errors.Is(err, federation.ErrForeignIdentifiers) {
			t.Errorf("got %v", err)
		}
	}
}

func TestResolveJustInTime(t *testing.T) {
	fresh := func(t *testing.T) (*directory, *federation.IdentityProvider, *federation.Identifiers) {
		d, idp, ids := world(t)
		idp.Subject.Provision = true
		ids.Subject, ids.Email = "00u7dave", "Dave@acme.com"
		return d, idp, ids
	}
	t.Run("new", func(t *testing.T) {
		d, idp, ids := fresh(t)
		resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
		if err != nil || resolution.Provision == nil || resolution.Account.UID != "" {
			t.Fatalf("got %+v, %v", resolution, err)
		}
		if p := resolution.Provision; p.Subject != "00u7dave" || p.Email != "dave@acme.com" || p.IdPName != "okta" {
			t.Errorf("provision %+v", p)
		}
	})
	t.Run("guest", func(t *testing.T) {
		d, idp, ids := fresh(t)
		ids.Guest = true
		_, err := federation.Resolve(t.Context(), d, idp, *ids)
		if refusal, ok := errors.AsType[*federation.Refusal](err); !ok || refusal.Code != federation.CodeGuestDenied {
			t.Errorf("got %v", err)
		}
		idp.Subject.AllowGuests = true
		if resolution, err := federation.Resolve(t.Context(), d, idp, *ids); err != nil || !resolution.Provision.Guest {
			t.Errorf("got %+v, %v", resolution, err)
		}
	})
	t.Run("email not verified", func(t *testing.T) {
		d, idp, ids := fresh(t)
		ids.EmailVerified = unverified()
		resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
		if err != nil || resolution.Provision.Email != "" {
			t.Errorf("got %+v, %v", resolution, err)
		}
	})
	t.Run("known", func(t *testing.T) {
		d, idp, ids := fresh(t)
		ids.Subject = "00u1alice"
		resolution, err := federation.Resolve(t.Context(), d, idp, *ids)
		if err != nil || resolution.Provision != nil || resolution.Account.UID != "usr_alice" {
			t.Errorf("got %+v, %v", resolution, err)
		}
	})
	t.Run("disabled is not made anew", func(t *testing.T) {
		d, idp, ids := fresh(t)
		ids.Subject = "00u1alice"
		status("usr_alice", "disabled")(t, d, idp, ids)
		if _, err := federation.Resolve(t.Context(), d, idp, *ids); err == nil {
			t.Error("a disabled user came back")
		}
	})
	t.Run("sub not listed", func(t *testing.T) {
		d, idp, ids := fresh(t)
		idp.Subject.Match = []federation.MatchBy{federation.MatchAudSub}
		if _, err := federation.Resolve(t.Context(), d, idp, *ids); err == nil {
			t.Error("an account would be made that nothing finds again")
		}
	})
}

func TestClaimRules(t *testing.T) {
	rules := federation.ClaimRules{Groups: "groups", GroupsFrom: []federation.GroupsFrom{federation.GroupsFromClaim}, GroupAliases: map[string]string{"00g1": "editors"}}
	if !rules.ReadsClaim() || rules.ReadsDirectory() || !slices.Equal(rules.Names([]string{"00g1", "00g2"}), []string{"editors", "00g2"}) {
		t.Errorf("%+v", rules)
	}
	if (federation.ClaimRules{Groups: "groups"}).ReadsClaim() || (federation.ClaimRules{GroupsFrom: rules.GroupsFrom}).ReadsClaim() {
		t.Error("a rule that is absent allows")
	}
}
