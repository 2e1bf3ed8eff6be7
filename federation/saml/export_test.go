package saml

import (
	"crypto/x509"
	"time"
)

// VerifyOwn verifies what we signed as if it were another's.
func VerifyOwn(raw []byte, certificate *x509.Certificate, now time.Time) error {
	root, err := parse(raw)
	if err != nil {
		return err
	}
	_, err = verify(root, []*x509.Certificate{certificate}, now)
	return err
}
