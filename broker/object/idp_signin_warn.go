package object

import (
	"github.com/chancery-dev/chancery/federation/saml"
)

// signInWarnings says what lets nobody in, and what is likely a mistake.
func (s *IdentityProviderSpec) signInWarnings(f *findings) {
	if !s.OIDC.IsZero() && !s.OIDC.IsSet() {
		f.addCode("absent_denies", "spec.oidc.client_id", "absent: nobody signs in by OpenID Connect")
	}
	if !s.SAML.IsZero() && !s.SAML.IsSet() {
		f.addCode("absent_denies", "spec.saml", "names neither metadata, metadata_url nor certificates: nobody signs in by SAML")
	}
	if len(s.SAML.Certificates) > 0 && s.SAML.SSOURL == "" {
		f.addCode("absent_denies", "spec.saml.sso_url", "absent: nobody signs in by SAML")
	}
	if len(s.Domains) > 0 && !s.OIDC.IsSet() && !s.SAML.IsSet() {
		f.addCode("absent_denies", "spec.domains", "nobody signs in at this IdP: its domains lead nowhere")
	}
}

// metadata checks what an entry's metadata says against the clock: how long it is good, and who signed it.
func (d *draft) metadata(wrong *findings) {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		s, ok := e.object.Spec.(*IdentityProviderSpec)
		if !ok {
			continue
		}
		if s.SAML.Metadata != "" {
			expected := s.samlExpected()
			expected.Signers, _ = Certificates(s.SAML.MetadataCertificates)
			if len(expected.Signers) == 0 {
				expected.Signers = nil
			}
			if _, err := saml.ParseMetadata([]byte(s.SAML.Metadata), expected, d.path.c.Now()); err != nil {
				wrong.problems = append(wrong.problems, Problem{Object: e.object.Label(), Path: "spec.saml.metadata", Code: "saml_metadata", Text: told(err)})
			}
		}
		if s.SAML.MetadataURL != "" && s.SAML.MetadataURL != metadataURL(e.before) {
			d.warn(Problem{
				Object: e.object.Label(), Path: "spec.saml.metadata_url", Code: "metadata_pending",
				Text: "until its document is fetched and taken over, nobody signs in here",
			})
		}
	}
}

func metadataURL(before *Stored) string {
	if s := identityProviderOf(before); s != nil {
		return s.SAML.MetadataURL
	}
	return ""
}

func identityProviderOf(stored *Stored) *IdentityProviderSpec {
	if stored == nil {
		return nil
	}
	spec, err := ParseSpec(stored.Kind, stored.Spec)
	if err != nil {
		return nil
	}
	s, _ := spec.(*IdentityProviderSpec)
	return s
}

// signInWithin warns of what is fine alone, and lets nobody in where it is.
func (d *draft) signInWithin() {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		s, ok := e.object.Spec.(*IdentityProviderSpec)
		if !ok {
			continue
		}
		if r := s.OIDC.ClientSecret; s.OIDC.IsSet() && !r.IsZero() && !d.path.mayRefer(d.request.Manager, r) {
			d.warn(Problem{
				Object: e.object.Label(), Path: "spec.oidc.client_secret", Code: "secret_reference",
				Text: "references are resolved only for objects of the configuration file, so that whoever may write an IdentityProvider does not read " +
					"the server's files by it: nobody signs in here until the object is among objects:, the reference among admin.secret_references, or " +
					"auth_method is private_key_jwt",
			})
		}
		before := identityProviderOf(e.before)
		if before != nil && before.EntityID() != "" && s.EntityID() != "" && before.EntityID() != s.EntityID() &&
			before.WithDefaults().Issuer == s.WithDefaults().Issuer {
			d.warn(Problem{
				Object: e.object.Label(), Path: "spec.saml.idp_entity_id", Code: "entity_changed",
				Text: "changes from " + quote(before.EntityID()) + " to " + quote(s.EntityID()) + ": users stay linked, so the names that it gives people " +
					"must mean the same people",
			})
		}
	}
}
