package assertion

import (
	"encoding/json"
	"strings"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// checkConfirmation: RFC 7800 §3.1, RFC 9449 §6. What is bound must be proved; a
// binding that is not understood, beside another too, must not be overlooked.
func (w *walk) checkConfirmation(c *claimSet) error {
	const name = "cnf"
	value, present := c.claims.Value(name)
	if !present {
		return nil
	}
	members, _ := value.(map[string]any)
	thumbprint, ok := confirmed(members)
	if !ok {
		return w.trail.Refuse(federation.CodeCNFUnsupported, name, strings.Join(memberNames(members), " "), "jkt or jwk, alone", nil)
	}
	switch w.request.ProofThumbprint {
	case thumbprint:
		w.trail.Pass(name, thumbprint, "the key of the proof")
		return nil
	case "":
		return w.trail.Refuse(federation.CodeCNFUnproved, name, "no proof", thumbprint, nil)
	default:
		return w.trail.Refuse(federation.CodeCNFUnproved, name, w.request.ProofThumbprint, thumbprint, nil)
	}
}

// confirmed is the thumbprint of the key that cnf names: jkt (RFC 9449 §6.1), or the
// key itself (RFC 7800 §3.2), which older text of the JWT DPoP grant asks for
// (draft-parecki-oauth-jwt-dpop-grant-01). Its thumbprint is ours to compute (RFC
// 7638 §3); a private or symmetric key confirms nobody.
func confirmed(members map[string]any) (thumbprint string, ok bool) {
	if len(members) != 1 {
		return "", false
	}
	if thumbprint, ok = members["jkt"].(string); ok {
		return thumbprint, thumbprint != ""
	}
	key, ok := members["jwk"].(map[string]any)
	if !ok {
		return "", false
	}
	encoded, err := json.Marshal(key)
	if err != nil {
		return "", false
	}
	parsed, err := jwks.ParseKey(encoded)
	return parsed.Thumbprint, err == nil && parsed.Thumbprint != ""
}
