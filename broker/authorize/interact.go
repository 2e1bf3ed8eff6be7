package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// Interactions are what people finish for agents that have no browser; *interaction.Desk keeps them.
type Interactions interface {
	Open(ctx context.Context, t tenant.UID, id string) (interaction.Interaction, error)
	Depart(ctx context.Context, i interaction.Interaction, s *session.Session, v interaction.Visit) error
	Met(i interaction.Interaction, s session.Session) bool
	Finish(ctx context.Context, i interaction.Interaction, s session.Session, version int64, v interaction.Visit) error
	Decline(i interaction.Interaction, v interaction.Visit)
}

const (
	interactPath = "/interact/"
	waySession   = "session"
	wayPasskey   = "passkey"
	wayEnrol     = "enrol"
)

// Stepping is where people prove more than their sign-in says: at a link that an agent was given, and with passkeys.
type Stepping struct {
	Desk         *Desk
	Interactions Interactions
	Passkeys     Passkeys
	Raiser       Raiser
}

// NewStepping refuses one in which a part is missing, and mounts it beside the desk's own pages.
func NewStepping(s Stepping) (*Stepping, error) {
	if s.Desk == nil || s.Interactions == nil || s.Passkeys == nil || s.Raiser == nil {
		return nil, errors.New("authorize: a part of stepping up is missing")
	}
	s.Desk.Ways = &s
	s.Desk.Beside = append(s.Desk.Beside, s.routes()...)
	return &s, nil
}

func (p *Stepping) routes() []Route {
	d := p.Desk
	return []Route{
		{Path: interactPath + ":id", Name: "id", Get: d.shown(p.lead), Post: d.shown(p.lead)},
		{Path: passkeysPath, Get: d.shown(p.list), Post: d.shown(p.remove)},
		{Path: newPasskeyPath, Get: d.shown(p.askNew), Post: d.shown(p.enrol), MaxBody: maxCeremony},
		{Path: provePath, Get: d.shown(p.ask), Post: d.shown(p.prove), MaxBody: maxCeremony},
	}
}

// lead goes where a link leads: to the errand that its id names, else to a stronger proof.
func (p *Stepping) lead(ctx context.Context, v Visit) (Reply, error) {
	for _, e := range p.Desk.Errands {
		if strings.HasPrefix(v.Named, e.Prefix) {
			return e.Handle(ctx, v)
		}
	}
	return p.interact(ctx, v)
}

// interact is the page of a link that an agent was given: it says who wants what, and lets the person prove it.
func (p *Stepping) interact(ctx context.Context, v Visit) (Reply, error) {
	// 1. The link waits.
	i, err := p.Interactions.Open(ctx, v.Tenant.UID, v.Named)
	if err != nil {
		return Reply{}, refusalOf(err)
	}
	// 2. Whoever is signed in here is the person for whom it waits. Who that is, nobody else is told.
	s, err := p.Desk.Sessions.Current(ctx, v.Tenant, v.Request)
	if err != nil {
		return Reply{}, failed{error: unavailable(err), again: v.path(interactPath + v.Named)}
	}
	if s != nil && s.UserUID != i.UserUID {
		return Reply{}, oauth.Refuse(oauth.CodeInteractionWrongPerson, "another person", "the one for whom it waits")
	}
	// 3. He comes back from where he agreed to go, in the browser in which he agreed, and has proved what was asked.
	if !v.posted() && s != nil && v.agreed() && i.Proved(*s) && p.Interactions.Met(i, *s) {
		return p.finish(ctx, v, i, *s)
	}
	ways, err := p.ways(ctx, v, i, s)
	if err != nil {
		return Reply{}, unavailable(err)
	}
	if v.posted() {
		return p.chose(ctx, v, i, s, ways)
	}
	// 4. Nobody is signed in, and only who is can go on.
	if len(ways) == 0 && s == nil && p.byPasskey(v.Tenant, i) {
		_, reply, err := p.Desk.SignedIn(ctx, v, signin.Ask{Then: interactPath + v.Named, Only: i.UserUID})
		return reply, err
	}
	if len(ways) == 0 { // RFC 9470 §5
		return Reply{}, oauth.Refuse(oauth.CodeInteractionUnmet, "nothing here proves it", strings.Join(i.ACRValues, " "))
	}
	return p.explain(ctx, v, i, s, ways)
}

