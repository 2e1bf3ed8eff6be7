package grant

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Devices keeps requests of devices; *device.Authorizations does.
type Devices interface {
	Begin(ctx context.Context, t tenant.UID, b device.Beginning) (device.Begun, error)
	Ask(ctx context.Context, t tenant.UID, deviceCode string, count bool) (device.Asked, error)
}

// Device answers a device authorization request (RFC 8628 §3.1, §3.2). It is judged as an authorization request is; nothing
// is granted by it, and it is on record when its person answers, or where the client used something up.
func (g *Grants) Device(ctx context.Context, r Request) (device.Begun, error) {
	r.spent, r.Form = &client.Spent{}, r.Form.With("grant_type", oauth.GrantTypeDeviceCode)
	for range maxDecisions {
		begun, err := g.beginDevice(ctx, newCall(r, g.Now()))
		if !errors.Is(err, ledger.ErrStale) {
			return begun, err
		}
		r.Tenant, err = g.Pictures.Refresh(ctx, r.Tenant)
		if err != nil {
			return device.Begun{}, g.notDecided(r, err)
		}
	}
	return device.Begun{}, g.notDecided(r, ledger.ErrStale)
}

func (g *Grants) beginDevice(ctx context.Context, c *call) (device.Begun, error) {
	if g.Devices == nil {
		return device.Begun{}, g.turnAway(c, oauth.Refuse(oauth.CodeGrantTypeUnsupported, oauth.GrantTypeDeviceCode, "a grant that is served"))
	}
	// 1. Who asks, as at the token endpoint; a public client names itself (RFC 8628 §3.1).
	if err := g.authenticate(ctx, c); err != nil {
		return device.Begun{}, err
	}
	if c.client() == nil {
		return device.Begun{}, g.turnAway(c, errNoClient())
	}
	c.introduce()

	// 2. Which key it holds, if it shows one: the token will be bound to it.
	if err := c.verifyProof(ctx, "/device_authorization"); err != nil {
		return device.Begun{}, g.recordRefusal(ctx, c, oauth.AsError(err))
	}

	// 3. What it asks for: resources and scopes that it may have, and that it shows its key if it must.
	request, err := authorization.ParseDevice(authorization.Ask{
		Form: c.Form, Via: authorization.Pushing, Party: authorization.Party{Client: c.client()}, Tenant: c.Tenant, Now: c.now,
		Thumbprint: c.proof.Thumbprint(),
	})
	if err == nil {
		err = c.keyOfDevice(request)
	}
	if err != nil {
		return device.Begun{}, g.recordRefusal(ctx, c, oauth.AsError(err))
	}

	// 4. What proved the caller is used up.
	if used := c.used(); len(used) > 0 {
		event := c.event(audit.TypeAssertionUsed, audit.Allowed)
		event.AssertionID, event.Detail = c.authentication.AssertionID(), map[string]string{"endpoint": "device_authorization"}
		if err := g.commit(ctx, ledger.Entry{
			Tenant: c.Tenant.UID, Pictures: c.Tenant.Pictures(), Redemptions: used, Event: event, Conflict: c.conflict,
		}); err != nil {
			return device.Begun{}, g.notRecorded(c, err)
		}
	}

	// 5. It waits for its person.
	begun, err := g.Devices.Begin(ctx, c.Tenant.UID, device.Beginning{
		ClientUID: c.client().UID, ClientID: c.client().ClientID, Parameters: request.Parameters(), Thumbprint: request.Thumbprint(),
	})
	if errors.Is(err, device.ErrFull) {
		return device.Begun{}, g.turnAway(c, &oauth.Error{Code: oauth.CodeDeviceRequestsFull, Cause: err, RetryAfter: device.Lifetime})
	}
	if err != nil {
		return device.Begun{}, &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	return begun, nil
}

// keyOfDevice: a client or a resource that requires a key has one to which everything is bound from the start.
func (c *call) keyOfDevice(request authorization.Request) error {
	if request.Thumbprint() != "" {
		return nil
	}
	if c.client().RequireDPoP {
		return c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the client requires")
	}
	for _, r := range request.Resources() {
		if r.DPoPRequired {
			return c.refuse(oauth.CodeDPoPProofRequired, "dpop", "no proof", "a DPoP proof, which the resource requires")
		}
	}
	return nil
}
