package authorize

import (
	"context"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/page"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// question is what the person would be asked.
type question = consent.Question

// question is about what policy let stand.
func (w *walk) question(considered grant.Considered) question {
	return questionOf(w.Tenant, w.session, w.request, considered, w.request.Return().RedirectURI())
}

// questionOf asks resource by resource, and about the person's own account.
func questionOf(t *snapshot.Tenant, s *session.Session, r authorization.Request, considered grant.Considered, place string) question {
	q := question{Tenant: t, UserUID: s.UserUID, Client: r.Client(), RedirectURI: place, Prompt: r.Prompt().Consent}
	for _, one := range considered.Resources {
		scopes := slices.Clone(one.Scopes)
		if r.Offline() { // said in words, with the access that it prolongs (OIDC Core §11)
			scopes = append(scopes, authorization.ScopeOffline)
		}
		q.Parts = append(q.Parts, consent.Part{Resource: one.Resource, Scopes: scopes})
	}
	if identity := r.Identity(); len(identity) > 0 {
		q.Parts = append(q.Parts, consent.Part{Scopes: identity})
	}
	return q
}

// agree finds out whether the person lets the client have it: by what he says now, or said before.
func (d *Desk) agree(ctx context.Context, w *walk, q question, ruling consent.Ruling) (agreed bool, reply Reply, err error) {
	decision := w.said("decision")
	switch {
	case decision == "" && !ruling.Ask:
		return true, Reply{}, nil
	case decision == "" && w.request.Prompt().None:
		reply, err = d.refuse(ctx, w, oauth.Refuse(oauth.CodeConsentRequired, "prompt=none, and no consent", "a consent"))
		return false, reply, err
	case decision == "":
		reply, err = d.ask(ctx, w, q, ruling)
		return false, reply, err
	}
	// The token is of this question, for this person in this session: what changed since the page was shown is asked again.
	if err := w.browser.check(*w.form, w.consentTopic(ruling)...); err != nil {
		return false, Reply{}, w.again(err)
	}
	if decision != "allow" {
		reply, err = d.refuse(ctx, w, oauth.Refuse(oauth.CodeConsentDenied, "no", ""))
		return false, reply, err
	}
	if err := d.Consents.Give(ctx, q, d.given(w, q)); err != nil {
		return false, Reply{}, w.again(unavailable(err))
	}
	return true, Reply{}, nil
}

func (w *walk) consentTopic(ruling consent.Ruling) []string {
	return []string{"consent", w.Named, handleOf(w.session), base64.RawURLEncoding.EncodeToString(ruling.Meaning[:])}
}

// ask shows who asks for what, where the answer goes, and as whom the person is signed in.
func (d *Desk) ask(ctx context.Context, w *walk, q question, ruling consent.Ruling) (Reply, error) {
	person, err := d.person(ctx, w.Tenant, w.session)
	if err != nil {
		return Reply{}, w.again(err)
	}
	return d.show(w.Visit, http.StatusOK, page.Consent{
		Action: w.path(w.here()), Token: w.browser.token(w.consentTopic(ruling)...), Client: clientOf(q.Client), RedirectURI: q.RedirectURI,
		Access: accessOf(q.Parts), Person: person, Switch: w.path(w.here() + "/switch"), Remembered: ruling.Remember && !q.Prompt,
	}, w.request.UILocales()...)
}

func accessOf(parts []consent.Part) []page.Access {
	all := make([]page.Access, 0, len(parts))
	for _, p := range parts {
		var access page.Access
		if p.Resource != nil {
			access.Resource = page.Resource{Name: p.Resource.Name, URI: p.Resource.URI}
		}
		for _, s := range p.Scopes {
			scope := page.Scope{Name: s}
			if p.Resource != nil {
				scope.Description, scope.Risk = p.Resource.Scopes[s], p.Resource.Risk[s]
			}
			access.Scopes = append(access.Scopes, scope)
		}
		all = append(all, access)
	}
	return all
}

// given is the event of a yes.
func (d *Desk) given(w *walk, q question) audit.Event {
	now := d.Now()
	var resources, scopes []string
	for _, p := range q.Parts {
		if p.Resource != nil {
			resources = append(resources, p.Resource.Name)
		}
		scopes = append(scopes, p.Scopes...)
	}
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: w.Tenant.UID, Trace: w.Trace, Type: audit.TypeConsentGiven, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "user", ID: w.session.UserUID}, OnBehalf: w.session.UserUID, Client: q.Client.Name,
		Resource: strings.Join(resources, " "), Scope: strings.Join(scopes, " "), Remote: w.Remote,
		Detail: map[string]string{"client_uid": q.Client.UID, "redirect_uri": q.RedirectURI},
	}
	if idp, ok := idpByUID(w.Tenant, w.session.IdPUID); ok {
		e.IdP = idp.Name
	}
	return e
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
