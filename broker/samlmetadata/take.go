package samlmetadata

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/federation/saml"
)

// taken is what becomes of a document that was read.
type taken struct {
	// inUse counts from now on; nil: nothing does, because every certificate in use is gone from the document.
	inUse   *saml.Metadata
	pending *saml.Metadata // waits; nil for nothing
	changes []saml.Change
}

// take weighs a document against what is in use (T31). What takes something away counts at once. What would let somebody
// else speak, or send people elsewhere, waits; so does everything where nothing is in use any more.
func take(current *saml.Metadata, known, next string, document saml.Metadata) taken {
	if current == nil && (known == "" || known == next) {
		return taken{inUse: &document}
	}
	if current == nil {
		return taken{pending: &document, changes: saml.Diff(saml.Metadata{}, document)}
	}
	changes := saml.Diff(*current, document)
	if !slices.ContainsFunc(changes, func(c saml.Change) bool { return c.Trust }) {
		return taken{inUse: &document, changes: changes}
	}
	kept := *current
	kept.Certificates = slices.DeleteFunc(slices.Clone(current.Certificates), func(c *x509.Certificate) bool {
		return !slices.ContainsFunc(document.Certificates, c.Equal)
	})
	kept.WantsSigned, kept.NameIDFormats, kept.ValidUntil = document.WantsSigned, document.NameIDFormats, document.ValidUntil
	t := taken{inUse: &kept, pending: &document, changes: changes}
	if len(kept.Certificates) == 0 {
		t.inUse = nil
	}
	return t
}

// isOver: metadata is not used from its own end on (SAML metadata §2.3.2).
func isOver(m *saml.Metadata, now time.Time) bool {
	return m != nil && !m.ValidUntil.IsZero() && !now.Before(m.ValidUntil)
}
