package diagnose

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/saml"
)

// The checks of sign-in by SAML.
const (
	CheckSAMLMetadata     = "saml metadata"
	CheckSAMLPending      = "saml metadata change"
	CheckSAMLCertificates = "saml certificates"
	CheckSAMLSignOn       = "saml sign-on"
	CheckSAMLLogout       = "saml logout"
	CheckSAMLRequests     = "saml requests"
	CheckSAMLEncryption   = "saml encryption"
	CheckSAMLClock        = "saml clock"
)

// CodeMetadataPending says that a SAML IdP's metadata changed, and an administrator has not looked yet.
const CodeMetadataPending federation.Code = "saml_metadata_pending"

// SAMLStanding is what is known of a SAML IdP.
type SAMLStanding struct {
	Self     saml.ServiceProvider
	Provider *saml.Provider // nil: nothing that it says can be verified
	Source   string         // the metadata's address, "" where the entry holds what is known
	Checked  time.Time      // the IdP's last good answer
	Failure  string         // why its last answer was none
	Pending  []saml.Change  // what waits for an administrator
	Digest   string         // of what waits
}

// SAML tells how sign-in at a SAML IdP stands. It asks nobody: metadata is asked for daily.
func (t Tester) SAML(r *Report, s SAMLStanding) {
	r.give("SP entity ID (audience)", s.Self.EntityID)
	r.give("Assertion consumer service (ACS, reply) URL", s.Self.ACS)
	r.give("SP metadata URL", strings.TrimSuffix(s.Self.ACS, "/acs")+"/metadata")
	if s.Self.SLO != "" {
		r.give("Single logout URL", s.Self.SLO)
	}
	t.samlMetadata(r, s)
	if s.Provider == nil {
		r.skip(earlier, CheckSAMLCertificates, CheckSAMLSignOn, CheckSAMLLogout, CheckSAMLRequests, CheckSAMLEncryption)
	} else {
		r.add(certificatesRow(s.Provider.Certificates, t.Now()))
		samlEndpoints(r, s.Provider)
		t.samlKeys(r, s.Provider)
	}
	r.skip("a SAML IdP has no clock that can be asked: its responses tell, and are forgiven assertions.clock_skew", CheckSAMLClock)
}

func (t Tester) samlMetadata(r *Report, s SAMLStanding) {
	const change = "chancery idp metadata shows what the address says; or write the document into saml.metadata"
	switch {
	case s.Provider == nil:
		r.add(Row{Check: CheckSAMLMetadata, Status: Fail, Code: federation.CodeSAMLMetadata, Seen: or(s.Failure, "nothing is in use"), Expected: "metadata with a certificate and a place to sign on", Change: change})
	case s.Source == "":
		r.pass(CheckSAMLMetadata, s.Provider.EntityID+", from the entry", "")
	case s.Failure != "":
		r.add(Row{
			Check: CheckSAMLMetadata, Status: Warn, Code: federation.CodeSAMLMetadata, Seen: s.Failure, Expected: "the document at " + s.Source, Change: change,
			Notes: []string{"what it said at " + stamp(s.Checked) + " stays in use"},
		})
	default:
		r.pass(CheckSAMLMetadata, s.Provider.EntityID+", read "+stamp(s.Checked), "")
	}
	if len(s.Pending) == 0 {
		return
	}
	r.add(Row{
		Check: CheckSAMLPending, Status: Warn, Code: CodeMetadataPending, Seen: fmt.Sprintf("%d changes wait", len(s.Pending)), Expected: "that an administrator accepts them, or asks the IdP",
		Change: "compare them with what the IdP's administrators say, then: chancery idp metadata " + r.IdP + " --accept " + s.Digest, Notes: ChangeLines(s.Pending),
	})
}

