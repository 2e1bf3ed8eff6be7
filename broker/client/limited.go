package client

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Key is whose budget a request is taken from.
type Key struct {
	Tenant tenant.UID
	Client string // uid
}

// Budget bounds how often each client may authenticate; *limit.Limiter[Key] does.
type Budget interface {
	// Take takes one request, or says when there will be one to take.
	Take(k Key) (wait time.Duration, ok bool)
}

// Spent remembers what one request has taken from a budget, so that a request that is decided again, because its tenant
// changed meanwhile, takes nothing more. The zero value has taken nothing. It is one request's own.
type Spent struct{ from Key }

// Limited is an Authenticator whose clients have a budget.
type Limited struct {
	clients *Authenticator
	budget  Budget
}

// Limit gives each client a budget. Both are required: who has no limit uses the
// Authenticator.
func Limit(a *Authenticator, b Budget) (*Limited, error) {
	if a == nil || b == nil {
		return nil, errors.New("a limit of clients needs an authenticator and a budget")
	}
	return &Limited{clients: a, budget: b}, nil
}

// Authenticate is the Authenticator's. The budget is spent by who proved to be the
// client, and by nobody else: a client_id is no secret, and whoever sends it must
// not lock its owner out. A client that proves nothing is therefore bounded by its
// address alone. With the refusal comes who it was, for the record; what proves the
// client (Redemption) is not used up by it.
func (l *Limited) Authenticate(ctx context.Context, r Request) (Authentication, error) {
	auth, err := l.clients.Authenticate(ctx, r)
	if err != nil || !auth.Proved() {
		return auth, err
	}
	return l.spend(r.Tenant, auth, r.Spent)
}

// ByRule is the Authenticator's; the token that led to the client spends its budget. That it was not used before is for
// the caller to look at first: who holds a used one must not lock the client out.
func (l *Limited) ByRule(ctx context.Context, t tenant.UID, name string, spent *Spent) (Authentication, error) {
	auth, err := l.clients.ByRule(ctx, t, name, spent)
	if err != nil {
		return auth, err
	}
	return l.spend(t, auth, spent)
}

func (l *Limited) spend(t tenant.UID, auth Authentication, spent *Spent) (Authentication, error) {
	key := Key{Tenant: t, Client: auth.client.UID}
	if spent != nil && spent.from == key {
		return auth, nil
	}
	wait, ok := l.budget.Take(key)
	if !ok {
		refusal := oauth.Refuse(oauth.CodeClientRateExceeded, auth.client.Name, "fewer requests of one client")
		refusal.RetryAfter = wait
		return auth, refusal
	}
	if spent != nil {
		spent.from = key
	}
	return auth, nil
}