// proving is the topic of what the address to come back to carries: whoever has the link could agree in a browser of his
// own, and have its person look at it.
const proving = "proving"

func (v Visit) agreed() bool {
	form, err := v.form()
	return err == nil && v.Check(form, proving, v.Named) == nil
}

// back is the link with the word that its person gave in this browser.
func (v Visit) back() string {
	token, _ := v.Token(proving, v.Named)
	return interactPath + v.Named + "?token=" + token
}

func (p *Stepping) finish(ctx context.Context, v Visit, i interaction.Interaction, s session.Session) (Reply, error) {
	if err := p.Interactions.Finish(ctx, i, s, v.Tenant.Version, interaction.Visit{Trace: v.Trace, Remote: v.Remote}); err != nil {
		return Reply{}, refusalOf(err)
	}
	return p.Desk.show(v, http.StatusOK, page.Finished{Agent: true})
}

// ways lists how the person can prove it. A passkey comes on top of a session.
func (p *Stepping) ways(ctx context.Context, v Visit, i interaction.Interaction, s *session.Session) ([]page.Way, error) {
	var ways []page.Way
	if s != nil && p.Interactions.Met(i, *s) {
		ways = append(ways, page.Way{Name: waySession, Own: page.BySession})
	}
	if i.ByIdP() {
		for _, idp := range v.Tenant.SignIn.IdPs {
			if s == nil || idp.UID == s.IdPUID {
				ways = append(ways, page.Way{Name: wayIdP + ":" + idp.Name, Title: titleOf(v.Tenant, idp)})
			}
		}
	}
	if s == nil || !p.byPasskey(v.Tenant, i) {
		return ways, nil
	}
	own, err := p.Passkeys.List(ctx, v.Tenant, s.UserUID)
	switch {
	case err != nil:
		return nil, err
	case len(own) > 0:
		ways = append(ways, page.Way{Name: wayPasskey, Own: page.ByPasskey})
	case p.Passkeys.Fresh(*s):
		ways = append(ways, page.Way{Name: wayEnrol, Own: page.ByNewPasskey})
	case !i.ByIdP(): // after a fresh sign-in he can make one
		if idp, ok := idpByUID(v.Tenant, s.IdPUID); ok {
			ways = append(ways, page.Way{Name: wayIdP + ":" + idp.Name, Title: titleOf(v.Tenant, idp)})
		}
	}
	return ways, nil
}

func (p *Stepping) byPasskey(t *snapshot.Tenant, i interaction.Interaction) bool {
	return i.ByPasskey() && p.Passkeys.Allowed(t)
}

// explain shows who asks for what, and the ways.
func (p *Stepping) explain(ctx context.Context, v Visit, i interaction.Interaction, s *session.Session, ways []page.Way) (Reply, error) {
	token, fresh := v.Token("interact", v.Named, handleOf(s))
	c, err := p.Desk.Registry.Lookup(ctx, v.Tenant.UID, i.ClientID)
	if errors.Is(err, client.ErrUnknown) || err == nil && c.UID != i.ClientUID { // whoever asked is not there any more
		return Reply{}, refusalOf(interaction.ErrGone)
	}
	if err != nil {
		return Reply{}, unavailable(err)
	}
	resources := slices.DeleteFunc(v.Tenant.ActiveResources(), func(r *snapshot.Resource) bool { return r.UID != i.ResourceUID })
	model := demand{acrValues: i.ACRValues, maxAge: i.MaxAge}.page(c, resources)
	model.Action, model.Token, model.Ways = v.path(interactPath+v.Named), token, ways
	if s != nil {
		person, err := p.Desk.person(ctx, v.Tenant, s)
		if err != nil {
			return Reply{}, err
		}
		model.Person = person
	}
	reply, err := p.Desk.show(v, http.StatusOK, model)
	return reply.with(fresh), err
}

