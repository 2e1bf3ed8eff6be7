package signin

import (
	"context"
	"errors"
	"net/http"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation"
)

// await keeps what an IdP said that nobody had asked, until the person confirms it: whoever posts somebody else's response
// into a browser would sign him in as another (T28). The response is used up now, and whom it speaks of must be somebody
// here or to be made.
func (d *Desk) await(ctx context.Context, a *attempt, w word, once []ledger.Redemption, r *http.Request) (Arrival, error) {
	a.verified, a.checks = true, append(a.checks, checksOf(w.checks)...)
	resolution, err := federation.Resolve(ctx, d.Directories.Directory(a.tenant), a.idp, w.ids)
	if err != nil {
		return Arrival{}, unknown(err)
	}
	a.checks, a.user = append(a.checks, checksOf(resolution.Checks)...), resolution.Account.UID
	err = d.Journal.Commit(ctx, ledger.Entry{Tenant: a.tenant.UID, Redemptions: once, Event: a.event(audit.TypeSignInWaits, audit.Challenged), Conflict: a.lost})
	if err != nil {
		return Arrival{}, err
	}
	handle := newName()
	tied, err := d.keep(ctx, a.tenant.UID, a.idp, KindConfirm, handle, carried{Word: w.text(a.idp.Issuer)}, r)
	if err != nil {
		return Arrival{}, err
	}
	return Arrival{
		Session: session.Session{Tenant: a.tenant.UID, UserUID: resolution.Account.UID, IdPUID: a.idp.UID, Proof: w.proof},
		Confirm: handle, Person: w.person(), Cookies: tied,
	}, nil
}

// Confirm starts the session of a sign-in that an IdP began, by the person's word.
func (d *Desk) Confirm(ctx context.Context, t *snapshot.Tenant, handle string, r *http.Request) (Arrival, error) {
	a := d.attempt(ctx, t, &federation.IdentityProvider{}, audit.TypeSignInRefused)
	arrival, err := d.confirm(a.within(ctx), a, handle, r)
	if err != nil {
		return Arrival{Cookies: arrival.Cookies}, a.refuse(ctx, err)
	}
	return arrival, nil
}

func (d *Desk) confirm(ctx context.Context, a *attempt, handle string, r *http.Request) (Arrival, error) {
	c, gone, err := d.taken(ctx, a, handle, r)
	arrival := Arrival{Cookies: cookies(gone)}
	if errors.Is(err, ErrGone) {
		return arrival, oauth.Refuse(oauth.CodeSignInConfirmUnknown, "a handle that is unknown or of another browser", "a sign-in that waits")
	}
	if err != nil {
		return arrival, err
	}
	p, err := samlProvider(a.tenant, a.idp)
	if err != nil {
		return arrival, err
	}
	if !p.IdPInitiated {
		return arrival, oauth.Refuse(oauth.CodeSignInConfirmUnknown, "a sign-in of an IdP that may not begin by itself any more", "a sign-in that waits")
	}
	w, err := c.Word.word()
	if err != nil {
		return arrival, err
	}
	return d.settle(ctx, a, arrival, c, w, nil, r)
}

// taken is take where the IdP is the one that waits. An entry that points elsewhere now is another IdP.
func (d *Desk) taken(ctx context.Context, a *attempt, handle string, r *http.Request) (carried, *http.Cookie, error) {
	k, c, gone, err := d.open(ctx, a.tenant.UID, KindConfirm, handle, r)
	if err != nil {
		return carried{}, gone, err
	}
	idp, ok := a.tenant.IdentityProvider(k.IdPUID)
	if !ok || c.Word == nil || c.Word.IdPUID != k.IdPUID || c.Word.Issuer != idp.Issuer || !d.Now().Before(k.ExpiresAt) {
		return carried{}, gone, ErrGone
	}
	a.idp = idp
	return c, gone, nil
}
