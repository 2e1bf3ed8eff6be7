package device

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// By is who types or confirms a code: somebody who is signed in, and where he is.
type By struct {
	Session session.Session
	Remote  string // network address
	Trace   string
}

// Found is a request that waits, and what it asks for at this moment. Only Find makes one.
type Found struct {
	authorization Authorization
	request       authorization.Request
	tenant        *snapshot.Tenant
}

// Request is what the device asks for; it has no Return.
func (f Found) Request() authorization.Request { return f.request }

// Handle names the request, for a form that is bound to it.
func (f Found) Handle() Handle { return f.authorization.Handle }

// ExpiresAt is when it ends.
func (f Found) ExpiresAt() time.Time { return f.authorization.ExpiresAt }

// Find gives the request that waits under a code that somebody typed or confirmed, with what its client may still ask for.
// What is wrong with a code, its client or its request is one answer, user_code_unknown; who is wrong too often, by session
// or by address, has to wait (RFC 8628 §5.1). A refusal is *oauth.Error.
func (a *Authorizations) Find(ctx context.Context, t *snapshot.Tenant, clients client.Registry, userCode string, by By) (Found, error) {
	if by.Session.Handle == [sha256.Size]byte{} || by.Session.Tenant != t.UID || by.Session.UserUID == "" {
		return Found{}, errors.New("codes of devices are for people who are signed in")
	}
	place := limit.Address(by.Remote).String()
	wait, ok := a.sessions.take(by.Session.Handle)
	if ok {
		if wait, ok = a.places.take(place); !ok {
			a.sessions.giveBack(by.Session.Handle)
		}
	}
	if !ok {
		return Found{}, &oauth.Error{Code: oauth.CodeUserCodeTriesExceeded, RetryAfter: wait, Cause: ErrTries}
	}
	found, err := a.find(ctx, t, clients, userCode)
	if _, refused := errors.AsType[*oauth.Error](err); !refused { // it was right, or nothing is known of it
		a.sessions.giveBack(by.Session.Handle)
		a.places.giveBack(place)
	}
	return found, err
}

func (a *Authorizations) find(ctx context.Context, t *snapshot.Tenant, clients client.Registry, userCode string) (Found, error) {
	typed, ok := Normalize(userCode)
	if !ok {
		return Found{}, oauth.Refuse(oauth.CodeUserCodeUnknown, "no code", "eight letters")
	}
	digests, err := a.digests(t.UID, typed)
	if err != nil {
		return Found{}, err
	}
	waiting, err := a.store.ByCode(ctx, t.UID, digests, a.now())
	if errors.Is(err, ErrUnknown) {
		return Found{}, oauth.Refuse(oauth.CodeUserCodeUnknown, "an unknown code", "one that a device shows")
	}
	if err != nil {
		return Found{}, err
	}
	caller, err := clients.Lookup(ctx, t.UID, waiting.ClientID)
	if err != nil && !errors.Is(err, client.ErrUnknown) {
		return Found{}, err
	}
	if err != nil || caller.UID != waiting.ClientUID { // what has its name now is another one
		return Found{}, oauth.Refuse(oauth.CodeUserCodeUnknown, "a client that is gone", "the client that began")
	}
	form, err := oauth.ParseForm([]byte(waiting.Parameters))
	if err != nil {
		return Found{}, err
	}
	request, err := authorization.ParseDevice(authorization.Ask{
		Form: form, Via: authorization.Pushed, Party: authorization.Party{Client: caller}, Tenant: t, Now: a.now(), Thumbprint: waiting.Thumbprint,
	})
	if refusal, refused := errors.AsType[*oauth.Error](err); refused {
		return Found{}, &oauth.Error{Code: oauth.CodeUserCodeUnknown, Received: string(refusal.Code), Cause: refusal}
	}
	if err != nil {
		return Found{}, err
	}
	return Found{authorization: waiting, request: request, tenant: t}, nil
}

// Approve lets the client have what was granted, if the request still waits: else it is user_code_unknown. Policy was asked
// before, and is asked again when the device fetches its token.
func (a *Authorizations) Approve(ctx context.Context, f Found, by By, granted code.Grant) error {
	nothing := func(r code.Resource) bool { return r.UID == "" || len(r.Scopes) == 0 }
	if granted.UserUID != by.Session.UserUID || granted.IdPUID != by.Session.IdPUID || granted.Session != by.Session.Handle ||
		granted.ClientUID != f.authorization.ClientUID || len(granted.Resources) == 0 || slices.ContainsFunc(granted.Resources, nothing) {
		return errors.New("an approval of nothing, or for somebody else")
	}
	granted.Thumbprint, granted.Nonce = f.authorization.Thumbprint, f.request.Nonce()
	return a.answer(ctx, f, by, Approved, audit.TypeDeviceApproved, &granted)
}

// Deny says no for the person, if the request still waits: else it is user_code_unknown.
func (a *Authorizations) Deny(ctx context.Context, f Found, by By) error {
	return a.answer(ctx, f, by, Denied, audit.TypeDeviceDenied, nil)
}

func (a *Authorizations) answer(ctx context.Context, f Found, by By, to State, kind audit.Type, granted *code.Grant) error {
	if f.tenant == nil || by.Session.Tenant != f.tenant.UID || by.Session.UserUID == "" {
		return errors.New("an answer needs a request that was found, and somebody who is signed in")
	}
	now := a.now().UTC().Truncate(time.Microsecond)
	outcome := audit.Allowed
	if to == Denied {
		outcome = audit.Refused
	}
	event := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: f.tenant.UID, Trace: by.Trace, Type: kind, Outcome: outcome,
		Principal: audit.Principal{Kind: "user", ID: by.Session.UserUID}, OnBehalf: by.Session.UserUID,
		Client: f.authorization.ClientID, Remote: by.Remote, GrantType: oauth.GrantTypeDeviceCode,
	}
	if granted != nil {
		event.Decision = granted.DecisionID
		for _, r := range granted.Resources {
			event.Scope = strings.TrimSpace(event.Scope + " " + strings.Join(r.Scopes, " "))
		}
	}
	err := a.store.Answer(ctx, f.tenant.UID, f.authorization.Handle, to, Answer{
		At: now, UserUID: by.Session.UserUID, IdPUID: by.Session.IdPUID, Version: f.tenant.Version, Granted: granted,
	}, event)
	if errors.Is(err, ErrUnknown) {
		return oauth.Refuse(oauth.CodeUserCodeUnknown, "answered or over meanwhile", "a request that waits")
	}
	return err
}
