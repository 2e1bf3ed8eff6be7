package authorize

import (
	"context"
	"net/http"
	"net/url"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
)

// deviceProofPath takes what a person says on the page that asks him to prove more for a device.
const deviceProofPath = "/device/proof"

// deviceStepUp explains that policy wants more than the present sign-in for what a device asks, and shows the ways. After any
// of them the person comes back to his code: he types or confirms it again, and policy is asked again (RFC 9470 §5).
func (d *Desk) deviceStepUp(ctx context.Context, v Visit, s *session.Session, r authorization.Request, typed string, x demand, tried Progress) (Reply, error) {
	ways, _, err := d.waysOf(ctx, v.Tenant, s, x, tried)
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(deviceWith(typed))}
	}
	if len(ways) == 0 {
		return Reply{}, failed{error: unmet(x), again: v.path(devicePath)}
	}
	person, err := d.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	token, fresh := v.Token("device proof", handleOf(s), typed)
	model := x.page(r.Client(), r.Resources())
	model.Action, model.Token, model.Person, model.Ways = v.path(deviceProofPath+"?user_code="+url.QueryEscape(typed)), token, person, ways
	reply, err := d.show(v, http.StatusOK, model, r.UILocales()...)
	return reply.with(fresh), err
}

// deviceProof follows what the person said on that page.
func (d *Desk) deviceProof(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	typed := device.Shown(v.Request.URL.Query().Get("user_code"))
	s, reply, err := d.SignedIn(ctx, v, signin.Ask{Then: deviceWith(typed)})
	if s == nil {
		return reply, err
	}
	again := v.path(deviceWith(typed))
	if err := v.Check(form, "device proof", handleOf(s), typed); err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	by := device.By{Session: *s, Remote: v.Remote, Trace: v.Trace}
	found, err := d.Devices.Find(ctx, v.Tenant, d.Registry, typed, by)
	if isCode(err, oauth.CodeUserCodeUnknown) {
		return d.askForCode(v, s, typed, true)
	}
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: again}
	}
	way := form.Get("way")
	if way == "" {
		if err := d.Devices.Deny(ctx, found, by); err != nil {
			return Reply{}, failed{error: unavailable(err), again: again}
		}
		return d.show(v, http.StatusOK, page.Finished{Denied: true})
	}
	// What policy wants is asked again: nothing of it came with the form.
	request := found.Request()
	_, err = d.considerDevice(ctx, v, s, request)
	if err == nil {
		return Reply{Status: http.StatusSeeOther, Location: again}, nil
	}
	if !isCode(err, oauth.CodeStepUpRequired) {
		return Reply{}, failed{error: unavailable(err), again: again, recorded: true}
	}
	return d.proveForDevice(ctx, v, s, request, typed, demandOf(oauth.AsError(err)), way)
}

func (d *Desk) proveForDevice(ctx context.Context, v Visit, s *session.Session, r authorization.Request, typed string, x demand, way string) (Reply, error) {
	ways, passkey, err := d.waysOf(ctx, v.Tenant, s, x, Progress{})
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(deviceWith(typed))}
	}
	idp, known := idpByUID(v.Tenant, s.IdPUID)
	switch {
	case known && way == wayIdP && len(ways) > 0 && ways[0].Name == wayIdP:
		ask := x.ask(r, s)
		ask.Then = deviceWith(typed)
		reply, err := d.Depart(ctx, v, idp, ask)
		if isCode(err, oauth.CodeIdPStepUpUnsupported) { // there is another way, or none
			return d.deviceStepUp(ctx, v, s, r, typed, x, Progress{AskedIdP: true})
		}
		return reply, err
	case passkey != nil && way == passkey.Name:
		return Reply{Status: http.StatusSeeOther, Location: v.path(passkey.Path) + "?then=" + url.QueryEscape(deviceWith(typed))}, nil
	}
	return d.deviceStepUp(ctx, v, s, r, typed, x, Progress{})
}
