package authorize

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

const retryAfter = time.Second

// begin takes an authorization request (RFC 6749 §4.1.1) and puts it by, so that the browser can go to an IdP and come
// back, and everything on the way is asked again of the tenant's picture of the moment.
func (d *Desk) begin(ctx context.Context, v Visit) (Reply, error) {
	// 1. Can anybody sign in here?
	if len(v.Tenant.SignIn.IdPs) == 0 {
		return Reply{}, oauth.Refuse(oauth.CodeSignInUnserved, "a tenant without an IdP to sign in at", "an IdP's oidc or saml")
	}
	if again, ok := v.looked(); ok {
		return again, nil
	}
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	// 2. Who asks, for what, and where the answer goes.
	party, err := d.party(ctx, v.Tenant, form.Get("client_id"))
	if err != nil {
		return Reply{}, err
	}
	via, provedBy := authorization.Browser, ""
	if uri, pushed := authorization.PushedURI(form); pushed { // RFC 9126 §4: nothing else of this request counts
		taken, err := d.Pushes.Take(ctx, v.Tenant.UID, party, uri)
		if err != nil {
			return Reply{}, unavailable(err)
		}
		via, form, provedBy = authorization.Pushed, taken.Form, taken.ProvedBy
	}
	request, err := authorization.Parse(authorization.Ask{Form: form, Via: via, Party: party, Tenant: v.Tenant, Now: d.Now(), Hint: d.hintTo(ctx, v.Tenant, party.Client)})
	if returned, ok := errors.AsType[*authorization.Returned](err); ok {
		d.record(v, party.Client, returned.Refusal)
		return d.send(v, returned.Return.Refused(returned, v.Trace), false)
	}
	if err != nil {
		return Reply{}, err
	}
	// 3. It waits for its person, in this browser.
	if err := d.room(v); err != nil {
		return Reply{}, err
	}
	b := greet(v.Tenant, v.Request)
	waits, handle := newSecret()
	now := d.Now()
	err = d.Requests.Keep(ctx, v.Tenant.UID, Pending{
		Handle: handle, Browser: b.digest, Parameters: request.Parameters(), CreatedAt: now, ExpiresAt: now.Add(PendingLifetime), ProvedBy: provedBy,
	})
	if err != nil {
		return Reply{}, crowded(fmt.Errorf("keep the request: %w", err))
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(requestPath + waits)}.with(b.fresh), nil
}

// maxLooked keeps the address below what servers take as a request line.
const maxLooked = 8 << 10

// looked has a browser that posts a request ask for it again. With a form of another site it sends no cookie of ours, and one
// that was set now would take the place of that, and with it every request that waits in the browser.
func (v Visit) looked() (Reply, bool) {
	if _, kept := browserOf(v.Tenant, v.Request); kept || !v.posted() || len(v.Raw) > maxLooked {
		return Reply{}, false
	}
	values, err := v.values()
	if err != nil { // which is told below
		return Reply{}, false
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path("/authorize?" + values.Encode())}, true
}

// party finds the client that asks. Whoever is not known is nobody, for Parse to say.
func (d *Desk) party(ctx context.Context, t *snapshot.Tenant, clientID string) (authorization.Party, error) {
	if clientID == "" {
		return authorization.Party{}, nil
	}
	c, err := d.Registry.Lookup(ctx, t.UID, clientID)
	switch {
	case errors.Is(err, client.ErrUnknown):
		return authorization.Party{}, nil
	case err != nil:
		return authorization.Party{}, unavailable(err)
	}
	return partyOf(c), nil
}

// hintTo reads ID tokens that were issued to a client.
func (d *Desk) hintTo(ctx context.Context, t *snapshot.Tenant, c *client.Client) func(string) (string, bool) {
	return func(token string) (string, bool) {
		subject, clientID, err := d.Hints.Hint(ctx, t, token)
		return subject, err == nil && c != nil && clientID == c.ClientID
	}
}

func partyOf(c *client.Client) authorization.Party {
	return authorization.Party{Client: c, RedirectURIs: c.RedirectURIs, MustPush: c.MustPush}
}
