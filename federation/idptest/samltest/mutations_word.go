package samltest

import (
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
)

// absences strip each element that is required, and sign what is left (T26, M5).
func absences() []Attack {
	missing := federation.CodeSAMLElementMissing
	without := func(name, section string) Attack {
		return Attack{"without_" + name, section, func(d *Draft) { d.Remove(name) }, missing}
	}
	unset := func(element, attribute string, code federation.Code) Attack {
		return Attack{"without_" + attribute + "_of_" + element, "T26", func(d *Draft) { d.Find(element).RemoveAttr(attribute) }, code}
	}
	return []Attack{
		without("Subject", "T26"), without("SubjectConfirmation", "M5"), without("SubjectConfirmationData", "M5"),
		without("Conditions", "T26"), without("AudienceRestriction", "T26"), without("AuthnStatement", "SAML profiles §4.1.4.2"),
		without("AuthnContextClassRef", "SAML core §2.7.2.2"),
		{"without_Audience", "T26", func(d *Draft) { d.Remove("Audience") }, malformed},
		{"without_AuthnContext", "SAML core §2.7.2", func(d *Draft) { d.Remove("AuthnContext") }, malformed},
		{"without_NameID", "M5", func(d *Draft) { d.Remove("NameID") }, federation.CodeSAMLNameID},
		{"empty_subject", "M5", func(d *Draft) { d.Find("Subject").Child = nil }, missing},
		{"empty_conditions", "M5", func(d *Draft) { d.Find("Conditions").Child = nil }, missing},
		{"empty_assertion", "M5", func(d *Draft) { d.Assertion.Child = d.Assertion.Child[:1] }, missing},
		unset("Conditions", "NotBefore", missing), unset("Conditions", "NotOnOrAfter", missing),
		unset("SubjectConfirmationData", "NotOnOrAfter", missing), unset("SubjectConfirmationData", "Recipient", missing),
		unset("SubjectConfirmationData", "InResponseTo", federation.CodeSAMLInResponseTo),
		unset("SubjectConfirmation", "Method", federation.CodeSAMLConfirmation), unset("AuthnStatement", "AuthnInstant", missing),
		{"without_Issuer", "SAML core §2.3.3", func(d *Draft) { d.Remove("Issuer") }, form},
		{"without_Issuer_response_signed", "SAML core §2.3.3", func(d *Draft) {
			d.SignAssertion, d.SignResponse = false, true
			d.Remove("Issuer")
		}, missing},
		{"without_ID", "SAML core §2.3.3", func(d *Draft) { d.Assertion.RemoveAttr("ID") }, form},
		{"without_IssueInstant", "SAML core §2.3.3", func(d *Draft) { d.Assertion.RemoveAttr("IssueInstant") }, missing},
		{"without_Version", "SAML core §2.3.3", func(d *Draft) { d.Assertion.RemoveAttr("Version") }, malformed},
		{"version_1_1_of_assertion", "SAML core §2.3.3", func(d *Draft) { d.Assertion.CreateAttr("Version", "1.1") }, malformed},
		{"no_assertion", "SAML core §3.3.3", func(d *Draft) {
			d.After = func(root *etree.Element) { root.RemoveChild(root.FindElement("./Assertion")) }
		}, count},
	}
}

