package samltest

import (
	"bytes"
	"crypto/x509"
	"strings"

	"github.com/beevik/etree"

	"github.com/chancery-dev/chancery/federation"
)

const (
	malformed = federation.CodeSAMLMalformed
	count     = federation.CodeSAMLAssertionCount
	form      = federation.CodeSAMLSignatureMalformed
	invalid   = federation.CodeSAMLSignatureInvalid
)

func foreign(d *Draft) *x509.Certificate {
	return Certificate(RSAKey(1), d.IdP.Now(), d.IdP.Now().AddDate(1, 0, 0))
}

// evil is a copy about somebody else, under another ID.
func evil(el *etree.Element) *etree.Element {
	copied := el.Copy()
	copied.CreateAttr("ID", id())
	for _, name := range copied.FindElements(".//NameID") {
		name.SetText("00u9admin")
	}
	return copied
}

func unsigned(el *etree.Element) *etree.Element {
	copied := el.Copy()
	for _, signature := range copied.FindElements("./Signature") {
		copied.RemoveChild(signature)
	}
	return copied
}

// after is an attack on a document that is signed and complete.
func after(name, section string, code federation.Code, change func(root, assertion *etree.Element)) Attack {
	return Attack{name, section, func(d *Draft) {
		d.After = func(root *etree.Element) { change(root, root.FindElement("./Assertion")) }
	}, code}
}

// afterResponse is one whose response alone is signed.
func afterResponse(name string, code federation.Code, change func(root *etree.Element)) Attack {
	return Attack{name, "T21", func(d *Draft) {
		d.SignAssertion, d.SignResponse = false, true
		d.After = change
	}, code}
}

// become makes root another element's twin.
func become(root, other *etree.Element) {
	root.Attr, root.Child = nil, nil
	for _, a := range other.Attr {
		root.Attr = append(root.Attr, etree.Attr{Space: a.Space, Key: a.Key, Value: a.Value})
	}
	for _, child := range append([]etree.Token{}, other.Child...) {
		root.AddChild(child)
	}
}

