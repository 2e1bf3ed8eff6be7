package saml_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/idptest/samltest"
	"github.com/chancery-dev/chancery/federation/saml"
)

func presentation(w *world, encoded string) saml.Presented {
	return saml.Presented{Response: encoded, Departure: w.departure}
}

func TestSignIn(t *testing.T) {
	w := newWorld()
	s, err := w.verify(w.idp.Draft(w.sp, request))
	if err != nil {
		t.Fatal(err)
	}
	ids := s.Identifiers()
	if ids.Subject != "00u1alice" || ids.Email != "alice@acme.example" || ids.IdPUID != "idp_1" || ids.Tenant != "" {
		t.Errorf("identifiers %+v", ids)
	}
	want := map[string]string{"format": "saml-nameid", "issuer": w.idp.EntityID, "nameid": "00u1alice", "nameid_format": saml.NameIDPersistent}
	if got := ids.SubID.Members(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sub_id %v", got)
	}
	if g := s.Groups(); g.State != assertion.GroupsComplete || !slices.Equal(g.Values, []string{"notes-editors", "staff"}) {
		t.Errorf("groups %+v", g)
	}
	if at, known := s.AuthTime(); !known || !at.Equal(noon.Add(-2*time.Second)) {
		t.Errorf("auth_time %s %v", at, known)
	}
	if ends, known := s.SessionEndsAt(); !known || !ends.Equal(noon.Add(8*time.Hour)) {
		t.Errorf("session ends %s %v", ends, known)
	}
	if s.ACR() != "pwd" || s.SessionIndex() != "_session1" || s.Unsolicited() || s.InResponseTo() != request || s.AMR() != nil {
		t.Errorf("acr %q, session %q, %v %q %v", s.ACR(), s.SessionIndex(), s.Unsolicited(), s.InResponseTo(), s.AMR())
	}
	for i, r := range s.Redemptions() {
		if want := []string{"saml:" + s.ID(), "saml-request:" + request}[i]; r.Key != want || r.Until.Before(noon.Add(4*time.Minute)) {
			t.Errorf("redemption %d: %+v", i, r)
		}
	}
	if len(s.Checks()) < 8 || s.Algorithm() != samltest.RSASHA256 || !s.Certificate().Equal(w.idp.Certificate) {
		t.Errorf("%d checks, %s", len(s.Checks()), s.Algorithm())
	}
}

// Until is the end: a redemption that is forgotten then cannot be used again (T27).
func TestRedeemableUntil(t *testing.T) {
	w := newWorld()
	encoded := w.idp.Draft(w.sp, request).Encoded()
	s, err := w.verifier.Verify(w.provider, presentation(w, encoded))
	if err != nil {
		t.Fatal(err)
	}
	late := &saml.Verifier{Now: func() time.Time { return s.Redemptions()[0].Until }}
	_, err = late.Verify(w.provider, presentation(w, encoded))
	refused(t, err, federation.CodeAssertionExpired)
}

