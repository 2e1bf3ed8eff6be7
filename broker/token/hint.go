package token

import (
	"fmt"
	"strings"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/federation/jws"
)

// Hint is what an ID token of ours that comes back says: for whom it was, and for which client.
type Hint struct {
	Subject  string
	ClientID string
}

// VerifyHint reads an ID token of ours that a client sends back as id_token_hint (OpenID Connect Core §3.1.2.1). It may have
// expired: it says whom the client means, and lets nobody in. Late and Now are not looked at.
func VerifyHint(compact string, want Own) (Hint, error) {
	if want.Issuer == "" || want.Ring == nil {
		return Hint{}, fmt.Errorf("%w: nothing was expected of it", ErrInvalid)
	}
	message, err := jws.Parse(compact)
	if err != nil {
		return Hint{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	// An access token of ours is no ID token (RFC 8725 §3.11).
	if typ := message.Header().Type; typ != strings.ToLower(IdentityType) { // media types know no case (RFC 7515 §4.1.9)
		return Hint{}, fmt.Errorf("%w: typ is %q", ErrInvalid, typ)
	}
	if message.Header().KeyID == "" { // we always write one
		return Hint{}, fmt.Errorf("%w: no kid", ErrInvalid)
	}
	claims, _, err := message.VerifyClaims(want.Ring.Keys(), []string{keys.ES256})
	if err != nil {
		return Hint{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	text := func(name string) string {
		value, _ := claims.Value(name)
		s, _ := value.(string)
		return s
	}
	h := Hint{Subject: text("sub"), ClientID: text("aud")}
	if text("iss") != want.Issuer || h.Subject == "" || h.ClientID == "" {
		return Hint{}, fmt.Errorf("%w: of another issuer, or for nobody", ErrInvalid)
	}
	return h, nil
}
