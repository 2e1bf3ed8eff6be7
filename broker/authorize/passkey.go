package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Passkeys are a second proof on top of a session; *passkey.Desk takes them.
type Passkeys interface {
	Allowed(t *snapshot.Tenant) bool
	Fresh(s session.Session) bool
	List(ctx context.Context, t *snapshot.Tenant, userUID string) ([]passkey.Credential, error)
	Remove(ctx context.Context, t *snapshot.Tenant, userUID, passkeyID string, v passkey.Visit) error
	BeginEnrolment(ctx context.Context, t *snapshot.Tenant, s session.Session, name string) ([]byte, error)
	Enrol(ctx context.Context, t *snapshot.Tenant, s session.Session, response []byte, name string, v passkey.Visit) (passkey.Credential, error)
	BeginProof(ctx context.Context, t *snapshot.Tenant, s session.Session) ([]byte, error)
	Prove(ctx context.Context, t *snapshot.Tenant, s session.Session, response []byte, v passkey.Visit) (session.Proof, error)
}

// Raiser gives a session another proof, and with it another handle; *session.Keeper does.
type Raiser interface {
	Raise(ctx context.Context, t *snapshot.Tenant, s session.Session, proof session.Proof) (session.Session, *http.Cookie, error)
}

const (
	passkeysPath   = "/passkeys"
	newPasskeyPath = "/passkeys/new"
	provePath      = "/passkeys/prove"
	// maxCeremony is for a form with what an authenticator says.
	maxCeremony = 3 * passkey.MaxResponse
)

// Offered implements Ways: a passkey, where the levels that are asked for name it, or only the time matters.
func (p *Stepping) Offered(ctx context.Context, t *snapshot.Tenant, s session.Session, acrValues []string) (Way, bool, error) {
	if !p.byPasskey(t, interaction.Interaction{ACRValues: acrValues}) {
		return Way{}, false, nil
	}
	own, err := p.Passkeys.List(ctx, t, s.UserUID)
	switch {
	case err != nil:
		return Way{}, false, err
	case len(own) > 0:
		return Way{Name: wayPasskey, Own: page.ByPasskey, Path: provePath}, true, nil
	case p.Passkeys.Fresh(s):
		return Way{Name: wayPasskey, Own: page.ByNewPasskey, Path: newPasskeyPath}, true, nil
	}
	return Way{}, false, nil
}

// list shows the person's passkeys.
func (p *Stepping) list(ctx context.Context, v Visit) (Reply, error) {
	s, reply, err := p.Desk.SignedIn(ctx, v, signin.Ask{Then: passkeysPath})
	if s == nil {
		return reply, err
	}
	person, err := p.Desk.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	own, err := p.Passkeys.List(ctx, v.Tenant, s.UserUID)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	token, fresh := v.Token("passkeys", handleOf(s))
	model := page.Passkeys{Action: v.path(passkeysPath), Token: token, Person: person, Account: v.path(accountPath)}
	if p.Passkeys.Allowed(v.Tenant) && len(own) < passkey.Most {
		model.Add = v.path(newPasskeyPath)
	}
	for _, c := range own {
		model.Passkeys = append(model.Passkeys, page.OwnPasskey{Key: c.ID, Name: c.Name, Added: c.CreatedAt, Used: c.UsedAt})
	}
	reply, err = p.Desk.show(v, http.StatusOK, model)
	return reply.with(fresh), err
}

// remove takes away the passkey that the person points at.
func (p *Stepping) remove(ctx context.Context, v Visit) (Reply, error) {
	form, s, reply, err := p.posted(ctx, v, "passkeys", passkeysPath)
	if s == nil {
		return reply, err
	}
	err = p.Passkeys.Remove(ctx, v.Tenant, s.UserUID, form.Get("passkey"), from(v))
	if err != nil && !errors.Is(err, passkey.ErrGone) { // gone is what was wanted
		return Reply{}, failed{error: unavailable(err), again: v.path(passkeysPath)}
	}
	return Reply{Status: http.StatusSeeOther, Location: v.path(passkeysPath)}, nil
}

// askNew shows the page that makes a passkey.
func (p *Stepping) askNew(ctx context.Context, v Visit) (Reply, error) {
	return p.ceremony(ctx, v, newPasskeyPath, passkeysPath, func(s *session.Session, person page.Person) ([]byte, error) {
		return p.Passkeys.BeginEnrolment(ctx, v.Tenant, *s, person.Label())
	})
}

// ask shows the page that uses one.
func (p *Stepping) ask(ctx context.Context, v Visit) (Reply, error) {
	return p.ceremony(ctx, v, provePath, accountPath, func(s *session.Session, _ page.Person) ([]byte, error) {
		return p.Passkeys.BeginProof(ctx, v.Tenant, *s)
	})
}

