package grant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// linkGood is how long a link can be opened at least: one that was given before comes again while half of its time is left.
const linkGood = connect.Lifetime / 2

// stalled is how long a client waits where nobody knows when it helps.
const stalled = 30 * time.Second

// connected holds what policy allows against what is connected.
func (g *Grants) connected(ctx context.Context, c *call, keys []string) error {
	l := c.lending
	if !l.provider.OfPeople() {
		return nil
	}
	wanted := l.wanted(keys)
	account := c.Form.Get("account")
	switch {
	case errors.Is(l.choice, connection.ErrAmbiguous):
		refusal := c.refusal(oauth.CodeAccountAmbiguous, "connection", fmt.Sprintf("%d accounts", len(l.found)), "one, or an account parameter")
		refusal.Members = map[string]any{"accounts": l.accounts()}
		return refusal
	case l.chosen == nil:
		received := "none"
		if account != "" {
			received = "none with this account"
		}
		return g.interaction(ctx, c, oauth.CodeConnectionRequired, received, wanted, account, nil)
	}
	c.passed("connection", l.chosen.ID, "")
	switch l.chosen.Status {
	case connection.Connected:
	case connection.ReauthorizationRequired:
		return g.interaction(ctx, c, oauth.CodeReauthorizationRequired, l.chosen.Reason, wanted, l.chosen.Account.ID, map[string]any{"reason": l.chosen.Reason})
	case connection.Suspended:
		return c.refuse(oauth.CodeConnectionSuspended, "connection", string(l.chosen.Status), string(connection.Connected))
	case connection.Revoked:
		return g.interaction(ctx, c, oauth.CodeConnectionRequired, "one that ended", wanted, account, nil)
	default:
		return c.refuse(oauth.CodeConnectionSuspended, "connection", string(l.chosen.Status), string(connection.Connected))
	}
	if missing := downstream.Covers(l.provider, l.chosen.Scopes, wanted); len(missing) > 0 {
		return g.insufficient(ctx, c, wanted, missing)
	}
	return nil
}

func (l *lending) accounts() []string {
	labels := make([]string, 0, len(l.found))
	for _, one := range l.found {
		if label := one.Account.Label; label != "" {
			labels = append(labels, label)
			continue
		}
		labels = append(labels, one.Account.ID)
	}
	return labels
}

func (g *Grants) insufficient(ctx context.Context, c *call, wanted, missing []string) error {
	account := ""
	if c.lending.chosen != nil {
		account = c.lending.chosen.Account.ID
	}
	return g.interaction(ctx, c, oauth.CodeInsufficientProviderScope, "without "+strings.Join(missing, " "), wanted, account, map[string]any{"missing": missing})
}

// interaction is a refusal that its person can mend at a link. A client that asks for itself gets none: nobody could open it.
// Nor does anybody where nobody signs in. The link is for the client alone and not in the record: whoever reads that is not the
// person either.
func (g *Grants) interaction(ctx context.Context, c *call, code oauth.Code, received string, wanted []string, account string, members map[string]any) error {
	l := c.lending
	refusal := c.refusal(code, "connection", received, "a connection with "+strings.Join(wanted, " "))
	refusal.Members = map[string]any{"provider": l.provider.Name}
	maps.Copy(refusal.Members, members)
	if c.person == nil || g.Vending.Connecting == nil || len(c.Tenant.SignIn.IdPs) == 0 {
		return refusal
	}
	holder := l.presented.Holder
	name := holder.DisplayName
	if name == "" {
		name = holder.Name
	}
	link, err := g.Vending.Connecting.Link(ctx, connect.Order{
		Tenant: c.Tenant.UID.String(), UserUID: c.person.UID, ClientUID: holder.UID, ClientID: holder.ClientID, ClientName: name, ProviderUID: l.provider.UID,
		Scopes: wanted, Account: account, Trace: c.Trace,
	})
	if err != nil {
		return notKnown(err)
	}
	refusal.Members["interaction_uri"] = c.Tenant.Issuer + "/interact/" + link
	refusal.Members["expires_in"] = int64(linkGood / time.Second)
	return refusal
}

// notLent tells why no token came. What the store does not know is no refusal.
func (g *Grants) notLent(ctx context.Context, c *call, wanted []string, err error) error {
	if errors.Is(err, ledger.ErrStale) {
		return err
	}
	if missing, ok := errors.AsType[*provider.MissingScopesError](err); ok {
		return g.insufficient(ctx, c, wanted, missing.Missing)
	}
	if refused, ok := errors.AsType[*downstream.ScopesRefusedError](err); ok {
		refusal := c.refusal(oauth.CodeProviderScopeRefused, "lease", "refused by the provider", strings.Join(wanted, " "))
		refusal.Cause = refused
		return refusal
	}
	if outage, ok := errors.AsType[*downstream.Outage](err); ok {
		return c.later(oauth.CodeVaultUnavailable, outage.RetryAfter, "", outage)
	}
	if errors.Is(err, vault.ErrUnopened) || errors.Is(err, vault.ErrMalformed) {
		return c.later(oauth.CodeCredentialUnopened, stalled, "", err)
	}
	refusal, ok := errors.AsType[*connection.Refusal](err)
	if !ok {
		return notKnown(err)
	}
	account := ""
	if c.lending.chosen != nil {
		account = c.lending.chosen.Account.ID
	}
	switch refusal.Code {
	case connection.CodeNotConnected:
		return g.interaction(ctx, c, oauth.CodeConnectionRequired, refusal.Reason, wanted, account, nil)
	case connection.CodeReauthorization:
		return g.interaction(ctx, c, oauth.CodeReauthorizationRequired, refusal.Reason, wanted, account, map[string]any{"reason": refusal.Reason})
	case connection.CodeSuspended:
		return c.refuse(oauth.CodeConnectionSuspended, "connection", string(connection.Suspended), string(connection.Connected))
	case connection.CodeRateLimited:
		return c.later(oauth.CodeProviderRateLimited, refusal.RetryAfter, refusal.Reason, refusal)
	case connection.CodeMisconfigured:
		return c.later(oauth.CodeProviderMisconfigured, max(refusal.RetryAfter, stalled), refusal.Reason, refusal)
	case connection.CodeTooShort:
		return c.later(oauth.CodeLifetimeTooShort, max(refusal.RetryAfter, stalled), refusal.Reason, refusal)
	case connection.CodeUnavailable:
		return c.later(oauth.CodeProviderUnavailable, refusal.RetryAfter, refusal.Reason, refusal)
	default:
		return c.later(oauth.CodeProviderUnavailable, refusal.RetryAfter, refusal.Reason, refusal)
	}
}

// later is a refusal that may pass: 503 with Retry-After, and the same number for who does not see headers.
func (c *call) later(code oauth.Code, after time.Duration, received string, cause error) error {
	refusal := c.refusal(code, "lease", received, "a token that lives "+c.lending.minTTL.String())
	refusal.Cause, refusal.RetryAfter = cause, after
	refusal.Members = map[string]any{"provider": c.lending.provider.Name, "retry_after": int64(refusal.Wait() / time.Second)}
	return refusal
}

// refusal is refuse for who adds to it.
func (c *call) refusal(code oauth.Code, check, received, expected string) *oauth.Error {
	return oauth.AsError(c.refuse(code, check, received, expected))
}
