package grant

import (
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// call is one request on its way: what is known of it so far, for the decision and for the record.
type call struct {
	Request
	now            time.Time
	authentication client.Authentication
	proof          dpop.Proof
	idp            *federation.IdentityProvider // whose entry was found, verified or not
	assertion      *assertion.Verified
	account        federation.Account
	resource       *snapshot.Resource
	decision       *ledger.Decision
	inputHash      string
	groupsOfUser   groups
	checks         []audit.Check
}

func newCall(r Request, now time.Time) *call { return &call{Request: r, now: now} }

func (c *call) client() *client.Client { return c.authentication.Client() }

// verifyProof checks a DPoP proof if there is one. Whether one is needed is the grant's matter.
func (c *call) verifyProof() error {
	proof, err := dpop.Verify(c.Proofs, dpop.Expectation{
		Tenant: c.Tenant.UID,
		Method: "POST",
		URL:    c.Tenant.Issuer + "/token", // from configuration, never from the Host header
		Now:    c.now,
		Nonce:  c.Nonce,
	})
	if err != nil {
		refusal := oauth.AsError(err)
		c.failed("dpop", refusal.Received, refusal.Expected)
		return err
	}
	if !proof.IsZero() {
		c.passed("dpop", proof.Thumbprint(), "")
	}
	c.proof = proof
	return nil
}

func (c *call) passed(name, received, expected string) {
	c.checks = append(c.checks, audit.Check{Name: name, OK: true, Received: received, Expected: expected})
}

func (c *call) failed(name, received, expected string) {
	c.checks = append(c.checks, audit.Check{Name: name, Received: received, Expected: expected})
}

// retell adds what federation checked to the story.
func (c *call) retell(checks []federation.Check) {
	for _, k := range checks {
		c.checks = append(c.checks, audit.Check{Name: k.Name, OK: k.OK, Received: k.Received, Expected: k.Expected})
	}
}

// refusalOf translates federation's refusal; what is no refusal stays an internal error.
func (c *call) refusalOf(err error) error {
	refusal, ok := errors.AsType[*federation.Refusal](err)
	if !ok {
		return err
	}
	c.retell(refusal.Checks)
	e := &oauth.Error{Code: oauth.Code(refusal.Code), Received: refusal.Received, Expected: refusal.Expected, Cause: refusal.Cause}
	if refusal.Provider != nil {
		c.idp = refusal.Provider
		e.AccessDenied = c.idp.Assertions.Errors == federation.ErrorsIDJAG06
	}
	if refusal.Code == federation.CodeKeysUnavailable {
		e.RetryAfter = 30 * time.Second
	}
	return e
}

// identified tells whether it is known who asks: the client proved it, or the assertion that it holds is bound to a key
// that it proved.
func (c *call) identified() bool {
	return c.authentication.Proved() || c.assertion != nil && c.assertion.Thumbprint() != ""
}

// refuse is a refusal of this room. Once an issuer's entry was found, it chooses between the error profiles.
func (c *call) refuse(code oauth.Code, check, received, expected string) error {
	c.failed(check, received, expected)
	e := oauth.Refuse(code, received, expected)
	if c.idp != nil {
		e.AccessDenied = c.idp.Assertions.Errors == federation.ErrorsIDJAG06
	}
	return e
}
