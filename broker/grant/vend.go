package grant

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// lending is a request for a provider's token on its way. All of it comes of the verified token and of the tenant's picture,
// and nothing of what the caller says (T44), but for the provider's name and the account among the owner's own.
type lending struct {
	presented introspect.Presented
	provider  *snapshot.Provider
	owner     connection.Owner
	minTTL    time.Duration
	found     []connection.Stored
	chosen    *connection.Stored // nil: there is none, or several and none was named, or nobody connects
	choice    error              // why not
	covered   []string           // keys that what is connected covers
}

// vend lends a provider's token for a token of ours (RFC 8693 §2.1). The token that came stays here (T45).
func (g *Grants) vend(ctx context.Context, c *call) (granted, error) {
	c.action = policy.ActionVend
	// 1. The client proved who it is, lists the grant, and shows its key if it must.
	if c.isPublic() {
		return granted{}, c.refuse(oauth.CodeClientPublic, "client", "a public client", "a confidential client")
	}
	if err := c.clientMayUseGrant(); err != nil {
		return granted{}, err
	}

	// 2. The token is one of ours, active now with everybody who takes part in it, and of the key that it is bound to.
	if err := g.settleSubjectToken(ctx, c); err != nil {
		return granted{}, err
	}

	// 3. The provider is lent to that token's client, at its resource, and to nobody but those two.
	if err := c.settleProvider(); err != nil {
		return granted{}, err
	}

	// 4. What is asked for, in the tenant's own words.
	requested, err := c.requestedKeys()
	if err != nil {
		return granted{}, err
	}
	if c.lending.minTTL, err = c.leastLife(); err != nil {
		return granted{}, err
	}

	// 5. What the token's subject connected: nothing is opened yet.
	if err := g.settleConnection(ctx, c); err != nil {
		return granted{}, err
	}

	// 6. Policy, before anybody is sent to connect and before anything is opened.
	decision, err := g.decide(ctx, c, c.keysWithin(requested))
	if err != nil {
		return granted{}, err
	}

	// 7. The connection is there, one, and covers what policy leaves.
	if err := g.connected(ctx, c, decision.Scopes); err != nil {
		return granted{}, err
	}

	// 8. The token: opened, refreshed and saved where it must be, narrowed where it can.
	lease, narrowed, err := g.lend(ctx, c, decision.Scopes)
	if err != nil {
		return granted{}, err
	}
	return c.lent(lease, narrowed, decision), nil
}

// settleProvider finds the provider in the token's own tenant. Whatever of it does not fit reads the same outside.
func (c *call) settleProvider() error {
	l, name := c.lending, c.Form.Get("audience")
	p, ok := c.Tenant.Provider(name)
	if !ok || p.Disabled {
		return c.refuse(oauth.CodeProviderUnknown, "provider", name, "a provider of the tenant, not disabled")
	}
	holder, resource := l.presented.Holder, l.presented.Resource
	caller := c.client()
	if caller.UID != holder.UID && (resource.ServerClient == "" || resource.ServerClient != caller.Name) {
		return c.refuse(oauth.CodeVendCallerMismatch, "caller", caller.Name, holder.Name+", or the resource's server.client")
	}
	if !slices.Contains(p.Clients, holder.Name) {
		return c.refuse(oauth.CodeProviderClientNotAllowed, "provider client", holder.Name, strings.Join(p.Clients, " "))
	}
	if !slices.Contains(p.Resources, resource.Name) || !slices.Contains(holder.Resources, resource.Name) {
		return c.refuse(oauth.CodeProviderResourceNotAllowed, "provider resource", resource.Name, strings.Join(p.Resources, " "))
	}
	c.passed("provider", p.Name, "")
	l.provider = p
	if p.Unusable != "" { // before anybody is sent to connect to it
		return c.refuse(oauth.CodeProviderMisconfigured, "provider", p.Unusable, "a provider that can be used")
	}
	return nil
}

// requestedKeys are keys of the provider's scope_map; one that is not there is refused, not dropped: it is the company's own
// word, and a typing mistake must not read as less.
func (c *call) requestedKeys() ([]string, error) {
	p := c.lending.provider
	requested, err := oauth.ParseScope(c.Form.Get("scope"))
	if err != nil {
		c.failed("scope", "a malformed scope", "scope tokens")
		return nil, err
	}
	if requested == nil && p.Object != nil {
		requested = slices.Clone(p.Object.DefaultScopes)
	}
	if len(requested) == 0 {
		return nil, c.refuse(oauth.CodeProviderScopeMissing, "scope", "no scope", strings.Join(p.Keys(), " "))
	}
	for _, key := range requested {
		if _, ok := p.ScopeMap[key]; !ok {
			return nil, c.refuse(oauth.CodeProviderScopeUnknown, "scope", key, strings.Join(p.Keys(), " "))
		}
	}
	return requested, nil
}

// maxLeastLife bounds min_ttl.
const maxLeastLife = 12 * time.Hour

// leastLife is how long what is lent must live: the longer of what the provider's entry and the request say.
func (c *call) leastLife() (time.Duration, error) {
	text := c.Form.Get("min_ttl")
	if text == "" {
		return c.lending.provider.MinTTL, nil
	}
	seconds, err := strconv.ParseUint(text, 10, 32)
	asked := time.Duration(seconds) * time.Second
	if err != nil || asked == 0 || asked > maxLeastLife {
		return 0, c.refuse(oauth.CodeMinTTLInvalid, "min_ttl", text, "seconds, 1 to 43200")
	}
	return max(asked, c.lending.provider.MinTTL), nil
}

