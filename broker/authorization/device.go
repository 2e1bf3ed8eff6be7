package authorization

import (
	"errors"
	"net/url"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// ParseDevice judges a device's request (RFC 8628 §3.1) by the same rules: resources, scopes and how the person is to be
// authenticated. There is no redirect URI and no code, and so nothing that an answer could go to: whoever gets the Request
// must not ask for its Return. The answer waits until the device asks for it.
//
// Via is Pushing where the device asks, and Pushed for what rested here since. A refusal is *oauth.Error.
func ParseDevice(a Ask) (Request, error) {
	if a.Tenant == nil || a.Tenant.Issuer == "" || a.Now.IsZero() || a.Via < Pushing || a.Via > Pushed {
		return Request{}, errors.New("a device's request is judged by a tenant, its issuer, a time, and how it came")
	}
	// 1. Who asks: a client that has authenticated, or is public and named itself.
	if err := a.checkClient(); err != nil {
		return Request{}, oauth.AsError(err)
	}
	// 2. Everything else.
	r := Request{client: a.Party.Client, device: true}
	for _, check := range []func(Ask) *oauth.Error{
		checkUnserved, r.checkDeviceGrant, r.settleResources, r.settleScopes, r.readThumbprint, r.readWishes, r.readText,
	} {
		if wrong := check(a); wrong != nil {
			return Request{}, wrong
		}
	}
	if r.prompt.None { // nobody is at a page yet, and somebody must come
		return Request{}, oauth.Refuse(oauth.CodePromptInvalid, "none", "no prompt, login, consent or select_account")
	}
	r.parameters = r.encodeDevice(a)
	return r, nil
}

// checkDeviceGrant: a client of a platform's workload acts for nobody, whatever it lists.
func (r *Request) checkDeviceGrant(Ask) *oauth.Error {
	if !r.client.MayUse(oauth.GrantTypeDeviceCode) || r.client.Auth.Method == client.MethodWorkload {
		return oauth.Refuse(oauth.CodeClientGrantNotAllowed, strings.Join(r.client.GrantTypes, " "), oauth.GrantTypeDeviceCode)
	}
	return nil
}

// checkUnserved is checkForm for a request without a response type: parameters that would change it and are not understood.
func checkUnserved(a Ask) *oauth.Error {
	for _, p := range []struct {
		name string
		code oauth.Code
	}{
		{"request", oauth.CodeRequestObjectUnsupported},
		{"request_uri", oauth.CodeRequestURIUnsupported},
		{"registration", oauth.CodeRegistrationUnsupported},
		{"authorization_details", oauth.CodeAuthorizationDetailsUnsupported}, // RFC 9396 §5: no type is known
	} {
		if a.Form.Get(p.name) != "" {
			return oauth.Refuse(p.code, p.name, "the parameters themselves")
		}
	}
	return nil
}

func (r *Request) encodeDevice(a Ask) string {
	values := url.Values{"client_id": {r.client.ClientID}}
	for _, name := range []string{"scope", "prompt", "max_age", "acr_values", "login_hint", "ui_locales", "nonce"} {
		if v := a.Form.Get(name); v != "" {
			values.Set(name, v)
		}
	}
	if r.thumbprint != "" {
		values.Set("dpop_jkt", r.thumbprint)
	}
	if named := a.Form.Resources(); len(named) > 0 {
		values["resource"] = named
	}
	return values.Encode()
}
