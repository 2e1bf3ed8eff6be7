package grant

import (
	"crypto/sha256"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation"
)

// replayMargin keeps a redemption longer than the assertion lives, against clocks that disagree.
const replayMargin = federation.MaxClockSkew

// redeemAssertion names the one use of the assertion.
func (c *call) redeemAssertion() (ledger.Redemption, bool) { return c.redemptionOf(c.workload) }

// redemptionOf is redeemAssertion where the rule that the assertion fits may not be settled yet.
func (c *call) redemptionOf(rule *federation.Workload) (ledger.Redemption, bool) {
	v := c.assertion
	if c.mayComeAgain(rule) {
		return ledger.Redemption{}, false
	}
	// Never of the raw string, which can be re-encoded. A jti has no NUL, so that none is the name of an assertion without.
	name := v.ID()
	if name == "" {
		name = "\x00" + v.RedemptionKey()
	}
	return ledger.Redemption{
		Tenant:    c.Tenant.UID,
		Space:     ledger.SpaceAssertion,
		Key:       sha256.Sum256([]byte(v.Issuer() + "\x00" + name)),
		ExpiresAt: v.RedeemableUntil().Add(replayMargin),
		Code:      string(oauth.CodeJTIReplayed),
	}, true
}

// mayComeAgain: under reuse: client_bound an assertion may come again from the same client (its client_id claim, or the
// rule that it fits) with the same key (its cnf), or with no key at all. One that would bind the token to a key of the
// caller's choice, and one that any client of the entry could bring, is used up.
func (c *call) mayComeAgain(rule *federation.Workload) bool {
	v := c.assertion
	return v.Provider().Assertions.Reuse == federation.ReuseClientBound &&
		(v.ClientID() != "" || rule != nil) &&
		(v.Thumbprint() != "" || c.proof.IsZero())
}
