package client

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ByRule is who sent a request whose platform's token was verified and fits the one
// rule that names this client. The caller has to have checked that: nothing else
// proves who it is. A client that is not there, disabled or expired is refused as
// where it authenticates, and counts as unknown. Spent is for a Limited.
func (a *Authenticator) ByRule(ctx context.Context, t tenant.UID, name string, _ *Spent) (Authentication, error) {
	if err := t.Check(); err != nil {
		return Authentication{}, oauth.Fail(oauth.CodeInternal, err)
	}
	c, err := a.registry.Named(ctx, t, name)
	switch {
	case errors.Is(err, ErrUnknown), err == nil && (c == nil || c.Name != name):
		return Authentication{}, mismatch(ErrUnknown, name, "a registered client")
	case err != nil:
		unavailable := oauth.Fail(oauth.CodeTenantUnavailable, fmt.Errorf("look client up: %w", err))
		unavailable.RetryAfter = retryAfter
		return Authentication{}, unavailable
	}
	if err := a.usable(c); err != nil {
		return Authentication{}, err
	}
	return Authentication{client: c, method: MethodWorkload}, nil
}
