package grant

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/trace"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// call is one request on its way: what is known of it so far, for the decision and for the record.
type call struct {
	Request
	now            time.Time
	authentication client.Authentication
	proof          dpop.Proof
	idp            *federation.IdentityProvider // whose entry was found, verified or not
	action         policy.Action
	applicant      *client.Client // at the authorization endpoint, where nobody authenticates
	holds          bool           // the named client showed what we gave to it: a code with its verifier, a refresh token
	family         string         // of refresh tokens
	whose          string         // the user who let the client have what it showed, whatever became of him since
	ending         *ledger.Ending // that goes with a refusal
	evidence
	limits       limits
	resource     *snapshot.Resource
	decision     *ledger.Decision
	approval     *ledger.Redemption // that goes with what is given
	inputHash    string
	groupsOfUser groups
	checks       []audit.Check
}

func newCall(r Request, now time.Time) *call {
	return &call{Request: r, now: now, action: policy.ActionIssue}
}

func (c *call) client() *client.Client {
	if c.applicant != nil {
		return c.applicant
	}
	return c.authentication.Client()
}

// verifyProof checks a DPoP proof if there is one. Whether one is needed is the grant's matter.
func (c *call) verifyProof(ctx context.Context, endpoint string) error {
	_, step := trace.Begin(ctx, trace.StepProof)
	proof, err := dpop.Verify(c.Proofs, dpop.Expectation{
		Tenant: c.Tenant.UID,
		Method: "POST",
		URL:    c.Tenant.Issuer + endpoint, // from configuration, never from the Host header
		Now:    c.now,
		Nonce:  c.Nonce,
	})
	step.End(codeOf(err))
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
	}
	e.AccessDenied = c.accessDenied()
	if refusal.Code == federation.CodeKeysUnavailable {
		e.RetryAfter = 30 * time.Second
	}
	return e
}

// identified tells whether it is known who asks: the client proved it, or a rule made it known; or the client that is
// named holds what we gave to it (a code with its verifier, a refresh token), or an assertion, made for it, that is bound
// to a key that it proved. A genuine token alone is not enough, nor with a name beside it: a public platform gives one to
// anybody, bound to anybody's key.
func (c *call) identified() bool {
	if c.authentication.Proved() || c.client() != nil && c.holds {
		return true
	}
	return c.client() != nil && c.assertion != nil && c.assertion.Profile() != federation.ProfileWorkload && c.assertion.Thumbprint() != ""
}

// refuse is a refusal of this room.
func (c *call) refuse(code oauth.Code, check, received, expected string) error {
	c.failed(check, received, expected)
	e := oauth.Refuse(code, received, expected)
	e.AccessDenied = c.accessDenied()
	return e
}

// accessDenied tells how "valid, but not entitled" reads. Once an issuer's entry was found, it chooses between the error
// profiles; where there is no assertion, there is no grant that could be invalid.
func (c *call) accessDenied() bool {
	if c.signedIn != nil { // what was granted before is valid no more (RFC 6749 §5.2)
		return false
	}
	if c.Form.Get("grant_type") == oauth.GrantTypeTokenExchange { // nothing was granted before, and the token is as good as it was
		return true
	}
	if c.idp != nil {
		return c.idp.Assertions.Errors == federation.ErrorsIDJAG06
	}
	return c.Form.Get("grant_type") == oauth.GrantTypeClientCredentials
}