// T27, T28: who may come back, and who never left.
func TestDepartures(t *testing.T) {
	w := newWorld()
	at := func(d *saml.Departure, answers string) (*saml.SignIn, error) {
		return w.verifier.Verify(w.provider, saml.Presented{Response: w.idp.Draft(w.sp, answers).Encoded(), Departure: d})
	}
	t.Run("another session's response", func(t *testing.T) {
		_, err := at(w.departure, "_of_another_session")
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
	t.Run("another IdP's departure", func(t *testing.T) {
		_, err := at(&saml.Departure{ID: request, Provider: "idp_2"}, request)
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
	t.Run("a departure without an id", func(t *testing.T) {
		_, err := at(&saml.Departure{Provider: "idp_1"}, "")
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
	for name, test := range map[string]time.Duration{"too late": -saml.DepartureLifetime, "before it began": 31 * time.Second} {
		t.Run(name, func(t *testing.T) {
			_, err := at(&saml.Departure{ID: request, Provider: "idp_1", At: noon.Add(test)}, request)
			refused(t, err, federation.CodeSignInExpired)
		})
	}
	t.Run("a departure without a time", func(t *testing.T) {
		_, err := at(&saml.Departure{ID: request, Provider: "idp_1"}, request)
		refused(t, err, federation.CodeSignInExpired)
	})
	t.Run("just in time", func(t *testing.T) {
		if _, err := at(&saml.Departure{ID: request, Provider: "idp_1", At: noon.Add(time.Second - saml.DepartureLifetime)}, request); err != nil {
			t.Error(err)
		}
	})
	t.Run("unsolicited into a session that left", func(t *testing.T) {
		_, err := at(w.departure, "")
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
	t.Run("unsolicited", func(t *testing.T) {
		_, err := at(nil, "")
		refused(t, err, federation.CodeSAMLUnsolicited)
	})
	w.provider.IdPInitiated = true
	t.Run("unsolicited where it is on", func(t *testing.T) {
		s, err := at(nil, "")
		if err != nil || !s.Unsolicited() || len(s.Redemptions()) != 1 {
			t.Fatalf("%v %v", s, err)
		}
	})
	t.Run("a stolen answer is not unsolicited", func(t *testing.T) {
		_, err := at(nil, request)
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
	t.Run("nor is one that answers around its assertion alone", func(t *testing.T) {
		d := w.idp.Draft(w.sp, "")
		d.Response.CreateAttr("InResponseTo", request)
		_, err := w.verifier.Verify(w.provider, saml.Presented{Response: d.Encoded()})
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
	t.Run("nor is one whose confirmation answers", func(t *testing.T) {
		d := w.idp.Draft(w.sp, "")
		d.Find("SubjectConfirmationData").CreateAttr("InResponseTo", request)
		_, err := w.verifier.Verify(w.provider, saml.Presented{Response: d.Encoded()})
		refused(t, err, federation.CodeSAMLInResponseTo)
	})
}

// T48: what was asked for is verified.
func TestStepUp(t *testing.T) {
	const mfa = "https://refeds.org/profile/mfa"
	w := newWorld()
	w.departure.Contexts = []string{mfa}
	_, err := w.verify(w.idp.Draft(w.sp, request))
	refused(t, err, federation.CodeSAMLAuthnContext)

	// The IdP says that it cannot; to who asked for nothing that is a "no" like any other.
	cannot := w.idp.Draft(w.sp, request)
	cannot.SignResponse = true
	status := cannot.Response.FindElement(".//StatusCode")
	status.CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
	inner := status.CreateElement(status.FullTag())
	inner.CreateAttr("Value", "urn:oasis:names:tc:SAML:2.0:status:NoAuthnContext")
	_, err = w.verify(cannot)
	refused(t, err, federation.CodeSAMLAuthnContext)
	w.departure.Contexts = nil
	_, err = w.verify(cannot)
	refused(t, err, federation.CodeSAMLStatus)
	w.departure.Contexts = []string{mfa}

	d := w.idp.Draft(w.sp, request)
	d.Find("AuthnContextClassRef").SetText(mfa)
	s, err := w.verify(d)
	if err != nil || s.ACR() != mfa { // unmapped: itself, and nothing more
		t.Fatalf("%v %v", s, err)
	}
	w.provider.ACR[mfa] = "phr"
	if s, err = w.verify(d); err != nil || s.ACR() != "phr" || s.AuthnContext() != mfa {
		t.Fatalf("%v %v", s, err)
	}

	w.departure.Forced, w.departure.At = true, noon.Add(40*time.Second)
	late := &saml.Verifier{Now: func() time.Time { return noon.Add(time.Minute) }}
	_, err = late.Verify(w.provider, presentation(w, d.Encoded()))
	refused(t, err, federation.CodeSAMLAuthnStale)
	w.departure.At = noon.Add(20 * time.Second)
	if _, err = late.Verify(w.provider, presentation(w, d.Encoded())); err != nil {
		t.Fatal(err)
	}
}

// Entra: groups left out are not none, and those sent beside the link do not count (T15).
func TestOverage(t *testing.T) {
	const entra = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	for name, test := range map[string]struct {
		make  func(*samltest.Draft)
		state assertion.GroupsState
		count int
	}{
		"none said":             {func(*samltest.Draft) {}, assertion.GroupsAbsent, 0},
		"complete":              {func(d *samltest.Draft) { d.Attribute(entra, "a", "b") }, assertion.GroupsComplete, 2},
		"present and empty":     {func(d *samltest.Draft) { d.Attribute(entra) }, assertion.GroupsComplete, 0},
		"a hundred and fifty":   {func(d *samltest.Draft) { d.Attribute(entra, many(150)...) }, assertion.GroupsComplete, 150},
		"more than Entra sends": {func(d *samltest.Draft) { d.Attribute(entra, many(151)...) }, assertion.GroupsOverage, 0},
		"link": {func(d *samltest.Draft) {
			d.Attribute("http://schemas.microsoft.com/claims/groups.link", "https://graph.windows.net/x")
		}, assertion.GroupsOverage, 0},
		"link and some": {func(d *samltest.Draft) {
			d.Attribute(entra, "a")
			d.Attribute("http://schemas.microsoft.com/claims/groups.link", "https://graph.windows.net/x")
		}, assertion.GroupsOverage, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.provider.IdP.Claims.Groups = entra
			d := w.idp.Draft(w.sp, request)
			test.make(d)
			s, err := w.verify(d)
			if err != nil {
				t.Fatal(err)
			}
			if g := s.Groups(); g.State != test.state || len(g.Values) != test.count {
				t.Errorf("%s with %d", g.State, len(g.Values))
			}
		})
	}
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("g%04d", i)
	}
	return list
}

// What names an account, and what does not (T13).
func TestNames(t *testing.T) {
	const oid = "http://schemas.microsoft.com/identity/claims/objectidentifier"
	for name, test := range map[string]struct {
		make    func(*samltest.Draft)
		subject string
		nameID  string // in sub_id
	}{
		"persistent":            {func(*samltest.Draft) {}, "00u1alice", "00u1alice"},
		"persistent, own space": {func(d *samltest.Draft) { d.Find("NameID").CreateAttr("NameQualifier", d.IdP.EntityID) }, "00u1alice", "00u1alice"},
		"persistent, another space": {func(d *samltest.Draft) {
			d.Find("NameID").CreateAttr("NameQualifier", "https://other.example")
		}, "", "00u1alice"},
		"persistent, another's": {func(d *samltest.Draft) {
			d.Find("NameID").CreateAttr("SPNameQualifier", "https://other.example")
		}, "", "00u1alice"},
		"email":       {func(d *samltest.Draft) { d.Find("NameID").CreateAttr("Format", saml.NameIDEmail) }, "", "00u1alice"},
		"unspecified": {func(d *samltest.Draft) { d.Find("NameID").CreateAttr("Format", saml.NameIDUnspecified) }, "", "00u1alice"},
		"no format":   {func(d *samltest.Draft) { d.Find("NameID").RemoveAttr("Format") }, "", "00u1alice"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			d := w.idp.Draft(w.sp, request)
			test.make(d)
			s, err := w.verify(d)
			if err != nil {
				t.Fatal(err)
			}
			if ids := s.Identifiers(); ids.Subject != test.subject || ids.SubID.Member("nameid") != test.nameID {
				t.Errorf("subject %q, sub_id %s", ids.Subject, ids.SubID.Canonical())
			}
		})
	}
	t.Run("an attribute instead", func(t *testing.T) {
		w := newWorld()
		w.provider.Attributes.Subject = oid
		w.provider.IdP.Assertions.Tenants = []string{"11111111-2222"}
		d := w.idp.Draft(w.sp, request)
		_, err := w.verify(d)
		refused(t, err, federation.CodeSAMLElementMissing)
		d.Attribute(oid, "oid-alice")
		_, err = w.verify(d)
		refused(t, err, federation.CodeTenantMissing)
		d.Attribute("tenantid", "11111111-2222")
		d.Find("NameID").CreateAttr("Format", saml.NameIDTransient)
		s, err := w.verify(d)
		if err != nil {
			t.Fatal(err)
		}
		if ids := s.Identifiers(); ids.Subject != "oid-alice" || !ids.SubID.IsZero() || ids.Tenant != "11111111-2222" {
			t.Errorf("%+v", ids)
		}
	})
}

// people is a directory of two, each linked to one IdP, with one address.
type people map[string]string

func (p people) find(key string) ([]federation.Account, error) {
	if uid, ok := p[key]; ok {
		return []federation.Account{{UID: uid, Status: federation.StatusActive}}, nil
	}
	return nil, nil
}

func (p people) BySubject(_ context.Context, idp *federation.IdentityProvider, tenant, subject string) ([]federation.Account, error) {
	return p.find(idp.UID + " " + tenant + " " + subject)
}

func (p people) BySubjectID(_ context.Context, idp *federation.IdentityProvider, tenant, canonical string) ([]federation.Account, error) {
	return p.find(idp.UID + " " + tenant + " " + canonical)
}

func (p people) ByID(context.Context, string) ([]federation.Account, error) { return nil, nil }

func (p people) ByEmail(_ context.Context, email string) ([]federation.Account, error) {
	return p.find(email)
}
func (p people) IdPs(context.Context, string) ([]string, error) { return []string{"idp_oidc"}, nil }

// T32: the same address at two IdPs is two people; federation.Resolve works on what
// is said here.
func TestResolve(t *testing.T) {
	w := newWorld()
	s, err := w.verify(w.idp.Draft(w.sp, request))
	if err != nil {
		t.Fatal(err)
	}
	idp := w.provider.IdP
	idp.Subject.Match = append(idp.Subject.Match, federation.MatchEmail)
	idp.Subject.EmailDomains = []string{"acme.example"}
	_, err = federation.Resolve(t.Context(), people{"alice@acme.example": "usr_oidc_alice"}, idp, s.Identifiers())
	refused(t, err, federation.CodeSubjectUnmatched)

	linked := people{"idp_1  " + s.Identifiers().SubID.Canonical(): "usr_alice"}
	found, err := federation.Resolve(t.Context(), linked, idp, s.Identifiers())
	if err != nil || found.Account.UID != "usr_alice" {
		t.Fatalf("%+v %v", found, err)
	}
	idp.Subject.Match = []federation.MatchBy{federation.MatchSubjectID, federation.MatchSubject}
	found, err = federation.Resolve(t.Context(), people{}, idp, s.Identifiers())
	if err != nil || found.Provision == nil || found.Provision.Subject != "00u1alice" {
		t.Fatalf("%+v %v", found, err)
	}
	idp.Assertions.SAMLEntityIDs, idp.Subject.Provision = nil, false
	_, err = federation.Resolve(t.Context(), linked, idp, s.Identifiers())
	refused(t, err, federation.CodeSAMLSubID)
}

// A check that would be empty is a mistake of the caller's, and nothing passes.
func TestIncomplete(t *testing.T) {
	w := newWorld()
	encoded := w.idp.Draft(w.sp, request).Encoded()
	for name, change := range map[string]func(*saml.Provider){
		"no entry":           func(p *saml.Provider) { p.IdP = nil },
		"no uid":             func(p *saml.Provider) { p.IdP = &federation.IdentityProvider{} },
		"no entity id":       func(p *saml.Provider) { p.EntityID = "" },
		"no certificate":     func(p *saml.Provider) { p.Certificates = nil },
		"nil certificate":    func(p *saml.Provider) { p.Certificates[0] = nil },
		"no own entity id":   func(p *saml.Provider) { p.Self.EntityID = "" },
		"no acs":             func(p *saml.Provider) { p.Self.ACS = "" },
		"one entity id":      func(p *saml.Provider) { p.Self.EntityID = p.EntityID },
		"no signing key":     func(p *saml.Provider) { p.Self.Signing = nil },
		"negative age":       func(p *saml.Provider) { p.MaxAge = -1 },
		"loopback":           func(p *saml.Provider) { p.SignOn[0].Location = "http://127.0.0.1/sso" },
		"javascript":         func(p *saml.Provider) { p.SignOn[0].Location = "javascript:alert(1)" },
		"plain http":         func(p *saml.Provider) { p.Logout[0].ResponseLocation = "http://idp.example/" },
		"key without a key":  func(p *saml.Provider) { p.Self.Decryption[0].Decrypter = nil },
		"signer without one": func(p *saml.Provider) { p.Self.Signing[0].Signer = nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld().provider
			change(p)
			if p.Validate() == nil {
				t.Error("validates")
			}
			if _, err := w.verifier.Verify(p, presentation(w, encoded)); !errors.Is(err, saml.ErrIncomplete) {
				t.Errorf("%v", err)
			}
			if _, err := saml.NewRegistry([]*saml.Provider{p}); err == nil {
				t.Error("is registered")
			}
		})
	}
	if _, err := (&saml.Verifier{}).Verify(w.provider, presentation(w, encoded)); !errors.Is(err, saml.ErrIncomplete) {
		t.Errorf("no clock: %v", err)
	}
	if _, err := w.verifier.Verify(nil, presentation(w, encoded)); !errors.Is(err, saml.ErrIncomplete) {
		t.Errorf("no provider: %v", err)
	}
}

func TestNothingIsLogged(t *testing.T) {
	w := newWorld()
	encoded := w.idp.Draft(w.sp, request).Encoded()
	s, err := w.verifier.Verify(w.provider, presentation(w, encoded))
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", presentation(w, encoded), presentation(w, encoded), presentation(w, encoded), s)
	if strings.Contains(printed, encoded[:40]) || strings.Contains(printed, "alice") {
		t.Error(printed)
	}
	if _, err := w.verifier.Verify(w.provider, presentation(w, encoded[4:])); strings.Contains(err.Error(), encoded[8:40]) {
		t.Error(err)
	}
}
