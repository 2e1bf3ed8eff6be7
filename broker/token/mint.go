package token

import (
	"fmt"

	"github.com/chancery-dev/chancery/broker/keys"
)

// maxBytes bounds a token: what is larger does not fit into a header field of
// common servers. Groups are what makes it large.
const maxBytes = 12 << 10

// Mint makes a signed access token (RFC 9068 §2): typ at+jwt, kid, and the claims.
func Mint(c Claims, signer keys.Signer) (string, error) {
	if err := c.validate(); err != nil {
		return "", err
	}
	// A token must not outlive the publication of its key.
	if lifetime := c.ExpiresAt.Sub(c.IssuedAt); lifetime > signer.LongestToken() {
		return "", fmt.Errorf("%w: it would live %s, and its key vouches for %s", errClaims, lifetime, signer.LongestToken())
	}
	payload, err := c.encode()
	if err != nil {
		return "", err
	}
	compact, err := signer.Sign(Type, payload)
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	if len(compact) > maxBytes {
		return "", fmt.Errorf("%w: %d bytes are too many for a header field", errClaims, len(compact))
	}
	return compact, nil
}