// ChangeLines says changes of metadata as people read them.
func ChangeLines(changes []saml.Change) []string {
	var lines []string
	for _, c := range changes {
		before, after := strings.FieldsFunc(c.Before, isSeparator), strings.FieldsFunc(c.After, isSeparator)
		for _, gone := range missing(before, after) {
			lines = append(lines, "- "+c.Field+" "+clip(gone))
		}
		for _, come := range missing(after, before) {
			lines = append(lines, "+ "+c.Field+" "+clip(come))
		}
	}
	return lines
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' }

func missing(from, in []string) []string {
	return slices.DeleteFunc(slices.Clone(from), func(s string) bool { return slices.Contains(in, s) })
}

// CertificateLine names a certificate and when it ends.
func CertificateLine(c *x509.Certificate, now time.Time) string {
	days := int(c.NotAfter.Sub(now).Hours() / 24)
	when := fmt.Sprintf("%d days left", days)
	if !now.Before(c.NotAfter) {
		when = "ended"
	}
	return fmt.Sprintf("%s  %s  until %s, %s", saml.Fingerprint(c)[:16], clip(c.Subject.String()), stamp(c.NotAfter), when)
}

func certificatesRow(certificates []*x509.Certificate, now time.Time) Row {
	row := Row{Check: CheckSAMLCertificates, Status: Pass, Seen: fmt.Sprintf("%d pinned", len(certificates)), Expected: "one that is valid now, with RSA of 2048 bits or more, or ECDSA"}
	alive := 0
	for _, c := range certificates {
		row.Notes = append(row.Notes, CertificateLine(c, now))
		if now.Before(c.NotAfter) && !now.Before(c.NotBefore) {
			alive++
		}
	}
	expiries := saml.Expiries(certificates, now)
	switch {
	case alive == 0:
		row.Status, row.Code, row.Seen, row.Change = Fail, CodeCertExpired, "none is valid now", "take over the IdP's new metadata: chancery idp metadata"
	case len(expiries) > 0:
		row.Status, row.Code, row.Change = Warn, CodeCertExpiring, "ask the IdP's administrators when they roll over; both certificates can be in use at once"
	}
	return row
}

func samlEndpoints(r *Report, p *saml.Provider) {
	lines := func(endpoints []saml.Endpoint) []string {
		var list []string
		for _, e := range endpoints {
			list = append(list, e.Binding[strings.LastIndexByte(e.Binding, ':')+1:]+" "+e.Location)
		}
		return list
	}
	if len(p.SignOn) == 0 {
		r.add(Row{Check: CheckSAMLSignOn, Status: Fail, Code: federation.CodeSAMLMetadata, Seen: "no place to sign on", Expected: "HTTP-Redirect or HTTP-POST", Change: "set saml.sso_url, or give metadata that has one"})
	} else {
		r.pass(CheckSAMLSignOn, strings.Join(lines(p.SignOn), ", "), "HTTP-Redirect or HTTP-POST")
	}
	if len(p.Logout) == 0 {
		r.skip("the IdP has none: who signs out here stays signed in there, and the other way round", CheckSAMLLogout)
	} else {
		r.pass(CheckSAMLLogout, strings.Join(lines(p.Logout), ", "), "signed")
	}
}

// samlKeys tells of our own certificates, which the IdP may have been given by hand.
func (t Tester) samlKeys(r *Report, p *saml.Provider) {
	if !p.SignRequests {
		r.skip("saml.sign_requests is false", CheckSAMLRequests)
	} else {
		row := Row{Check: CheckSAMLRequests, Status: Pass, Seen: "signed", Expected: "the IdP has our certificate, where it checks requests"}
		for _, key := range p.Self.Signing {
			row.Notes = append(row.Notes, CertificateLine(key.Certificate, t.Now()))
		}
		r.add(row)
	}
	if len(p.Self.Decryption) == 0 {
		r.skip("saml.wants_encrypted is false: assertions travel readable to the person's own browser", CheckSAMLEncryption)
		return
	}
	row := Row{Check: CheckSAMLEncryption, Status: Pass, Seen: "our metadata has a key", Expected: "RSA-OAEP and AES-GCM"}
	for _, key := range p.Self.Decryption {
		row.Notes = append(row.Notes, CertificateLine(key.Certificate, t.Now()))
	}
	r.add(row)
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