func (p *Stepping) ceremony(ctx context.Context, v Visit, path, otherwise string, begin func(*session.Session, page.Person) ([]byte, error)) (Reply, error) {
	then, err := thenOf(v, otherwise)
	if err != nil {
		return Reply{}, err
	}
	here := path + "?then=" + url.QueryEscape(then)
	s, reply, err := p.Desk.SignedIn(ctx, v, signin.Ask{Then: here})
	if s == nil {
		return reply, err
	}
	person, err := p.Desk.person(ctx, v.Tenant, s)
	if err != nil {
		return Reply{}, err
	}
	options, err := begin(s, person)
	if err != nil {
		return Reply{}, passkeyRefusal(err, v.path(then))
	}
	token, fresh := v.Token(path, then, handleOf(s))
	reply, err = p.Desk.show(v, http.StatusOK, page.Passkey{
		Action: v.path(here), Token: token, Person: person, Enrol: path == newPasskeyPath, Options: options, Back: v.path(then),
	})
	return reply.with(fresh), err
}

// enrol takes a new passkey.
func (p *Stepping) enrol(ctx context.Context, v Visit) (Reply, error) {
	then, err := thenOf(v, passkeysPath)
	if err != nil {
		return Reply{}, err
	}
	form, s, reply, err := p.posted(ctx, v, newPasskeyPath, newPasskeyPath+"?then="+url.QueryEscape(then), then)
	if s == nil {
		return reply, err
	}
	if _, err := p.Passkeys.Enrol(ctx, v.Tenant, *s, []byte(form.Get("response")), form.Get("name"), from(v)); err != nil {
		return Reply{}, passkeyRefusal(err, v.path(newPasskeyPath+"?then="+url.QueryEscape(then)))
	}
	if then == passkeysPath {
		return p.onward(v, then)
	}
	return p.onward(v, provePath+"?then="+url.QueryEscape(then)) // it was made to be used
}

// prove takes an assertion, and raises the session with it: the browser gets another handle (T37).
func (p *Stepping) prove(ctx context.Context, v Visit) (Reply, error) {
	then, err := thenOf(v, accountPath)
	if err != nil {
		return Reply{}, err
	}
	form, s, reply, err := p.posted(ctx, v, provePath, provePath+"?then="+url.QueryEscape(then), then)
	if s == nil {
		return reply, err
	}
	again := v.path(provePath + "?then=" + url.QueryEscape(then))
	proof, err := p.Passkeys.Prove(ctx, v.Tenant, *s, []byte(form.Get("response")), from(v))
	if err != nil {
		return Reply{}, passkeyRefusal(err, again)
	}
	_, cookie, err := p.Raiser.Raise(ctx, v.Tenant, *s, proof)
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: again}
	}
	reply, err = p.onward(v, then)
	return reply.with(cookie), err
}

// posted reads a form of a page of this room, made for this browser and session. Where nobody is signed in any more, the
// session is nil and the reply brings the person to a sign-in.
func (p *Stepping) posted(ctx context.Context, v Visit, purpose, here string, of ...string) (oauth.Form, *session.Session, Reply, error) {
	form, err := v.form()
	if err != nil {
		return oauth.Form{}, nil, Reply{}, err
	}
	s, err := p.Desk.Sessions.Current(ctx, v.Tenant, v.Request)
	if err != nil {
		return oauth.Form{}, nil, Reply{}, failed{error: unavailable(err), again: v.path(here)}
	}
	if s == nil {
		return oauth.Form{}, nil, Reply{Status: http.StatusSeeOther, Location: v.path(here)}, nil
	}
	if err := v.Check(form, append(append([]string{purpose}, of...), handleOf(s))...); err != nil {
		return oauth.Form{}, nil, Reply{}, failed{error: err, again: v.path(here)}
	}
	return form, s, Reply{}, nil
}

// onward ends the chain of redirects that a form began: what comes next may lead to a client's address, to which the
// policy of this page does not let a form go.
func (p *Stepping) onward(v Visit, then string) (Reply, error) {
	return p.Desk.show(v, http.StatusOK, page.Onward{URL: v.Tenant.Issuer + then})
}

// thenOf is where the browser goes afterwards: a path of ours, and nowhere else (T39).
func thenOf(v Visit, otherwise string) (string, error) {
	then := v.Request.URL.Query().Get("then")
	if then == "" {
		return otherwise, nil
	}
	if !samePath(then) {
		return "", oauth.Refuse(oauth.CodeRequestMalformed, "a then that is no path of ours", "a path")
	}
	return then, nil
}

func from(v Visit) passkey.Visit { return passkey.Visit{Trace: v.Trace, Remote: v.Remote} }

// passkeyRefusal says what a passkey is refused for, outside. The room has recorded it.
func passkeyRefusal(err error, again string) error {
	for _, known := range []struct {
		err      error
		code     oauth.Code
		recorded bool
	}{
		{passkey.ErrNotAllowed, oauth.CodePasskeysNotAllowed, false},
		{passkey.ErrNotFresh, oauth.CodePasskeySignInNotFresh, false},
		{passkey.ErrNone, oauth.CodePasskeyNone, false},
		{passkey.ErrFull, oauth.CodePasskeyLimit, false},
		{passkey.ErrTaken, oauth.CodePasskeyRefused, true},
		{passkey.ErrGone, oauth.CodePasskeyRefused, true},
		{passkey.ErrRefused, oauth.CodePasskeyRefused, true},
	} {
		if errors.Is(err, known.err) {
			return failed{error: oauth.Refuse(known.code, known.err.Error(), ""), again: again, recorded: known.recorded}
		}
	}
	return failed{error: unavailable(err), again: again}
}
