package grant

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Vending is what lending the credentials of providers needs. Every part but Connecting is required.
type Vending struct {
	Subjects   Subjects
	Downstream Downstream
	Observer   VendObserver
	// Connecting gives the links at which a person connects an account; nil gives none.
	Connecting Connecting
}

// Subjects tells what a token of ours stands for at this moment; *introspect.Endpoints does.
type Subjects interface {
	Present(ctx context.Context, t *snapshot.Tenant, compact string) (introspect.Presented, error)
}

// Downstream lends; *downstream.Lender does.
type Downstream interface {
	Find(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, owner connection.Owner) ([]connection.Stored, error)
	Lend(ctx context.Context, t *snapshot.Tenant, p *snapshot.Provider, w downstream.Want) (lease provider.Lease, narrowed bool, err error)
	Used(ctx context.Context, c connection.Connection, by string)
}

// Connecting gives the id of a link at which a person connects an account; the same one for the same order, soon.
type Connecting interface {
	Link(ctx context.Context, o connect.Order) (id string, err error)
}

// VendObserver counts what was lent, by the provider's name; an empty code is a lease.
type VendObserver interface {
	Vended(provider string, code oauth.Code)
}

// Validate refuses what would leave a check empty.
func (v Vending) Validate() error {
	if v.Subjects == nil || v.Downstream == nil || v.Observer == nil {
		return errors.New("grant: a part of vending is missing")
	}
	return nil
}

// Vended is what an answer says of a provider's token beside the token.
type Vended struct {
	Provider   string
	Account    string // its label; empty where nobody connects
	Narrowed   bool   // the token can do no more than what Scope leads to, and the provider said so
	DecisionID string
	CacheUntil time.Time
	Endless    bool              // the provider names no end
	Header     string            // of the provider's API, that the token goes into
	Scheme     string            // in front of it; empty: the bare value
	Kept       map[string]string // what the provider gave with it, such as the address of its API
}

func (g *Grants) flowOfExchange() (flow, error) {
	if g.Vending == nil {
		return flow{}, oauth.Refuse(oauth.CodeGrantTypeUnsupported, oauth.GrantTypeTokenExchange, "a grant that is served")
	}
	return flow{run: g.tokenExchange}, nil
}

// lentTo notes that something was lent: it is durable by now.
func (g *Grants) lentTo(ctx context.Context, c *call) {
	if c.lending == nil {
		return
	}
	g.vended(c, "")
	if c.lending.chosen != nil {
		g.Vending.Downstream.Used(ctx, c.lending.chosen.Connection, c.lending.presented.Holder.ClientID)
	}
}

// vended counts how a request for a provider's token ended, once its provider is known: what a caller sends is no label.
func (g *Grants) vended(c *call, code oauth.Code) {
	if c.lending != nil && c.lending.provider != nil {
		g.Vending.Observer.Vended(c.lending.provider.Name, code)
	}
}