// chose follows what the person said.
func (p *Stepping) chose(ctx context.Context, v Visit, i interaction.Interaction, s *session.Session, ways []page.Way) (Reply, error) {
	again := v.path(interactPath + v.Named)
	form, err := v.form()
	if err != nil {
		return Reply{}, err
	}
	if err := v.Check(form, "interact", v.Named, handleOf(s)); err != nil {
		return Reply{}, failed{error: err, again: again}
	}
	from := interaction.Visit{Trace: v.Trace, Remote: v.Remote}
	way := form.Get("way")
	if way == "" {
		p.Interactions.Decline(i, from)
		return p.Desk.show(v, http.StatusOK, page.Finished{Agent: true, Denied: true})
	}
	if !slices.ContainsFunc(ways, func(w page.Way) bool { return w.Name == way }) {
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeInteractionUnmet, "a way that is not offered", "one that is"), again: again}
	}
	if way == waySession {
		return p.finish(ctx, v, i, *s)
	}
	if err := p.Interactions.Depart(ctx, i, s, from); err != nil {
		return Reply{}, refusalOf(err)
	}
	then := "?then=" + url.QueryEscape(v.back())
	switch way {
	case wayPasskey:
		return Reply{Status: http.StatusSeeOther, Location: v.path(provePath + then)}, nil
	case wayEnrol:
		return Reply{Status: http.StatusSeeOther, Location: v.path(newPasskeyPath + then)}, nil
	}
	idp, ok := idpByName(v.Tenant, strings.TrimPrefix(way, wayIdP+":"))
	if !ok {
		return Reply{}, failed{error: oauth.Refuse(oauth.CodeSignInIdPUnknown, "an IdP that nobody signs in at", "one of the page's"), again: again}
	}
	return p.away(ctx, v, i, s, idp)
}

// away sends the person to an IdP, in its own way of asking for more. What it cannot be asked for, it may still say by
// itself, or a passkey does; who is not signed in yet signs in there without.
func (p *Stepping) away(ctx context.Context, v Visit, i interaction.Interaction, s *session.Session, idp *federation.IdentityProvider) (Reply, error) {
	ask := signin.Ask{ACRValues: i.Upstream(), MaxAge: i.MaxAge, Then: v.back(), Only: i.UserUID}
	if !i.ByIdP() {
		ask = signin.Ask{Prompt: []string{"login"}, Then: ask.Then, Only: ask.Only}
	}
	reply, err := p.Desk.Depart(ctx, v, idp, ask)
	if isCode(err, oauth.CodeIdPStepUpUnsupported) && s == nil && p.byPasskey(v.Tenant, i) {
		reply, err = p.Desk.Depart(ctx, v, idp, signin.Ask{Then: ask.Then, Only: ask.Only})
	}
	if err != nil {
		f := failed{error: err, again: v.path(interactPath + v.Named)}
		if inner, ok := errors.AsType[failed](err); ok {
			f.recorded = inner.recorded
		}
		return Reply{}, f
	}
	return reply, nil
}

// refusalOf says what an interaction is refused for, outside.
func refusalOf(err error) error {
	switch {
	case errors.Is(err, interaction.ErrGone):
		return oauth.Refuse(oauth.CodeInteractionGone, "no link that waits", "one that does")
	case errors.Is(err, interaction.ErrWrongPerson):
		return oauth.Refuse(oauth.CodeInteractionWrongPerson, "another person", "the one for whom it waits")
	case errors.Is(err, interaction.ErrUnmet):
		return oauth.Refuse(oauth.CodeInteractionUnmet, "what the session proves", "what was asked")
	}
	return unavailable(err)
}
