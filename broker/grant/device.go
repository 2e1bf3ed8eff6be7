package grant

import (
	"context"
	"encoding/base64"
	"errors"

	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// deviceCode gives a device what its person let it have, or says that he has not answered (RFC 8628 §3.4, §3.5).
func (g *Grants) deviceCode(ctx context.Context, c *call) (granted, error) {
	// 1. The client lists the grant, and shows its key if it must.
	if err := c.clientMayUseGrant(); err != nil {
		return granted{}, err
	}

	// 2. The device code is one of ours, and this client's, shown with the key to which it is bound.
	asked, err := g.askDevice(ctx, c)
	if err != nil {
		return granted{}, err
	}

	// 3. Its person has answered, and said yes.
	if err := c.answered(asked); err != nil {
		return granted{}, err
	}

	// 4. What it stands for, as it is now: a yes of minutes ago is policy's question again.
	c.holds, c.whose = true, asked.UserUID
	result, err := g.exchange(ctx, c, *asked.Granted, base64.RawURLEncoding.EncodeToString(asked.Handle[:]))
	if err != nil {
		return granted{}, err
	}

	// 5. The device code is redeemed with it, once. A second use ends nothing: a device that asks twice at once is no thief.
	result.redemptions = append(result.redemptions, asked.Redemption(c.Tenant.UID, string(oauth.CodeDeviceCodeUsed)))
	return result, nil
}

// askDevice finds the request of the device code. Whoever is not its client learns nothing of it, and does not slow it down.
// A request that is decided again is one question of the device's.
func (g *Grants) askDevice(ctx context.Context, c *call) (device.Asked, error) {
	deviceCode := c.Form.Get("device_code")
	if deviceCode == "" {
		return device.Asked{}, c.refuse(oauth.CodeParameterMissing, "device_code", "no device_code", "device_code")
	}
	asked, err := g.Devices.Ask(ctx, c.Tenant.UID, deviceCode, false)
	switch {
	case errors.Is(err, device.ErrUnknown):
		return device.Asked{}, c.refuse(oauth.CodeDeviceCodeInvalid, "device_code", "an unknown code", "one that we gave")
	case err != nil:
		return device.Asked{}, notKnown(err)
	case asked.ClientUID != c.client().UID: // T38
		return device.Asked{}, c.refuse(oauth.CodeDeviceClientMismatch, "device_code", c.client().UID, asked.ClientUID)
	case asked.Thumbprint != "" && asked.Thumbprint != c.proof.Thumbprint():
		return device.Asked{}, c.refuse(oauth.CodeDeviceKeyMismatch, "dpop", c.proof.Thumbprint(), asked.Thumbprint)
	}
	if asked.State != device.Waiting || *c.paced {
		return asked, nil
	}
	*c.paced = true
	asked, err = g.Devices.Ask(ctx, c.Tenant.UID, deviceCode, true)
	if err != nil {
		return device.Asked{}, notKnown(err)
	}
	return asked, nil
}

// answered tells what the person said (RFC 8628 §3.5). A yes that came in time is not too old to be fetched before its request
// ends, and not after.
func (c *call) answered(asked device.Asked) error {
	switch {
	case !asked.Alive(c.now):
		return c.refuse(oauth.CodeDeviceExpired, "device_code", "ended at "+asked.ExpiresAt.String(), "a request that is alive")
	case asked.State == device.Waiting && asked.Early:
		return c.refuse(oauth.CodeSlowDown, "device_code", "asked too early", "every "+asked.Wait.String())
	case asked.State == device.Waiting:
		return c.refuse(oauth.CodeAuthorizationPending, "device_code", "no answer yet", "an answer")
	case asked.State != device.Approved || asked.Granted == nil:
		return c.refuse(oauth.CodeDeviceDenied, "device_code", "no", "yes")
	case asked.Revoked:
		return c.refuse(oauth.CodeDeviceRevoked, "device_code", "taken back since", "an approval that counts")
	case asked.Granted.ClientUID != c.client().UID || asked.Granted.UserUID != asked.UserUID:
		return c.refuse(oauth.CodeDeviceCodeInvalid, "device_code", "an approval of another request", "this one's")
	}
	c.passed("device_code", "approved at "+asked.At.String(), "")
	return nil
}

// waits tells whether a device is told to ask again.
func waits(code oauth.Code) bool {
	return code == oauth.CodeAuthorizationPending || code == oauth.CodeSlowDown
}
