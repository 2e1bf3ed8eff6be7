package samltest

import (
	"slices"

	"github.com/chancery-dev/chancery/federation"
)

// Attack begins with a valid response and breaks one thing in it.
type Attack struct {
	Name    string
	Section string // of the standard, a CVE, or a row of docs/threats.md
	Make    func(d *Draft)
	Code    federation.Code // "" for what must be accepted
}

// Attacks are responses that must be refused, each with its code. They expect an
// entry with groups, email and tenants as Draft sends them, and a departure.
func Attacks() []Attack {
	return slices.Concat(wrappings(), differentials(), bombs(), absences(), algorithms(), signatures(), encryptions(), conditions(), confirmations(), subjects(), envelopes(), attributes())
}

// Variations must be accepted.
func Variations() []Attack {
	return []Attack{
		{"untouched", "SAML profiles §4.1.4", func(*Draft) {}, ""},
		{"response_signed_only", "SAML profiles §4.1.3.5", func(d *Draft) { d.SignAssertion, d.SignResponse = false, true }, ""},
		{"both_signed", "SAML profiles §4.1.3.5", func(d *Draft) { d.SignResponse = true }, ""},
		{"no_prefix_list", "exc-c14n §4", func(d *Draft) { d.AssertionSignature.PrefixList = "" }, ""},
		{"no_key_info", "XML Signature §4.4", func(d *Draft) { d.AssertionSignature.KeyInfo = nil }, ""},
		{"key_info_of_somebody", "T29: it is not looked at", func(d *Draft) { d.AssertionSignature.KeyInfo = foreign(d) }, ""},
		{"sha512", "XML Signature 1.1 §6", func(d *Draft) { d.AssertionSignature.Method, d.AssertionSignature.Digest = RSASHA512, SHA512 }, ""},
		{"encrypted_gcm128_oaep", "XML Encryption 1.1 §5.5", encrypted(AES128GCM, OAEPMGF1P, ""), ""},
		{"encrypted_gcm256_oaep11", "XML Encryption 1.1 §5.5", encrypted(AES256GCM, OAEP11, SHA256), ""},
		{"encrypted_key_beside", "SAML core §2.2.4", func(d *Draft) { d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P, Beside: true} }, ""},
		{"encrypted_and_both_signed", "SAML profiles §4.1.3.5", func(d *Draft) {
			d.SignResponse = true
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P}
		}, ""},
		{"encrypted_response_signed_only", "SAML profiles §4.1.3.5", func(d *Draft) {
			d.SignAssertion, d.SignResponse = false, true
			d.Encrypt = &Encryption{Block: AES128GCM, Transport: OAEPMGF1P}
		}, ""},
		{"one_time_use", "SAML core §2.5.1.5", func(d *Draft) { d.Find("Conditions").CreateElement("saml:OneTimeUse") }, ""},
		{"audiences_with_ours", "SAML core §2.5.1.4", func(d *Draft) {
			d.Find("AudienceRestriction").CreateElement("saml:Audience").SetText("https://other.example")
		}, ""},
		{"declaration_and_space", "XML §2.8", raw(func(b []byte) []byte { return append([]byte("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"), b...) }), ""},
		{"status_message", "SAML core §3.2.2", func(d *Draft) {
			d.Response.FindElement("./Status").CreateElement("samlp:StatusMessage").SetText("welcome")
		}, ""},
		{"attributes_before_statement", "SAML core §2.3.3", func(d *Draft) {
			statement := d.Find("AttributeStatement")
			d.Assertion.InsertChildAt(d.Find("AuthnStatement").Index(), statement)
		}, ""},
		{"name_qualified", "SAML core §8.3.7", func(d *Draft) {
			d.Find("NameID").CreateAttr("NameQualifier", d.IdP.EntityID)
			d.Find("NameID").CreateAttr("SPNameQualifier", d.SP.EntityID)
		}, ""},
		{"no_session_end", "SAML core §2.7.2", func(d *Draft) { d.Find("AuthnStatement").RemoveAttr("SessionNotOnOrAfter") }, ""},
		{"nil_value", "SAML core §2.7.3.1.1", func(d *Draft) {
			d.Attribute("empty")
			v := d.Find("AttributeStatement").ChildElements()[2].CreateElement("saml:AttributeValue")
			v.CreateAttr("xsi:nil", "true")
		}, ""},
	}
}

// The small vocabulary of the tables.

func raw(change func([]byte) []byte) func(*Draft) { return func(d *Draft) { d.Raw = change } }

func encrypted(block, transport, digest string) func(*Draft) {
	return func(d *Draft) { d.Encrypt = &Encryption{Block: block, Transport: transport, Digest: digest} }
}
