package introspect

import (
	"context"

	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/token"
)

// Admission is an access token of ours that counts at this moment, at a resource that we serve ourselves. Only Admit makes one.
type Admission struct {
	tenant *snapshot.Tenant
	claims token.Claims
	known  lifecycle.Known
}

// Tenant is whose token it is; nil for none.
func (p Admission) Tenant() *snapshot.Tenant { return p.tenant }

// Claims are what was signed.
func (p Admission) Claims() token.Claims { return p.claims }

// Known is its record.
func (p Admission) Known() lifecycle.Known { return p.known }

// Place is a resource that we serve ourselves, and the request's address there.
type Place struct {
	Audience string // the URI of the tenant's Resource; "" is nowhere
	URL      string // without query and fragment (RFC 9449 §4.3)
	Name     string // for the record of a proof
}

// Admit authenticates a request with one of our access tokens at a place of ours, as any protected resource would, and as
// the database knows it at this moment: it was not revoked, and its client, IdP and user are there and active. Nothing is
// recorded of what is refused: that is the caller's matter. It says nothing of what the token is good for.
func (e *Endpoints) Admit(ctx context.Context, r Bearer, at Place) (Admission, error) {
	var shown Admission
	err := e.current(ctx, Request{Tenant: r.Tenant, Trace: r.Trace, Remote: r.Remote, Authorization: r.Authorization}, func(now Request) (err error) {
		r.Tenant = now.Tenant
		shown, err = e.admit(ctx, &call{Request: now, now: e.Now()}, r, at)
		return err
	})
	if err != nil {
		return Admission{}, err
	}
	return shown, nil
}

func (e *Endpoints) admit(ctx context.Context, c *call, r Bearer, at Place) (Admission, error) {
	scheme, compact, refusal := bearer(r.Authorization)
	if refusal != nil {
		return Admission{}, refusal
	}
	if err := e.look(ctx, c, compact, 0); err != nil {
		return Admission{}, err
	}
	if !c.found {
		return Admission{}, oauth.Refuse(oauth.CodeAccessTokenInvalid, "no access token of ours", "a live one")
	}
	// RFC 9068 §4: for us, and for nobody else.
	claims := c.token.Claims()
	resource, ok := c.Tenant.ResourceByURI(claims.Audience)
	if at.Audience == "" || claims.Audience != at.Audience || !ok || resource.Disabled || resource.URI != claims.Audience || resource.UID != c.known.ResourceUID {
		return Admission{}, oauth.Refuse(oauth.CodeAccessTokenInvalid, claims.Audience, at.Audience)
	}
	proof, refusal := e.proved(c, r, at.URL, scheme, compact)
	if refusal != nil {
		return Admission{}, refusal
	}
	active, err := e.counts(ctx, c)
	if err != nil {
		return Admission{}, err
	}
	if !active {
		return Admission{}, oauth.Refuse(oauth.CodeAccessTokenInvalid, "a token that counts no more", "a live one")
	}
	if err := e.spendProof(ctx, c, proof, at.Name); err != nil {
		return Admission{}, err
	}
	return Admission{tenant: c.Tenant, claims: claims, known: *c.known}, nil
}