// wrappings are XSW1 to 8, as SAML Raider numbers them, and what came later.
func wrappings() []Attack {
	return []Attack{
		afterResponse("xsw1_original_response_in_signature", malformed, func(root *etree.Element) {
			original, signature := unsigned(root), root.FindElement("./Signature").Copy()
			e := evil(unsigned(root))
			signature.AddChild(original)
			e.InsertChildAt(1, signature)
			become(root, e)
		}),
		afterResponse("xsw2_original_response_before_signature", malformed, func(root *etree.Element) {
			original, signature := unsigned(root), root.FindElement("./Signature").Copy()
			e := evil(unsigned(root))
			e.InsertChildAt(1, original)
			e.InsertChildAt(2, signature)
			become(root, e)
		}),
		after("xsw3_evil_before_original", "T21", count, func(root, assertion *etree.Element) {
			root.InsertChildAt(assertion.Index(), evil(unsigned(assertion)))
		}),
		after("xsw3_evil_after_original", "T21", count, func(root, assertion *etree.Element) {
			root.AddChild(evil(unsigned(assertion)))
		}),
		after("xsw4_original_in_evil", "T21", form, func(root, assertion *etree.Element) {
			e := evil(unsigned(assertion))
			root.RemoveChild(assertion)
			e.AddChild(assertion)
			root.AddChild(e)
		}),
		after("xsw5_evil_keeps_signature", "T21", count, func(root, assertion *etree.Element) {
			original := unsigned(assertion)
			become(assertion, evil(assertion))
			root.AddChild(original)
		}),
		after("xsw6_original_in_signature_of_evil", "T21", count, func(_, assertion *etree.Element) {
			original := unsigned(assertion)
			become(assertion, evil(assertion))
			assertion.FindElement("./Signature").AddChild(original)
		}),
		after("xsw7_original_in_extensions", "T21", form, func(root, assertion *etree.Element) {
			e := evil(unsigned(assertion))
			extensions := etree.NewElement("samlp:Extensions")
			root.RemoveChild(assertion)
			extensions.AddChild(assertion)
			root.InsertChildAt(1, extensions)
			root.AddChild(e)
		}),
		after("xsw8_original_in_object", "T21", count, func(_, assertion *etree.Element) {
			original := unsigned(assertion)
			become(assertion, evil(assertion))
			assertion.FindElement("./Signature").CreateElement("ds:Object").AddChild(original)
		}),
		after("same_id_twice", "SAML core §5.4.2", malformed, func(root, assertion *etree.Element) {
			e := evil(unsigned(assertion))
			e.CreateAttr("ID", assertion.SelectAttrValue("ID", ""))
			root.AddChild(e)
		}),
		after("evil_under_another_namespace", "T22", count, func(root, assertion *etree.Element) {
			e := etree.NewElement("x:Assertion")
			e.CreateAttr("xmlns:x", "urn:example:x")
			root.AddChild(e)
			_ = assertion
		}),
		after("two_signed_assertions", "CVE-2022-41912", count, func(root, assertion *etree.Element) {
			e := assertion.Copy()
			e.CreateAttr("ID", id())
			root.AddChild(e)
		}),
		after("encrypted_beside_plain", "T22", count, func(root, _ *etree.Element) {
			root.AddChild(parse(`<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>`))
		}),
		{"advice", "SAML core §2.6.1", func(d *Draft) {
			advice := etree.NewElement("saml:Advice")
			d.Assertion.InsertChildAt(d.Find("AuthnStatement").Index(), advice)
			advice.CreateElement("saml:Assertion")
		}, count},
		{"advice_empty", "SAML core §2.6.1", func(d *Draft) {
			d.Assertion.InsertChildAt(d.Find("AuthnStatement").Index(), etree.NewElement("saml:Advice"))
		}, count},
		after("nested_response", "T22", malformed, func(root, _ *etree.Element) {
			root.FindElement("./Status").AddChild(unsigned(root))
		}),
		after("assertion_in_status", "T22", count, func(root, assertion *etree.Element) {
			root.FindElement("./Status").AddChild(evil(unsigned(assertion)))
		}),
		after("assertion_as_attribute_value", "T22", count, func(root, assertion *etree.Element) {
			assertion.FindElement(".//AttributeValue").AddChild(evil(unsigned(assertion)))
			_ = root
		}),
		after("signature_last", "SAML core §2.3.3", form, func(_, assertion *etree.Element) {
			signature := assertion.FindElement("./Signature")
			assertion.RemoveChild(signature)
			assertion.AddChild(signature)
		}),
		after("signature_moved_to_response", "SAML core §5.4.2", form, func(root, assertion *etree.Element) {
			signature := assertion.FindElement("./Signature")
			assertion.RemoveChild(signature)
			root.InsertChildAt(1, signature)
		}),
		after("signature_twice", "T21", form, func(_, assertion *etree.Element) {
			assertion.InsertChildAt(2, assertion.FindElement("./Signature").Copy())
		}),
		after("signature_in_subject", "T21", form, func(_, assertion *etree.Element) {
			assertion.FindElement("./Subject").AddChild(assertion.FindElement("./Signature").Copy())
		}),
		after("name_changed", "T21", invalid, func(_, assertion *etree.Element) {
			assertion.FindElement(".//NameID").SetText("00u9admin")
		}),
		after("attribute_changed", "T21", invalid, func(_, assertion *etree.Element) {
			assertion.FindElement(".//AttributeValue").SetText("admin@acme.example")
		}),
		after("id_changed", "T21", form, func(_, assertion *etree.Element) { assertion.CreateAttr("ID", id()) }),
		after("element_added", "T21", invalid, func(_, assertion *etree.Element) {
			assertion.FindElement(".//AttributeStatement").ChildElements()[1].AddChild(parse(`<saml:AttributeValue xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">admins</saml:AttributeValue>`))
		}),
		after("unsigned_assertion", "SAML profiles §4.1.3.5", federation.CodeSAMLUnsigned, func(_, assertion *etree.Element) {
			assertion.RemoveChild(assertion.FindElement("./Signature"))
		}),
		{"signed_assertion_in_forged_signed_response", "T21", func(d *Draft) {
			d.SignResponse = true
			d.ResponseSignature.Key, d.ResponseSignature.KeyInfo = RSAKey(1), foreign(d)
		}, invalid},
		{"forged_assertion_in_signed_response", "T21", func(d *Draft) {
			d.SignResponse = true
			d.AssertionSignature.Key = RSAKey(1)
		}, invalid},
	}
}

