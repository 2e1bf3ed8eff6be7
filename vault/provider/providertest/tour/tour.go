// Package tour takes one provider from connecting to revoking, and holds what must be so with any: the fakes of providertest,
// and other people's authorization servers.
package tour

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
)

// Tour is a provider and what is known of it.
type Tour struct {
	Provider *provider.Provider
	Now      func() time.Time
	// Visit is a person's browser: it goes to the provider, and comes back with a query.
	Visit func(ctx context.Context, address string) (url.Values, error)
	// Works asks somebody who takes the provider's tokens.
	Works func(ctx context.Context, access provider.Secret) bool

	Scopes    []string
	Label     string        // of the account; empty: not looked at
	Life      time.Duration // of an access token; 0: it does not end
	Slack     time.Duration // by which a real clock may be off
	Refreshes bool
	Replaces  bool // a refresh gives another refresh token
	Less      provider.Wanted
	Narrowed  bool
	Revokes   bool
}

// Run walks.
func (r Tour) Run(t *testing.T) {
	t.Helper()
	c := r.connect(t)
	c = r.refresh(t, c)
	r.narrow(t, c)
	r.revoke(t, c)
}

func (r Tour) connect(t *testing.T) provider.Credential {
	t.Helper()
	address, d, err := r.Provider.Authorize(provider.Ask{Scopes: r.Scopes})
	if err != nil {
		t.Fatal(err)
	}
	back, err := r.Visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	code, err := r.Provider.Arrive(back, d)
	if err != nil {
		t.Fatalf("came back with %v: %v", back, err)
	}
	c, account, err := r.Provider.Exchange(t.Context(), code, d)
	if err != nil {
		t.Fatal(err)
	}
	if r.Label != "" && (account.ID == "" || account.Label != r.Label) {
		t.Errorf("account %+v, want label %q", account, r.Label)
	}
	for _, scope := range r.Scopes {
		if !slices.Contains(c.Scopes, scope) {
			t.Errorf("scopes %v lack %q", c.Scopes, scope)
		}
	}
	if c.Refresh.IsZero() == r.Refreshes {
		t.Errorf("there is a refresh token: %t", !c.Refresh.IsZero())
	}
	r.life(t, c)
	return c
}

func (r Tour) life(t *testing.T, c provider.Credential) {
	t.Helper()
	if r.Life == 0 {
		if !c.ExpiresAt.IsZero() || c.Stale(r.Now().AddDate(9, 0, 0)) {
			t.Errorf("it ends at %v", c.ExpiresAt)
		}
		return
	}
	if got := c.ExpiresAt.Sub(r.Now()); (got - r.Life).Abs() > r.Slack {
		t.Errorf("it lives %v, want %v", got, r.Life)
	}
	if c.Stale(c.RefreshAt().Add(-time.Second)) || !c.Stale(c.RefreshAt()) || !c.RefreshAt().Before(c.ExpiresAt) {
		t.Errorf("it is stale from %v on", c.RefreshAt())
	}
}

// refresh does it as a store would: from what rests.
func (r Tour) refresh(t *testing.T, c provider.Credential) provider.Credential {
	t.Helper()
	plaintext, err := c.Plaintext()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = provider.ParseCredential(plaintext); err != nil {
		t.Fatal(err)
	}
	next, err := r.Provider.Refresh(t.Context(), c)
	if !r.Refreshes {
		if !errors.Is(err, provider.ErrNoRefresh) {
			t.Fatalf("got %v, want ErrNoRefresh", err)
		}
		return c
	}
	if err != nil {
		t.Fatal(err)
	}
	if next.Access.Reveal() == c.Access.Reveal() || !r.Works(t.Context(), next.Access) {
		t.Error("the access token is the old one, or does not work")
	}
	if replaced := next.Refresh.Reveal() != c.Refresh.Reveal(); replaced != r.Replaces || next.Refresh.IsZero() {
		t.Errorf("the refresh token was replaced: %t", replaced)
	}
	if !slices.Equal(slices.Sorted(slices.Values(next.Scopes)), slices.Sorted(slices.Values(c.Scopes))) {
		t.Errorf("scopes %v became %v", c.Scopes, next.Scopes)
	}
	r.life(t, next)
	return next
}

func (r Tour) narrow(t *testing.T, c provider.Credential) {
	t.Helper()
	lease, narrowed, err := r.Provider.Narrow(t.Context(), c, r.Less)
	if err != nil {
		t.Fatal(err)
	}
	if narrowed != r.Narrowed {
		t.Errorf("narrowed %t of %v to %v", narrowed, c.Scopes, r.Less)
	}
	if narrowed && len(r.Less.Scopes) < len(c.Scopes) && slices.Equal(lease.Scopes, c.Scopes) {
		t.Errorf("narrowed, and it can still do %v", lease.Scopes)
	}
	if !r.Works(t.Context(), lease.Access) || !r.Works(t.Context(), c.Access) {
		t.Error("the lease or the credential does not work")
	}
}

// revoke does it twice: what is gone is gone.
func (r Tour) revoke(t *testing.T, c provider.Credential) {
	t.Helper()
	if !r.Revokes {
		if err := r.Provider.Revoke(t.Context(), c); !errors.Is(err, provider.ErrNoRevocation) {
			t.Fatalf("got %v, want ErrNoRevocation", err)
		}
		return
	}
	for range 2 {
		if err := r.Provider.Revoke(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if r.Works(t.Context(), c.Access) {
		t.Error("it works after it was revoked")
	}
	if _, err := r.Provider.Refresh(t.Context(), c); r.Refreshes && provider.OutcomeOf(err) != provider.Terminal {
		t.Errorf("refreshed after it was revoked: %v", err)
	}
}
