package idptest

import (
	"fmt"

	"github.com/chancery-dev/chancery/federation"
)

// WorkloadShape is the shape of tokens that Workload makes.
const WorkloadShape = "github-actions"

// Plain makes an assertion of RFC 7523 §3 of a user, which has no typ of its own:
// for the first audience and its first resource, to the first client.
func (p *IdP) Plain(user string, options ...Option) (string, error) {
	draft, err := p.PlainDraft(user, options...)
	if err != nil {
		return "", err
	}
	return draft.Sign()
}

// PlainDraft is Plain before it is signed.
func (p *IdP) PlainDraft(user string, options ...Option) (*Draft, error) {
	return p.Draft(user, append([]Option{WithHeader("typ", "JWT"), WithoutClaim("scope")}, options...)...)
}

// Workload makes a token that a platform gives one of its jobs.
func (p *IdP) Workload(options ...Option) (string, error) { return p.Shaped(WorkloadShape, options...) }

// AssertionDraft makes a valid assertion of a profile that is not signed yet: an
// ID-JAG or a plain assertion of the user, or a workload's token.
func (p *IdP) AssertionDraft(profile federation.Profile, user string, options ...Option) (*Draft, error) {
	switch profile {
	case federation.ProfileIDJAG:
		return p.Draft(user, options...)
	case federation.ProfileJWTBearer:
		return p.PlainDraft(user, options...)
	case federation.ProfileWorkload:
		return p.ShapeDraft(WorkloadShape, options...)
	case federation.ProfileSAML2Bearer:
	}
	return nil, fmt.Errorf("idptest: no assertions of profile %q", profile)
}

// Assertion is AssertionDraft, signed.
func (p *IdP) Assertion(profile federation.Profile, user string, options ...Option) (string, error) {
	draft, err := p.AssertionDraft(profile, user, options...)
	if err != nil {
		return "", err
	}
	return draft.Sign()
}

// Plain is IdP.Plain; it ends the test instead of failing.
func (r *Running) Plain(user string, options ...Option) string {
	r.tb.Helper()
	return r.Assertion(federation.ProfileJWTBearer, user, options...)
}

// Workload is IdP.Workload; it ends the test instead of failing.
func (r *Running) Workload(options ...Option) string {
	r.tb.Helper()
	return r.Assertion(federation.ProfileWorkload, "", options...)
}

// Assertion is IdP.Assertion; it ends the test instead of failing.
func (r *Running) Assertion(profile federation.Profile, user string, options ...Option) string {
	r.tb.Helper()
	assertion, err := r.IdP.Assertion(profile, user, options...)
	if err != nil {
		r.tb.Fatalf("make an assertion of profile %s: %v", profile, err)
	}
	return assertion
}
