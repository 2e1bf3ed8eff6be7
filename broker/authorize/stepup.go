package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// wayIdP is the way through the IdP that the person came from.
const wayIdP = "idp"

// notConsidered answers where policy does not let the request through. It has been recorded.
func (d *Desk) notConsidered(ctx context.Context, w *walk, err error) (Reply, error) {
	if _, ok := errors.AsType[*authorization.Shown](err); ok { // the client, or its redirect URI, is gone since
		return Reply{}, err
	}
	refusal := oauth.AsError(err)
	if refusal.Code != oauth.CodeStepUpRequired {
		return d.refuse(ctx, w, recorded(err))
	}
	demand := demandOf(refusal)
	switch {
	case w.request.Prompt().None: // OIDC Core §3.1.2.6
		return d.refuse(ctx, w, oauth.Refuse(oauth.CodePersonNeeded, "prompt=none, and policy asks for a step-up", "a person"))
	}
	ways, passkey, err := d.waysOf(ctx, w.Tenant, w.session, demand, w.pending.Progress)
	if err != nil {
		return Reply{}, w.again(unavailable(err))
	}
	if len(ways) == 0 { // each was tried once, or there is none (RFC 9470 §5)
		return d.refuse(ctx, w, unmet(demand))
	}
	switch way := w.said("way"); {
	case way == wayIdP && ways[0].Name == wayIdP:
		return d.stepUp(ctx, w, demand)
	case passkey != nil && way == passkey.Name:
		if err := d.move(ctx, w, func(p *Progress) { p.AskedHere = true }); err != nil {
			return Reply{}, err
		}
		return Reply{Status: http.StatusSeeOther, Location: w.path(passkey.Path) + "?then=" + url.QueryEscape(w.here())}, nil
	}
	return d.offer(ctx, w, demand, ways)
}

// demand is what policy wants to be proved.
type demand struct {
	acrValues []string
	maxAge    *time.Duration
}

func unmet(x demand) error {
	return oauth.Refuse(oauth.CodeStepUpUnmet, "what the person has shown", strings.Join(x.acrValues, " "))
}

// demandOf reads the challenge as it would go to a client (RFC 9470 §3).
func demandOf(e *oauth.Error) demand {
	var x demand
	if text, ok := e.Members["acr_values"].(string); ok {
		x.acrValues = strings.Fields(text)
	}
	var seconds int64
	switch n := e.Members["max_age"].(type) {
	case int64:
		seconds = n
	case int:
		seconds = int64(n)
	default:
		return x
	}
	age := time.Duration(seconds) * time.Second
	x.maxAge = &age
	return x
}

// waysOf lists how the person can prove it: at the IdP he came from, and with what he enrolled here.
func (d *Desk) waysOf(ctx context.Context, t *snapshot.Tenant, s *session.Session, x demand, tried Progress) ([]page.Way, *Way, error) {
	var ways []page.Way
	if idp, ok := idpByUID(t, s.IdPUID); ok && !tried.AskedIdP && (interaction.Interaction{ACRValues: x.acrValues}).ByIdP() {
		ways = append(ways, page.Way{Name: wayIdP, Title: titleOf(t, idp)})
	}
	if d.Ways == nil || tried.AskedHere {
		return ways, nil, nil
	}
	passkey, ok, err := d.Ways.Offered(ctx, t, *s, x.acrValues)
	if err != nil || !ok {
		return ways, nil, err
	}
	return append(ways, page.Way{Name: passkey.Name, Own: passkey.Own}), &passkey, nil
}

// page says why more is needed, and who asks for what.
func (x demand) page(c *client.Client, resources []*snapshot.Resource) page.StepUp {
	model := page.StepUp{Client: clientOf(c), Stronger: len(x.acrValues) > 0}
	if x.maxAge != nil {
		model.MaxAge = max(*x.maxAge, time.Second) // zero would say that the age does not matter
	}
	if len(resources) == 1 {
		model.Resource = page.Resource{Name: resources[0].Name, URI: resources[0].URI}
	}
	return model
}

// ask is what the IdP of a person is asked to have him prove.
func (x demand) ask(r authorization.Request, s *session.Session) signin.Ask {
	return signin.Ask{
		LoginHint: r.LoginHint(), UILocales: r.UILocales(), MaxAge: x.maxAge, ACRValues: interaction.Interaction{ACRValues: x.acrValues}.Upstream(), Only: s.UserUID,
	}
}

// offer explains why more is needed, and shows the ways.
func (d *Desk) offer(ctx context.Context, w *walk, x demand, ways []page.Way) (Reply, error) {
	person, err := d.person(ctx, w.Tenant, w.session)
	if err != nil {
		return Reply{}, w.again(err)
	}
	model := x.page(w.request.Client(), w.request.Resources())
	model.Action, model.Token, model.Person, model.Ways = w.path(w.here()), w.browser.token("step up", w.Named), person, ways
	return d.show(w.Visit, http.StatusOK, model, w.request.UILocales()...)
}

// stepUp sends the person to his IdP once, in its own way of asking for more. What comes back is considered again: only
// what it says counts.
func (d *Desk) stepUp(ctx context.Context, w *walk, x demand) (Reply, error) {
	idp, ok := idpByUID(w.Tenant, w.session.IdPUID)
	if !ok {
		return d.refuse(ctx, w, unmet(x))
	}
	if err := d.move(ctx, w, func(p *Progress) { p.AskedIdP = true }); err != nil {
		return Reply{}, err
	}
	ask := x.ask(w.request, w.session)
	ask.Then = w.here()
	reply, err := d.depart(ctx, w, idp, wish{ask: ask, further: true})
	if isCode(err, oauth.CodeIdPStepUpUnsupported) { // considered again: there is another way, or none
		return Reply{Status: http.StatusSeeOther, Location: w.path(w.here())}, nil
	}
	return reply, err
}