// settleConnection reads what the token's subject connected at the provider, and which of it is meant.
func (g *Grants) settleConnection(ctx context.Context, c *call) error {
	l := c.lending
	if !l.provider.OfPeople() {
		l.covered = l.provider.Keys()
		return nil
	}
	var err error
	if l.found, err = g.Vending.Downstream.Find(ctx, c.Tenant, l.provider, l.owner); err != nil {
		return notKnown(err)
	}
	l.choose(c.Form.Get("account"))
	if l.chosen == nil { // told when policy has been asked
		return nil
	}
	for _, key := range l.provider.Keys() {
		if len(downstream.Covers(l.provider, l.chosen.Scopes, l.provider.ScopeMap[key])) == 0 {
			l.covered = append(l.covered, key)
		}
	}
	return nil
}

// choose finds the one that is meant, or says why there is none.
func (l *lending) choose(account string) {
	known := make([]connection.Connection, len(l.found))
	for i, s := range l.found {
		known[i] = s.Connection
	}
	chosen, err := connection.Choose(known, account)
	if err != nil {
		l.choice = err
		return
	}
	l.chosen = &l.found[slices.IndexFunc(l.found, func(s connection.Stored) bool { return s.ID == chosen.ID })]
}

// keysWithin is what policy is asked about. What is not covered yet is in it where it was asked for: policy decides whether
// the person may be sent to allow it.
func (c *call) keysWithin(requested []string) scopes {
	available := slices.Clone(c.lending.covered)
	for _, key := range requested {
		if !slices.Contains(available, key) {
			available = append(available, key)
		}
	}
	c.passed("scope", strings.Join(requested, " "), strings.Join(available, " "))
	return scopes{requested: requested, available: available}
}

// wanted are the provider's scopes that keys lead to, each once.
func (l *lending) wanted(keys []string) []string {
	var all []string
	for _, key := range keys {
		for _, scope := range l.provider.ScopeMap[key] {
			if !slices.Contains(all, scope) {
				all = append(all, scope)
			}
		}
	}
	return all
}

// lend opens, and tells failures apart.
func (g *Grants) lend(ctx context.Context, c *call, keys []string) (provider.Lease, bool, error) {
	l := c.lending
	want := downstream.Want{
		Behalf: downstream.Behalf{Owner: l.owner, Subject: c.subject, ClientID: l.presented.Holder.ClientID},
		Scopes: l.wanted(keys), MinTTL: l.minTTL,
	}
	if c.person != nil {
		want.Email = c.person.Email
	}
	if l.chosen != nil {
		want.Connection = l.chosen
	}
	lease, narrowed, err := g.Vending.Downstream.Lend(ctx, c.Tenant, l.provider, want)
	if err != nil {
		return provider.Lease{}, false, g.notLent(ctx, c, want.Scopes, err)
	}
	if lease.Access.IsZero() {
		return provider.Lease{}, false, c.refuse(oauth.CodeProviderUnavailable, "lease", "nothing", "a token")
	}
	if l.provider.Object != nil && l.provider.Object.RequireNarrowed && !narrowed {
		return provider.Lease{}, false, c.refuse(oauth.CodeNarrowingUnavailable, "narrowed", "not narrowed", "narrowed: require_narrowed")
	}
	c.passed("lease", strings.Join(want.Scopes, " "), "")
	return lease, narrowed, nil
}

// lent is the answer and its record. It may be kept no longer than the token that it was given for, and than policy says.
func (c *call) lent(lease provider.Lease, narrowed bool, d policy.Decision) granted {
	l := c.lending
	until := l.presented.Token.Claims().ExpiresAt
	if d.Lifetime > 0 {
		until = earlier(until, c.now.Add(d.Lifetime))
	}
	response := Response{AccessToken: lease.Access.Reveal(), TokenType: oauth.TokenTypeNone, Scope: strings.Join(d.Scopes, " ")}
	if lease.Header == "Authorization" && strings.EqualFold(lease.Scheme, oauth.TokenTypeBearer) {
		response.TokenType = oauth.TokenTypeBearer
	}
	endless := lease.ExpiresAt.IsZero()
	if !endless {
		until = earlier(until, lease.ExpiresAt)
		response.ExpiresIn = max(lease.ExpiresAt.Sub(c.now), 0).Truncate(time.Second)
	}
	response.Vended = &Vended{
		Provider: l.provider.Name, Narrowed: narrowed, DecisionID: c.decision.ID, CacheUntil: until.Truncate(time.Second),
		Header: lease.Header, Scheme: lease.Scheme, Kept: lease.Kept, Endless: endless,
	}
	if l.chosen != nil {
		response.Vended.Account = l.chosen.Account.Label
	}
	return granted{response: response}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// eventOfLease is what is remembered of a lease: whose, of what account, and what it can do; never the token.
func (c *call) eventOfLease(r Response) audit.Event {
	l := c.lending
	event := c.event(audit.TypeTokenVended, audit.Allowed)
	event.Scope = r.Scope
	event.Detail = c.told(map[string]string{
		"narrowed": strconv.FormatBool(r.Vended.Narrowed), "subject_token": l.presented.Token.Claims().ID,
		"for_client": l.presented.Holder.ClientID, "provider_scopes": strings.Join(l.wanted(strings.Fields(r.Scope)), " "),
	})
	return event
}
