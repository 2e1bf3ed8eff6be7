package introspect

import (
	"context"
	"errors"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation"
)

// ErrInactive says that what was brought is no access token of ours that counts at this moment, and nothing more.
var ErrInactive = errors.New("no access token of ours that is active")

// Presented is an access token of ours that counts at this moment, with everybody who takes part in it, as they are now.
type Presented struct {
	Token    token.Token
	Holder   *client.Client               // to which it was issued
	Resource *snapshot.Resource           // for which it is
	IdP      *federation.IdentityProvider // whose word it rests on; nil: nobody's
	Person   *federation.Account          // nil: the client for itself
}

// Present finds what a token stands for that another endpoint was given: what introspection asks, but for who asks. It
// answers ErrInactive, or ledger.ErrStale where the database knows a newer picture than t. Whether the key in Thumbprint is
// proved, and whether whoever brings the token may, is the caller's to ask.
func (e *Endpoints) Present(ctx context.Context, t *snapshot.Tenant, compact string) (Presented, error) {
	c := &call{Request: Request{Tenant: t}, now: e.Now()}
	if err := e.look(ctx, c, compact, 0); err != nil {
		return Presented{}, err
	}
	if !c.found {
		return Presented{}, ErrInactive
	}
	claims := c.token.Claims()
	resource, ok := t.ResourceByURI(claims.Audience)
	if !ok || resource.Disabled || resource.URI != claims.Audience || resource.UID != c.known.ResourceUID {
		return Presented{}, ErrInactive
	}
	active, err := e.counts(ctx, c)
	if err != nil {
		return Presented{}, err
	}
	if !active {
		return Presented{}, ErrInactive
	}
	found := Presented{Token: c.token, Resource: resource}
	if found.Holder, err = e.Registry.Lookup(ctx, t.UID, claims.ClientID); err != nil { // it was there a moment ago
		return Presented{}, unavailable(err)
	}
	if found.Holder.UID != c.known.ClientUID {
		return Presented{}, ErrInactive
	}
	if c.known.IdPUID != "" {
		if found.IdP, ok = t.IdentityProvider(c.known.IdPUID); !ok {
			return Presented{}, ErrInactive
		}
	}
	if strings.HasPrefix(claims.Subject, string(id.User)+"_") {
		person, err := e.account(ctx, c)
		if err != nil {
			return Presented{}, err
		}
		if person.UID != claims.Subject || person.Status != federation.StatusActive {
			return Presented{}, ErrInactive
		}
		found.Person = &person
	}
	return found, nil
}
