package grant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// settleResource finds the one resource that the token is for, and requires a proof where the resource does. claimed are
// the assertion's; nil where the claim is absent, or there is no assertion.
func (c *call) settleResource(claimed []string) error {
	requested, err := c.requestedResource()
	if err != nil {
		return err
	}
	candidates, err := c.claimedResources(claimed)
	if err != nil {
		return err
	}
	if claimed == nil {
		candidates = c.reachable()
	}
	if c.resource, err = c.choose(requested, candidates, claimed); err != nil {
		return err
	}
	c.passed("resource", c.resource.URI, "")
	return c.proofForResource()
}

func (c *call) proofForResource() error {
	if c.resource.DPoPRequired && c.proof.IsZero() {
		return c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the resource requires")
	}
	return nil
}

func (c *call) choose(requested string, candidates []*snapshot.Resource, claimed []string) (*snapshot.Resource, error) {
	if requested == "" {
		if len(candidates) != 1 {
			return nil, c.refuse(oauth.CodeResourceUnsettled, "resource", fmt.Sprintf("%d resources to choose from", len(candidates)), "one, or a resource parameter")
		}
		return candidates[0], nil
	}
	for _, r := range candidates {
		if r.Canonical == requested {
			return r, nil
		}
	}
	if claimed == nil {
		return nil, c.refuse(oauth.CodeResourceNotAllowed, "resource", requested, "a resource of the client, and of what vouches for it")
	}
	return nil, c.refuse(oauth.CodeResourceOutsideClaim, "resource", requested, strings.Join(claimed, " "))
}

// requestedResource reads the request's resource parameter; two different ones settle nothing (RFC 8707 §2.2).
func (c *call) requestedResource() (string, error) {
	var requested string
	for _, raw := range c.Form.Resources() {
		canonical, err := oauth.CanonicalResource(raw)
		if err != nil {
			return "", c.refuse(oauth.CodeResourceNotAllowed, "resource", raw, "an absolute URI without fragment")
		}
		if requested != "" && canonical != requested {
			return "", c.refuse(oauth.CodeResourceUnsettled, "resource", "several resources in the request", "one")
		}
		requested = canonical
	}
	return requested, nil
}

// claimedResources requires that every asserted resource is one that we govern and that client and issuer may reach (EMA 7.6.2).
func (c *call) claimedResources(claimed []string) ([]*snapshot.Resource, error) {
	found := make([]*snapshot.Resource, 0, len(claimed))
	for _, raw := range claimed {
		r, ok := c.Tenant.ResourceByURI(raw)
		if !ok || !c.mayReach(r) {
			return nil, c.refuse(oauth.CodeResourceUnknown, "resource", raw, "a resource of the client and of the IdP")
		}
		if !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	return found, nil
}

// reachable are the resources inside every limit.
func (c *call) reachable() []*snapshot.Resource {
	return slices.DeleteFunc(c.Tenant.ActiveResources(), func(r *snapshot.Resource) bool { return !c.mayReach(r) })
}

func (c *call) mayReach(r *snapshot.Resource) bool {
	return !r.Disabled && c.limits.resources.hold(r.Name)
}

// settleGranted finds the one resource of those that a person let the client have, and the scopes that he let it have there.
// It is the same object as then, and client and tenant let the client reach it still (RFC 8707 §2.2: a token request may
// narrow, never widen).
func (c *call) settleGranted(granted []ledger.FamilyResource) ([]string, error) {
	requested, err := c.requestedResource()
	if err != nil {
		return nil, err
	}
	at := 0
	if requested == "" && len(granted) != 1 {
		return nil, c.refuse(oauth.CodeResourceUnsettled, "resource", fmt.Sprintf("%d resources to choose from", len(granted)), "one, or a resource parameter")
	}
	if requested != "" {
		at = slices.IndexFunc(granted, func(r ledger.FamilyResource) bool {
			canonical, err := oauth.CanonicalResource(r.URI)
			return err == nil && canonical == requested
		})
	}
	if at < 0 {
		return nil, c.refuse(oauth.CodeResourceOutsideGrant, "resource", requested, "a resource that was granted")
	}
	found, ok := c.Tenant.ResourceByURI(granted[at].URI)
	if !ok || found.UID != granted[at].UID || !c.mayReach(found) {
		return nil, c.refuse(oauth.CodeResourceNotAllowed, "resource", granted[at].URI, "a resource of the client")
	}
	c.resource = found
	c.passed("resource", found.URI, "")
	return granted[at].Scopes, c.proofForResource()
}