// differentials are documents that two parsers read differently (T23, T24).
func differentials() []Attack {
	const many = "T23"
	insert := func(before, text string) func(*Draft) {
		return raw(func(b []byte) []byte { return bytes.Replace(b, []byte(before), []byte(text+before), 1) })
	}
	swap := func(old, text string) func(*Draft) {
		return raw(func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(text), 1) })
	}
	return []Attack{
		{"comment_in_nameid", "T24", swap("00u1alice", "admin@x<!---->.evil"), malformed},
		{"comment_in_nameid_signed", "T24", func(d *Draft) {
			d.Find("NameID").SetText("admin@x")
			d.Find("NameID").AddChild(etree.NewComment(""))
			d.Find("NameID").AddChild(etree.NewText(".evil"))
		}, malformed},
		{"comment_anywhere", "T24", insert("<saml:Subject>", "<!-- x -->"), malformed},
		{"cdata_in_nameid", many, swap("00u1alice", "<![CDATA[00u1alice]]>"), malformed},
		{"cdata_hides_markup", many, insert("<saml:Subject>", "<![CDATA[<saml:Assertion>]]>"), malformed},
		{"processing_instruction", many, insert("<saml:Subject>", "<?x y?>"), malformed},
		{"second_declaration", many, insert("<saml:Subject>", `<?xml version="1.0"?>`), malformed},
		{"doctype", "CVE-2025-25291", insert("<samlp:Response", `<!DOCTYPE x [<!ENTITY y "z">]>`), malformed},
		{"doctype_with_attribute_id", "CVE-2025-25292", insert("<samlp:Response", `<!DOCTYPE a [<!ATTLIST Assertion ID ID #IMPLIED>]>`), malformed},
		{"doctype_external", "T25", insert("<samlp:Response", `<!DOCTYPE a SYSTEM "http://169.254.169.254/">`), malformed},
		{"doctype_lower_case", many, insert("<samlp:Response", `<!doctype x>`), malformed},
		{"entity_unknown", "T25", swap("00u1alice", "&admin;"), malformed},
		{"encoding_utf16_declared", many, raw(func(b []byte) []byte { return append([]byte(`<?xml version="1.0" encoding="UTF-16"?>`), b...) }), malformed},
		{"encoding_utf7_declared", many, raw(func(b []byte) []byte { return append([]byte(`<?xml version="1.0" encoding="utf-7"?>`), b...) }), malformed},
		{"encoding_utf16", many, raw(func(b []byte) []byte {
			out := []byte{0xff, 0xfe}
			for _, c := range b {
				out = append(out, c, 0)
			}
			return out
		}), malformed},
		{"byte_order_mark", many, raw(func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }), malformed},
		{"version_1_1", many, raw(func(b []byte) []byte { return append([]byte(`<?xml version="1.1"?>`), b...) }), malformed},
		{"invalid_utf8", many, swap("00u1alice", "00u1\xffalice"), malformed},
		{"nul", many, swap("00u1alice", "00u1\x00alice"), malformed},
		{"nul_reference", many, swap("00u1alice", "00u1&#0;alice"), malformed},
		{"two_roots", many, raw(func(b []byte) []byte { return append(b, "<x/>"...) }), malformed},
		{"text_after_root", many, raw(func(b []byte) []byte { return append(b, "x"...) }), malformed},
		{"truncated", many, raw(func(b []byte) []byte { return b[:len(b)-20] }), malformed},
		{"empty", many, raw(func([]byte) []byte { return nil }), malformed},
		{"colon_first_in_name", "CVE-2020-29509", insert("<saml:Subject>", "<:x/>"), malformed},
		{"two_colons_in_name", "CVE-2020-29511", insert("<saml:Subject>", "<a:b:c/>"), malformed},
		{"colon_in_attribute", "CVE-2020-29510", swap("<saml:Subject>", `<saml:Subject :a="b">`), malformed},
		{"undeclared_prefix", many, insert("<saml:Subject>", "<y:z/>"), malformed},
		{"xml_prefix_redeclared", many, swap("<saml:Subject>", `<saml:Subject xmlns:xml="urn:x:y">`), malformed},
		{"xmlns_prefix_declared", many, swap("<saml:Subject>", `<saml:Subject xmlns:xmlns="urn:x:y">`), malformed},
		{"xmlns_namespace_as_default", many, swap("<saml:Subject>", `<saml:Subject xmlns="http://www.w3.org/2000/xmlns/">`), malformed},
		{"prefix_undeclared_again", many, swap("<saml:Subject>", `<saml:Subject xmlns:saml="">`), malformed},
		{"relative_namespace", "void canonicalization", swap("<saml:Assertion ", `<saml:Assertion xmlns:v="1" `), malformed},
		{"relative_namespace_signed", "void canonicalization", func(d *Draft) {
			d.Assertion.CreateAttr("xmlns:v", "1")
			d.AssertionSignature.PrefixList = "v"
		}, malformed},
		{"attribute_twice", many, swap(`Version="2.0"`, `Version="2.0" Version="2.0"`), malformed},
		{"attribute_twice_by_prefix", many, swap("<saml:Subject>", `<saml:Subject xmlns:p="urn:q:r" xmlns:q="urn:q:r" p:a="1" q:a="2">`), malformed},
		{"id_with_prefix", "attribute pollution", func(d *Draft) {
			d.Assertion.CreateAttr("samlp:ID", "_x")
			d.Assertion.CreateAttr("xmlns:samlp", "urn:oasis:names:tc:SAML:2.0:protocol")
		}, malformed},
		{"xml_id", "attribute pollution", func(d *Draft) { d.Assertion.CreateAttr("xml:id", "_x") }, malformed},
		{"id_in_another_case", "attribute pollution", func(d *Draft) { d.Assertion.CreateAttr("Id", d.Assertion.SelectAttrValue("ID", "")) }, malformed},
		{"namespace_confusion_on_signature", "CVE-2025-25291", raw(func(b []byte) []byte {
			return bytes.Replace(b, []byte(`xmlns:ds="http://www.w3.org/2000/09/xmldsig#"`), []byte(`xmlns:ds="http://www.w3.org/2000/09/xmldsig2#"`), 1)
		}), form},
		{"namespace_confusion_on_assertion", many, swap(`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion"`), malformed},
		{"not_base64_inside", many, raw(func([]byte) []byte { return []byte("not xml at all") }), malformed},
		{"quote_open", many, swap(`Version="2.0"`, `Version="2.0`), malformed},
		{"less_than_in_attribute", many, swap(`Version="2.0"`, `Version="2.0" x="<"`), malformed},
		{"name_not_ascii", many, insert("<saml:Subject>", "<é/>"), malformed},
	}
}