// algorithms are those that are not on the list (T29).
func algorithms() []Attack {
	refused := federation.CodeSAMLAlgorithm
	set := func(name, section string, change func(*Signature)) Attack {
		return Attack{name, section, func(d *Draft) { change(&d.AssertionSignature) }, refused}
	}
	return []Attack{
		set("rsa_sha1", "T29", func(s *Signature) { s.Method = RSASHA1 }),
		set("digest_sha1", "T29", func(s *Signature) { s.Digest = SHA1 }),
		set("hmac_with_certificate", "T29", func(s *Signature) { s.Method, s.Secret = HMACSHA256, s.KeyInfo.Raw }),
		set("dsa_sha1", "T29", func(s *Signature) { s.Method = "http://www.w3.org/2000/09/xmldsig#dsa-sha1" }),
		set("rsa_md5", "T29", func(s *Signature) { s.Method = "http://www.w3.org/2001/04/xmldsig-more#rsa-md5" }),
		set("method_unknown", "T29", func(s *Signature) { s.Method = "urn:example:none" }),
		set("method_in_upper_case", "T29", func(s *Signature) { s.Method = strings.ToUpper(RSASHA256) }),
		set("digest_unknown", "T29", func(s *Signature) { s.Digest = "urn:example:none" }),
		set("canonical_with_comments", "T24", func(s *Signature) { s.Canonical = ExcC14N + "WithComments" }),
		set("canonical_inclusive", "T29", func(s *Signature) { s.Canonical = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" }),
		set("canonical_unknown", "T29", func(s *Signature) { s.Canonical = "urn:example:none" }),
		set("transform_xslt", "T29", func(s *Signature) { s.Transforms = append(s.Transforms, "http://www.w3.org/TR/1999/REC-xslt-19991116") }),
		set("transform_xpath", "T29", func(s *Signature) {
			s.Transforms = []string{"http://www.w3.org/TR/1999/REC-xpath-19991116", ExcC14N}
		}),
		set("transform_xpath_filter", "T29", func(s *Signature) {
			s.Transforms = []string{Enveloped, "http://www.w3.org/2002/06/xmldsig-filter2"}
		}),
		set("transform_base64", "T29", func(s *Signature) { s.Transforms = []string{Enveloped, namespace + "base64"} }),
		set("transforms_swapped", "CVE-2025-23369", func(s *Signature) { s.Transforms = []string{ExcC14N, Enveloped} }),
		set("transform_enveloped_only", "T29", func(s *Signature) { s.Transforms = []string{Enveloped} }),
		set("transform_canonical_only", "T29", func(s *Signature) { s.Transforms = []string{ExcC14N} }),
		set("transform_with_comments", "T24", func(s *Signature) { s.Transforms = []string{Enveloped, ExcC14N + "WithComments"} }),
		set("transform_inclusive", "T29", func(s *Signature) {
			s.Transforms = []string{Enveloped, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"}
		}),
		set("transforms_nine", "T25", func(s *Signature) { s.Transforms = append(s.Transforms, ExcC14N, ExcC14N, ExcC14N) }),
	}
}

// signatures are of another form, or of somebody else.
func signatures() []Attack {
	inside := func(name, section string, code federation.Code, change func(info *etree.Element)) Attack {
		return Attack{name, section, func(d *Draft) { d.AssertionSignature.BeforeSigning = change }, code}
	}
	outside := func(name, section string, code federation.Code, change func(signature *etree.Element)) Attack {
		return Attack{name, section, func(d *Draft) { d.AssertionSignature.Change = change }, code}
	}
	return []Attack{
		{"own_key_in_key_info", "T29", func(d *Draft) {
			d.AssertionSignature.Key, d.AssertionSignature.KeyInfo = RSAKey(1), foreign(d)
		}, invalid},
		{"own_key_under_the_idps_certificate", "T29", func(d *Draft) { d.AssertionSignature.Key = RSAKey(1) }, invalid},
		inside("two_references", "T21", form, func(info *etree.Element) { info.AddChild(info.FindElement("./Reference").Copy()) }),
		inside("no_reference", "T21", form, func(info *etree.Element) { info.RemoveChild(info.FindElement("./Reference")) }),
		inside("reference_to_document", "SAML core §5.4.2", form, func(info *etree.Element) { info.FindElement("./Reference").CreateAttr("URI", "") }),
		inside("reference_without_uri", "SAML core §5.4.2", form, func(info *etree.Element) { info.FindElement("./Reference").RemoveAttr("URI") }),
		inside("reference_to_another", "SAML core §5.4.2", form, func(info *etree.Element) { info.FindElement("./Reference").CreateAttr("URI", "#_other") }),
		inside("reference_outside", "T16", form, func(info *etree.Element) {
			info.FindElement("./Reference").CreateAttr("URI", "http://169.254.169.254/")
		}),
		inside("reference_xpointer", "T21", form, func(info *etree.Element) { info.FindElement("./Reference").CreateAttr("URI", "#xpointer(/)") }),
		inside("two_digest_values", "T21", form, func(info *etree.Element) {
			r := info.FindElement("./Reference")
			r.AddChild(r.FindElement("./DigestValue").Copy())
		}),
		inside("comment_in_digest", "CVE-2025-29775", malformed, func(info *etree.Element) {
			info.FindElement(".//DigestValue").AddChild(etree.NewComment("x"))
		}),
		inside("no_transforms", "T29", form, func(info *etree.Element) {
			info.FindElement("./Reference").RemoveChild(info.FindElement(".//Transforms"))
		}),
		inside("xslt_in_transform", "T29", form, func(info *etree.Element) {
			info.FindElement(".//Transforms").ChildElements()[0].CreateElement("ds:XPath").SetText("1")
		}),
		inside("hmac_output_length", "CVE-2009-0217", form, func(info *etree.Element) {
			info.FindElement("./SignatureMethod").CreateElement("ds:HMACOutputLength").SetText("1")
		}),
		inside("digest_wrong", "T21", invalid, func(info *etree.Element) { info.FindElement(".//DigestValue").SetText("AAAA") }),
		inside("digest_empty", "void canonicalization", invalid, func(info *etree.Element) {
			info.FindElement(".//DigestValue").SetText("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
		}),
		outside("two_signed_infos", "CVE-2025-29774", form, func(s *etree.Element) { s.InsertChildAt(0, s.FindElement("./SignedInfo").Copy()) }),
		outside("signed_info_last", "XML Signature §4.1", form, func(s *etree.Element) {
			info := s.FindElement("./SignedInfo")
			s.RemoveChild(info)
			s.AddChild(info)
		}),
		outside("two_values", "T21", form, func(s *etree.Element) { s.InsertChildAt(2, s.FindElement("./SignatureValue").Copy()) }),
		outside("no_value", "T21", form, func(s *etree.Element) { s.RemoveChild(s.FindElement("./SignatureValue")) }),
		outside("value_empty", "T21", invalid, func(s *etree.Element) { s.FindElement("./SignatureValue").SetText("") }),
		outside("value_changed", "T21", invalid, func(s *etree.Element) { s.FindElement("./SignatureValue").SetText("AAAA") }),
		outside("value_not_base64", "T21", invalid, func(s *etree.Element) { s.FindElement("./SignatureValue").SetText("!") }),
		outside("object", "T21", form, func(s *etree.Element) { s.CreateElement("ds:Object") }),
		outside("signed_info_changed", "T21", invalid, func(s *etree.Element) { s.FindElement(".//DigestValue").SetText("AAAA") }),
		{"expired_certificate", "SAML metadata §2.4.1.1", func(d *Draft) {
			key := RSAKey(2)
			d.AssertionSignature.Key = key
		}, federation.CodeSAMLCertificateExpired},
	}
}

// encryptions: one answer, whatever is wrong (T30).
func encryptions() []Attack {
	refused := federation.CodeSAMLDecryption
	broken := func(name string, change func(*Encryption)) Attack {
		return Attack{name, "T30", func(d *Draft) {
			e := &Encryption{Block: AES256GCM, Transport: OAEPMGF1P}
			change(e)
			d.Encrypt = e
		}, refused}
	}
	inside := func(path, attribute, value string) func(*Encryption) {
		return func(e *Encryption) {
			e.Change = func(el *etree.Element) { el.FindElement(path).CreateAttr(attribute, value) }
		}
	}
	return []Attack{
		{"cbc128", "T30", encrypted(AES128CBC, OAEPMGF1P, ""), refused},
		{"cbc256", "T30", encrypted(AES256CBC, OAEPMGF1P, ""), refused},
		{"triple_des", "T30", encrypted(TripleDES, OAEPMGF1P, ""), refused},
		{"pkcs1v15", "T30", encrypted(AES256GCM, PKCS1v15, ""), refused},
		{"pkcs1v15_cbc", "T30", encrypted(AES128CBC, PKCS1v15, ""), refused},
		broken("cbc_called_gcm", func(e *Encryption) {
			e.Block = AES256CBC
			e.Change = func(el *etree.Element) {
				el.FindElement("./EncryptedData/EncryptionMethod").CreateAttr("Algorithm", AES256GCM)
			}
		}),
		broken("pkcs1v15_called_oaep", func(e *Encryption) {
			e.Transport = PKCS1v15
			e.Change = func(el *etree.Element) {
				el.FindElement(".//EncryptedKey/EncryptionMethod").CreateAttr("Algorithm", OAEPMGF1P)
			}
		}),
		broken("key_size_of_another", inside("./EncryptedData/EncryptionMethod", "Algorithm", AES128GCM)),
		broken("block_unknown", inside("./EncryptedData/EncryptionMethod", "Algorithm", "urn:example:none")),
		broken("transport_unknown", inside(".//EncryptedKey/EncryptionMethod", "Algorithm", "urn:example:none")),
		broken("oaep_digest_unknown", func(e *Encryption) { e.Digest = "http://www.w3.org/2001/04/xmldsig-more#md5" }),
		broken("tag_wrong", func(e *Encryption) { e.Wrong = func(_, c []byte) { c[len(c)-1] ^= 1 } }),
		broken("nonce_wrong", func(e *Encryption) { e.Wrong = func(_, c []byte) { c[0] ^= 1 } }),
		broken("session_key_wrong", func(e *Encryption) { e.Wrong = func(s, _ []byte) { s[0] ^= 1 } }),
		broken("wrapped_key_short", func(e *Encryption) {
			e.Change = func(el *etree.Element) { el.FindElement(".//EncryptedKey//CipherValue").SetText("AAAA") }
		}),
		broken("ciphertext_short", func(e *Encryption) {
			e.Change = func(el *etree.Element) { el.FindElement("./EncryptedData/CipherData/CipherValue").SetText("AAAA") }
		}),
		broken("ciphertext_reference", func(e *Encryption) {
			e.Change = func(el *etree.Element) {
				el.FindElement("./EncryptedData/CipherData").Child = nil
				el.FindElement("./EncryptedData/CipherData").CreateElement("xenc:CipherReference").CreateAttr("URI", "http://169.254.169.254/")
			}
		}),
		broken("two_keys", func(e *Encryption) {
			e.Change = func(el *etree.Element) { el.AddChild(el.FindElement(".//EncryptedKey").Copy()) }
		}),
		broken("no_key", func(e *Encryption) {
			e.Change = func(el *etree.Element) {
				info := el.FindElement(".//KeyInfo")
				info.Parent().RemoveChild(info)
			}
		}),
		{"for_another_key", "T30", func(d *Draft) {
			d.SP.Certificate = foreign(d)
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P}
		}, refused},
		{"encrypted_unsigned", "SAML profiles §4.1.3.5", func(d *Draft) {
			d.SignAssertion = false
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P}
		}, federation.CodeSAMLUnsigned},
		{"encrypted_other_element", "T22", func(d *Draft) {
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P, Plain: func([]byte) []byte {
				return []byte(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>`)
			}}
		}, malformed},
		{"encrypted_comment", "T24", func(d *Draft) {
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P, Plain: func(b []byte) []byte { return append(b, "<!-- -->"...) }}
		}, malformed},
		{"encrypted_two", "T22", func(d *Draft) {
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P, Plain: func(b []byte) []byte { return append(b, b...) }}
		}, malformed},
		{"encrypted_nested", "T22", func(d *Draft) {
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P, Plain: func(b []byte) []byte {
				return []byte(strings.Replace(string(b), "</saml:Subject>", `</saml:Subject><saml:Assertion ID="_x"/>`, 1))
			}}
		}, count},
		{"encrypted_forged", "T21", func(d *Draft) {
			d.AssertionSignature.Key = RSAKey(1)
			d.Encrypt = &Encryption{Block: AES256GCM, Transport: OAEPMGF1P}
		}, invalid},
	}
}

// conditions: times and audiences, each signed by the IdP itself.
func conditions() []Attack {
	expired, early, skew := federation.CodeAssertionExpired, federation.CodeAssertionNotYetValid, federation.CodeClockSkew
	at := func(name, element, attribute string, offset time.Duration, code federation.Code) Attack {
		return Attack{name, "SAML core §2.5.1", func(d *Draft) {
			el := d.Assertion
			if element != "Assertion" {
				el = d.Find(element)
			}
			el.CreateAttr(attribute, stamp(d.IdP.Now().Add(offset)))
		}, code}
	}
	text := func(name, element, attribute, value string) Attack {
		return Attack{name, "SAML core §1.3.3", func(d *Draft) { d.Find(element).CreateAttr(attribute, value) }, malformed}
	}
	return []Attack{
		at("conditions_over", "Conditions", "NotOnOrAfter", -31*time.Second, expired),
		at("conditions_over_at_the_moment", "Conditions", "NotOnOrAfter", -30*time.Second, expired),
		at("conditions_to_come", "Conditions", "NotBefore", 31*time.Second, early),
		{"conditions_backwards", "SAML core §2.5.1.2", func(d *Draft) {
			d.Find("Conditions").CreateAttr("NotBefore", stamp(d.IdP.Now().Add(10*time.Second)))
			d.Find("Conditions").CreateAttr("NotOnOrAfter", stamp(d.IdP.Now().Add(10*time.Second)))
		}, skew},
		at("confirmation_over", "SubjectConfirmationData", "NotOnOrAfter", -31*time.Second, expired),
		at("issued_in_future", "Assertion", "IssueInstant", 31*time.Second, skew),
		at("issued_in_2286", "Assertion", "IssueInstant", 260*365*24*time.Hour, skew),
		at("issued_long_ago", "Assertion", "IssueInstant", -6*time.Minute, expired),
		at("signed_in_in_future", "AuthnStatement", "AuthnInstant", 31*time.Second, skew),
		at("session_over", "AuthnStatement", "SessionNotOnOrAfter", -time.Second, federation.CodeSAMLAuthnStale),
		text("time_with_zone", "Conditions", "NotOnOrAfter", "2026-01-01T00:00:00+02:00"),
		text("time_without_zone", "Conditions", "NotOnOrAfter", "2026-01-01T00:00:00"),
		text("time_empty", "Conditions", "NotOnOrAfter", ""),
		text("time_number", "Conditions", "NotOnOrAfter", "1767225600"),
		text("time_year_10000", "Conditions", "NotOnOrAfter", "10000-01-01T00:00:00Z"),
		text("confirmation_time_empty", "SubjectConfirmationData", "NotOnOrAfter", ""),
		text("sign_in_time_empty", "AuthnStatement", "AuthnInstant", ""),
		{"audience_other", "T27", func(d *Draft) { d.Find("Audience").SetText("https://other.example") }, federation.CodeSAMLAudience},
		{"audience_with_slash", "T27", func(d *Draft) { d.Find("Audience").SetText(d.SP.EntityID + "/") }, federation.CodeSAMLAudience},
		{"audience_in_upper_case", "T27", func(d *Draft) { d.Find("Audience").SetText(strings.ToUpper(d.SP.EntityID)) }, federation.CodeSAMLAudience},
		{"audience_with_space", "T27", func(d *Draft) { d.Find("Audience").SetText(" " + d.SP.EntityID) }, malformed},
		{"audience_empty", "T27", func(d *Draft) { d.Find("Audience").SetText("") }, malformed},
		{"second_restriction_without_us", "SAML core §2.5.1.4", func(d *Draft) {
			other := d.Find("AudienceRestriction").Copy()
			other.FindElement("./Audience").SetText("https://other.example")
			d.Find("Conditions").AddChild(other)
		}, federation.CodeSAMLAudience},
		{"condition_unknown", "SAML core §2.5.1.1", func(d *Draft) { d.Find("Conditions").CreateElement("saml:Condition").CreateAttr("xsi:type", "xs:x") }, malformed},
	}
}

// confirmations: T26, T27, M5.
func confirmations() []Attack {
	confirmation := federation.CodeSAMLConfirmation
	set := func(name, section, element, attribute, value string, code federation.Code) Attack {
		return Attack{name, section, func(d *Draft) { d.Find(element).CreateAttr(attribute, value) }, code}
	}
	return []Attack{
		set("holder_of_key", "M5", "SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key", confirmation),
		set("sender_vouches", "M5", "SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches", confirmation),
		set("confirmation_method_in_upper_case", "SAML profiles §3.3", "SubjectConfirmation", "Method", "urn:oasis:names:tc:SAML:2.0:cm:BEARER", confirmation),
		{"holder_of_key_beside_bearer", "M5", func(d *Draft) {
			other := d.Find("SubjectConfirmation").Copy()
			other.CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key")
			d.Find("Subject").AddChild(other)
		}, confirmation},
		{"two_bearers", "SAML profiles §4.1.4.2", func(d *Draft) { d.Find("Subject").AddChild(d.Find("SubjectConfirmation").Copy()) }, confirmation},
		{"key_in_confirmation", "SAML profiles §3.1", func(d *Draft) {
			d.Find("SubjectConfirmationData").CreateElement("ds:KeyInfo").CreateAttr("xmlns:ds", namespace)
		}, confirmation},
		{"another_subject_in_confirmation", "SAML core §2.4.1.1", func(d *Draft) {
			name := etree.NewElement("saml:NameID")
			name.SetText("00u2bob")
			d.Find("SubjectConfirmation").InsertChildAt(0, name)
		}, confirmation},
		set("confirmation_not_before", "SAML profiles §4.1.4.2", "SubjectConfirmationData", "NotBefore", "2026-01-01T00:00:00Z", confirmation),
		set("recipient_other", "T27", "SubjectConfirmationData", "Recipient", "https://other.example/acs", federation.CodeSAMLRecipient),
		set("recipient_empty", "T27", "SubjectConfirmationData", "Recipient", "", federation.CodeSAMLRecipient),
		{"recipient_with_slash", "T27", func(d *Draft) {
			d.Find("SubjectConfirmationData").CreateAttr("Recipient", d.SP.ACS+"/")
		}, federation.CodeSAMLRecipient},
		{"recipient_with_query", "T27", func(d *Draft) {
			d.Find("SubjectConfirmationData").CreateAttr("Recipient", d.SP.ACS+"?a=b")
		}, federation.CodeSAMLRecipient},
		set("confirmation_of_another_request", "T27", "SubjectConfirmationData", "InResponseTo", "_other", federation.CodeSAMLInResponseTo),
	}
}

func subjects() []Attack {
	nameID := federation.CodeSAMLNameID
	text := func(name, value string) Attack {
		return Attack{name, "SAML core §8.3", func(d *Draft) { d.Find("NameID").SetText(value) }, nameID}
	}
	return []Attack{
		text("nameid_empty", ""), text("nameid_space", " "), text("nameid_padded", " 00u1alice"), text("nameid_newline", "00u1alice\n"),
		text("nameid_tab", "00u1\talice"), text("nameid_long", strings.Repeat("a", 1025)), text("nameid_line_separator", "00u1\u2028alice"),
		{"nameid_transient", "SAML core §8.3.8", func(d *Draft) {
			d.Find("NameID").CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient")
		}, nameID},
		{"nameid_with_element", "T24", func(d *Draft) { d.Find("NameID").CreateElement("saml:x") }, nameID},
		{"nameid_format_empty", "SAML core §8.3", func(d *Draft) { d.Find("NameID").CreateAttr("Format", "") }, nameID},
		{"nameid_twice", "SAML core §2.4.1", func(d *Draft) { d.Find("Subject").InsertChildAt(0, d.Find("NameID").Copy()) }, malformed},
		{"encrypted_id", "SAML core §2.4.1", func(d *Draft) { d.Find("NameID").Tag = "EncryptedID" }, malformed},
		{"base_id", "SAML core §2.4.1", func(d *Draft) { d.Find("NameID").Tag = "BaseID" }, malformed},
		{"two_statements", "SAML profiles §4.1.4.2", func(d *Draft) {
			d.Assertion.InsertChildAt(d.Find("AuthnStatement").Index(), d.Find("AuthnStatement").Copy())
		}, malformed},
		{"two_classes", "SAML core §2.7.2.2", func(d *Draft) { d.Find("AuthnContext").AddChild(d.Find("AuthnContextClassRef").Copy()) }, malformed},
		{"class_padded", "SAML core §2.7.2.2", func(d *Draft) { d.Find("AuthnContextClassRef").SetText("urn:x ") }, malformed},
		{"session_index_empty", "SAML core §2.7.2", func(d *Draft) { d.Find("AuthnStatement").CreateAttr("SessionIndex", "") }, malformed},
		{"statement_of_decisions", "SAML core §2.7.4", func(d *Draft) { d.Assertion.CreateElement("saml:AuthzDecisionStatement") }, malformed},
		{"text_between_elements", "SAML core §2.3.3", func(d *Draft) { d.Assertion.AddChild(etree.NewText("x")) }, malformed},
	}
}

// envelopes: what the response says, signed by the IdP itself.
func envelopes() []Attack {
	set := func(name, attribute, value string, code federation.Code) Attack {
		return Attack{name, "SAML core §3.2.2", func(d *Draft) {
			d.SignResponse = true
			d.Response.CreateAttr(attribute, value)
		}, code}
	}
	unset := func(attribute string, code federation.Code) Attack {
		return Attack{"response_without_" + attribute, "T27", func(d *Draft) { d.Response.RemoveAttr(attribute) }, code}
	}
	status := func(name, value string) Attack {
		return Attack{name, "SAML core §3.2.2.2", func(d *Draft) { d.Response.FindElement(".//StatusCode").CreateAttr("Value", value) }, federation.CodeSAMLStatus}
	}
	return []Attack{
		set("destination_other", "Destination", "https://other.example/acs", federation.CodeSAMLDestination),
		set("destination_empty", "Destination", "", federation.CodeSAMLDestination),
		set("answers_another", "InResponseTo", "_other", federation.CodeSAMLInResponseTo),
		set("response_issued_in_future", "IssueInstant", "2099-01-01T00:00:00Z", federation.CodeClockSkew),
		set("response_issued_long_ago", "IssueInstant", "2001-01-01T00:00:00Z", federation.CodeAssertionExpired),
		set("response_version", "Version", "1.1", malformed),
		unset("Destination", federation.CodeSAMLElementMissing), unset("InResponseTo", federation.CodeSAMLInResponseTo),
		unset("IssueInstant", federation.CodeSAMLElementMissing), unset("ID", malformed), unset("Version", malformed),
		{"response_without_Issuer", "SAML profiles §4.1.4.2", func(d *Draft) { d.Response.RemoveChild(d.Response.ChildElements()[0]) }, malformed},
		{"response_without_Status", "SAML core §3.2.2", func(d *Draft) { d.Response.RemoveChild(d.Response.FindElement("./Status")) }, malformed},
		{"response_with_Extensions", "SAML core §3.2.2", func(d *Draft) {
			d.Response.InsertChildAt(1, etree.NewElement("samlp:Extensions"))
		}, malformed},
		{"response_issuer_other", "SAML profiles §4.1.4.3", func(d *Draft) { d.Response.ChildElements()[0].SetText("https://other.example") }, federation.CodeSAMLIssuer},
		{"assertion_issuer_other", "SAML profiles §4.1.4.3", func(d *Draft) { d.Find("Issuer").SetText("https://other.example") }, federation.CodeSAMLIssuer},
		{"assertion_issuer_with_slash", "SAML core §8.3.6", func(d *Draft) { d.Find("Issuer").SetText(d.IdP.EntityID + "/") }, federation.CodeSAMLIssuer},
		{"issuer_format", "SAML core §8.3.6", func(d *Draft) {
			d.Find("Issuer").CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")
		}, federation.CodeSAMLIssuer},
		status("status_responder", "urn:oasis:names:tc:SAML:2.0:status:Responder"), status("status_empty", ""),
		status("status_in_upper_case", "urn:oasis:names:tc:SAML:2.0:status:SUCCESS"),
		{"another_message", "SAML profiles §4.1.4", func(d *Draft) { d.Response.Tag = "LogoutResponse" }, malformed},
		{"artifact_response", "SAML profiles §4.1.4", func(d *Draft) { d.Response.Tag = "ArtifactResponse" }, malformed},
	}
}

func attributes() []Attack {
	return []Attack{
		{"groups_2001", "T15", func(d *Draft) {
			names := make([]string, 2001)
			for i := range names {
				names[i] = "g" + strconv.Itoa(i)
			}
			d.Attribute("groups", names...)
		}, federation.CodeGroupsMalformed},
		{"group_empty", "T15", func(d *Draft) { d.Attribute("groups", "") }, federation.CodeClaimMalformed},
		{"group_with_control", "T15", func(d *Draft) { d.Attribute("groups", "a\tb") }, federation.CodeClaimMalformed},
		{"two_emails", "T14", func(d *Draft) { d.Attribute("email", "admin@acme.example") }, federation.CodeClaimMalformed},
		{"encrypted_attribute", "SAML core §2.7.3.2", func(d *Draft) { d.Find("AttributeStatement").CreateElement("saml:EncryptedAttribute") }, malformed},
		{"attribute_with_other_child", "SAML core §2.7.3.1", func(d *Draft) { d.Find("Attribute").CreateElement("saml:Attribute") }, federation.CodeSAMLMalformed},
		{"tenant_unlisted", "T12", func(d *Draft) { d.Attribute("tenantid", "evil") }, federation.CodeTenantUnlisted},
	}
}
