package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// pushed is the answer of RFC 9126 §2.2.
type pushed struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// push takes an authorization request from its client (RFC 9126 §2).
func (d *Desk) push(ctx context.Context, v Visit) (Reply, error) {
	form, err := v.form()
	if err != nil {
		d.record(v, nil, oauth.AsError(err))
		return Reply{}, err
	}
	// 1. Who pushes: as at the token endpoint (RFC 9126 §2.1). A public client names itself.
	who, err := d.Clients.Authenticate(ctx, client.Request{
		Tenant: v.Tenant.UID, Issuer: v.Tenant.Issuer, TokenEndpoint: v.Tenant.Issuer + "/token",
		Authorization: v.Request.Header.Values("Authorization"), ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"),
		Assertion: form.Get("client_assertion"), AssertionType: form.Get("client_assertion_type"), Spent: &client.Spent{},
	})
	if err == nil && who.Client() == nil {
		err = oauth.Refuse(oauth.CodeClientAuthenticationRequired, "no client", "client authentication")
	}
	if err != nil {
		d.record(v, nil, oauth.AsError(err))
		return Reply{}, err
	}
	// 2. Which key it holds, if it shows one: the code will be bound to it (RFC 9449 §10.1).
	proof, err := dpop.Verify(v.Request.Header.Values("DPoP"), dpop.Expectation{
		Tenant: v.Tenant.UID, Method: http.MethodPost, URL: v.Tenant.Issuer + "/par", Now: d.Now(), Nonce: v.Nonce,
	})
	thumbprint := ""
	if err == nil && !proof.IsZero() {
		thumbprint = proof.Thumbprint()
	}
	// 3. What it asks for.
	var request authorization.Request
	if err == nil {
		request, err = authorization.Parse(authorization.Ask{
			Form: form, Via: authorization.Pushing, Party: partyOf(who.Client()), Tenant: v.Tenant, Now: d.Now(), Thumbprint: thumbprint,
			Hint: d.hintTo(ctx, v.Tenant, who.Client()),
		})
	}
	// 4. What proved the client is used up, whatever the answer.
	if spent := d.spend(ctx, v, who, proof, err); spent != nil {
		return Reply{}, spent
	}
	if err != nil {
		return Reply{}, err // *Shown and *Returned alike: the client itself is here to hear it (RFC 9126 §2.3)
	}
	proved := vouched(who)
	if !proved {
		if err := d.room(v); err != nil {
			d.record(v, who.Client(), oauth.AsError(err))
			return Reply{}, err
		}
	}
	uri, err := d.Pushes.Push(ctx, v.Tenant.UID, request, proved)
	if err != nil {
		err = crowded(err)
		d.record(v, who.Client(), oauth.AsError(err))
		return Reply{}, err
	}
	body, err := json.Marshal(pushed{RequestURI: uri, ExpiresIn: int64(authorization.PushedLifetime.Seconds())})
	if err != nil {
		return Reply{}, err
	}
	return Reply{Status: http.StatusCreated, Type: "application/json", Body: body}, nil
}

// spend records a push whose client or key was proved by something that is good once, and every refusal of a client that
// proved itself.
func (d *Desk) spend(ctx context.Context, v Visit, who client.Authentication, proof dpop.Proof, refused error) error {
	if !who.Proved() && proof.IsZero() {
		if refused != nil {
			d.record(v, who.Client(), oauth.AsError(refused))
		}
		return nil
	}
	entry := ledger.Entry{Tenant: v.Tenant.UID, Pictures: v.Tenant.Pictures(), Event: d.pushEvent(v, who, refused)}
	if r := who.Redemption(); r != nil {
		entry.Redemptions = append(entry.Redemptions, *r)
	}
	if !proof.IsZero() {
		entry.Redemptions = append(entry.Redemptions, proof.Redemption())
	}
	if len(entry.Redemptions) == 0 && refused == nil {
		return nil
	}
	entry.Conflict = func(lost ledger.Redemption) audit.Event {
		return d.pushEvent(v, who, oauth.Refuse(oauth.Code(lost.Code), "used before", "used once"))
	}
	err := d.Journal.Commit(ctx, entry)
	if conflict, ok := errors.AsType[*ledger.Conflict](err); ok {
		return oauth.Refuse(oauth.Code(conflict.Lost.Code), "used before", "used once")
	}
	if err != nil {
		return &oauth.Error{Code: oauth.CodeLedgerUnavailable, Cause: err, RetryAfter: retryAfter}
	}
	return nil
}

func (d *Desk) pushEvent(v Visit, who client.Authentication, refused error) audit.Event {
	now := d.Now()
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: v.Tenant.UID, Trace: v.Trace, Type: audit.TypeAssertionUsed, Outcome: audit.Allowed,
		Principal: audit.Principal{Kind: "client", ID: who.Client().UID, Name: who.Client().Name}, Client: who.Client().Name,
		AssertionID: who.AssertionID(), Remote: v.Remote,
	}
	if refused != nil {
		refusal := oauth.AsError(refused)
		e.Type, e.Outcome, e.Code = audit.TypeAuthorizeRefused, audit.Refused, string(refusal.Code)
		e.Checks = []audit.Check{{Name: "authorization", Received: refusal.Received, Expected: refusal.Expected}}
	}
	return e
}