// bombs must cost nothing (T25).
func bombs() []Attack {
	whole := func(text string) func(*Draft) { return raw(func([]byte) []byte { return []byte(text) }) }
	var laughs strings.Builder
	laughs.WriteString(`<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa">`)
	for i := range 10 {
		laughs.WriteString(`<!ENTITY ` + string(rune('b'+i)) + ` "` + strings.Repeat("&"+string(rune('a'+i))+";", 10) + `">`)
	}
	return []Attack{
		{"billion_laughs", "T25", whole(laughs.String() + "]><x>&k;</x>"), malformed},
		{"depth_100k", "T25", whole(strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 20_000)), malformed},
		{"depth_65", "T25", whole(strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65)), malformed},
		{"elements_100k", "T25", whole("<a>" + strings.Repeat("<b/>", 100_000) + "</a>"), malformed},
		{"attributes_20k", "T25", whole("<a" + strings.Repeat(` b="c"`, 20_000) + "/>"), malformed},
		{"prefixes_10k", "T25", func(d *Draft) {
			d.Raw = func([]byte) []byte {
				var b strings.Builder
				b.WriteString("<a")
				for i := range 5_000 {
					b.WriteString(" xmlns:p")
					b.WriteString(strings.Repeat("x", i%7))
					b.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)))
					b.WriteString(`="urn:a:b"`)
				}
				b.WriteString("/>")
				return []byte(b.String())
			}
		}, malformed},
		{"too_large", "T25", whole("<a>" + strings.Repeat("x", 512<<10) + "</a>"), federation.CodeSAMLTooLarge},
		{"far_too_large", "T25", whole("<a>" + strings.Repeat("x", 8<<20) + "</a>"), federation.CodeSAMLTooLarge},
	}
}
