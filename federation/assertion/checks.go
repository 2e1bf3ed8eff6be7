package assertion

import (
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation"
)

// maxActors bounds a chain of actors (T19).
const maxActors = 4

// checkAudience: ID-JAG §4.4.1 and RFC 7523 §3: our issuer and nobody else, byte
// for byte. A second audience could redeem the same assertion.
func (w *walk) checkAudience(c *claimSet) error {
	const name = "aud"
	ours := w.request.Issuer
	switch {
	case len(c.audience) > 1:
		return w.trail.Refuse(federation.CodeAudMulti, name, strings.Join(c.audience, " "), ours+" alone", nil)
	case len(c.audience) == 0:
		return w.trail.Refuse(federation.CodeAudNotUs, name, "nobody", ours, nil)
	}
	received := c.audience[0]
	switch {
	case received == ours:
		w.trail.Pass(name, received, ours)
		return nil
	case w.request.IsResource != nil && w.request.IsResource(received):
		return w.trail.Refuse(federation.CodeAudIsResource, name, received, ours+"; the resource goes into the resource claim", nil)
	default:
		return w.trail.Refuse(federation.CodeAudNotUs, name, received, ours, nil)
	}
}

// checkTimes: RFC 7523 §3, RFC 7519 §4.1.4-6, EMA 7.4.2. The entry's skew, at
// most 60 s, is forgiven on each side. Without iat, which only a workload's token
// may leave out, the lifetime counts from now.
func (w *walk) checkTimes(c *claimSet) error {
	rules := w.idp.Assertions
	skew := min(max(rules.ClockSkew, 0), federation.MaxClockSkew)
	now := stamp(w.now)
	switch {
	case !w.now.Before(c.expires.Add(skew)): // "on or after": the moment itself is too late
		return w.trail.Refuse(federation.CodeAssertionExpired, "exp", stamp(c.expires), "after "+now, nil)
	case !c.notBefore.IsZero() && w.now.Before(c.notBefore.Add(-skew)):
		return w.trail.Refuse(federation.CodeAssertionNotYetValid, "nbf", stamp(c.notBefore), "not after "+now, nil)
	case c.issued.IsZero() && c.expires.Sub(w.now) > rules.MaxLifetime+skew:
		return w.trail.Refuse(federation.CodeAssertionTooLongLived, "exp", c.expires.Sub(w.now).String()+" ahead, without iat", "at most "+rules.MaxLifetime.String(), nil)
	case c.issued.IsZero():
		w.trail.Pass("times", "to "+stamp(c.expires), now)
		return nil
	case w.now.Before(c.issued.Add(-skew)):
		return w.trail.Refuse(federation.CodeClockSkew, "iat", stamp(c.issued), "not after "+now, nil)
	case !c.issued.Before(c.expires):
		return w.trail.Refuse(federation.CodeClockSkew, "iat", stamp(c.issued), "before exp "+stamp(c.expires), nil)
	case c.expires.Sub(c.issued) > rules.MaxLifetime: // an entry without a bound allows nothing
		return w.trail.Refuse(federation.CodeAssertionTooLongLived, "exp", c.expires.Sub(c.issued).String(), "at most "+rules.MaxLifetime.String(), nil)
	}
	w.trail.Pass("times", stamp(c.issued)+" to "+stamp(c.expires), now)
	return nil
}

// checkClient: ID-JAG §4.4.1: the client_id at this server, which is the one that
// authenticated.
func (w *walk) checkClient(c *claimSet) error {
	if c.clientID != w.request.ClientID {
		return w.trail.Refuse(federation.CodeClientIDMismatch, "client_id", c.clientID, w.request.ClientID, nil)
	}
	w.trail.Pass("client_id", c.clientID, w.request.ClientID)
	return nil
}

// checkTenant: ID-JAG §3.1. The IdP's tenant must be listed, or the IdP have none.
func (w *walk) checkTenant(c *claimSet) error {
	listed := w.idp.Assertions.Tenants
	switch {
	case c.tenant == "" && len(listed) > 0:
		return w.trail.Refuse(federation.CodeTenantMissing, "tenant", "", strings.Join(listed, " "), nil)
	case c.tenant != "" && !contains(listed, c.tenant):
		return w.trail.Refuse(federation.CodeTenantUnlisted, "tenant", c.tenant, strings.Join(listed, " "), nil)
	case c.tenant != "":
		w.trail.Pass("tenant", c.tenant, "a tenant of the entry")
	}
	return nil
}

// checkAudTenant: ID-JAG §3.1. A tenant of ours, where one is named, is the one
// whose endpoint this is.
func (w *walk) checkAudTenant(c *claimSet) error {
	switch c.audTenant {
	case "":
		return nil
	case w.request.TenantUID, w.request.TenantName:
		w.trail.Pass("aud_tenant", c.audTenant, w.request.TenantName)
		return nil
	default:
		return w.trail.Refuse(federation.CodeAudTenantMismatch, "aud_tenant", c.audTenant, w.request.TenantName, nil)
	}
}

// checkActor: RFC 8693 §4.1: objects within objects, for four levels. Who the
// actor is never replaces who the client is (ID-JAG §3.1).
func (w *walk) checkActor(c *claimSet) error {
	actor := c.actor
	if actor == nil {
		return nil
	}
	for level := 1; ; level++ {
		if level > maxActors {
			return w.trail.Refuse(federation.CodeActUnsupported, "act", "more levels", "at most "+strconv.Itoa(maxActors), nil)
		}
		if len(actor) == 0 {
			return w.trail.Refuse(federation.CodeActUnsupported, "act", "an actor without a name", "an actor", nil)
		}
		inner, nested := actor["act"]
		if !nested {
			w.trail.Pass("act", strconv.Itoa(level)+" levels", "at most "+strconv.Itoa(maxActors))
			return nil
		}
		next, ok := inner.(map[string]any)
		if !ok {
			return w.trail.Refuse(federation.CodeActUnsupported, "act", "no object", "an actor", nil)
		}
		actor = next
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
