package downstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Import is a credential that an administrator brings: of a person's or a client's account at a provider.
type Import struct {
	User, Client string // whose it will be: a name or a uid, one of them
	Provider     string // name
	// Account names it where the provider does not say whose it is.
	Account string
	// Secret is what was issued by hand, for a static provider, and Login the user name that belongs to it with Basic.
	Login  string
	Secret provider.Secret
	// Refresh and Access are those of OAuth: either is enough. What is refreshed at once is known to work.
	Refresh   provider.Secret
	Access    provider.Secret
	ExpiresAt time.Time // of Access alone; zero: no end is known
	Scopes    []string  // the provider's, where its answers do not say them
}

// ErrImport says that what was brought cannot become a connection. It quotes nothing of it.
var ErrImport = errors.New("the credential cannot be imported")

// Import seals a credential as its owner's connection. The same account again takes the place of the old credential.
func (i *Inventory) Import(ctx context.Context, t tenant.UID, m Import, by By) (Record, error) {
	owner, err := i.importOwner(ctx, t, m)
	if err != nil {
		return Record{}, err
	}
	picture, err := i.Pictures.Of(ctx, t)
	if err != nil {
		return Record{}, err
	}
	p, ok := picture.Provider(m.Provider)
	switch {
	case !ok:
		return Record{}, fmt.Errorf("%s %q: %w", object.KindProvider, m.Provider, object.ErrNotFound)
	case p.Disabled:
		return Record{}, fmt.Errorf("%w: the provider is disabled", ErrImport)
	case !p.OfPeople():
		return Record{}, fmt.Errorf("%w: nobody connects at a provider of kind %s", ErrImport, p.Manifest.Kind)
	}
	engine, err := i.Engines.Engine(ctx, picture, p)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", ErrImport, err)
	}
	c, err := brought(ctx, engine, p, m)
	if err != nil {
		return Record{}, err
	}
	account, vouched, err := accountOf(ctx, engine, c, m)
	if err != nil {
		return Record{}, err
	}
	if !p.Takes(account, vouched) {
		return Record{}, fmt.Errorf("%w: the provider's accounts.email_domains does not have the account's domain", ErrImport)
	}
	id, err := i.keep(ctx, t, p, owner, account, c, by)
	if err != nil {
		return Record{}, err
	}
	return i.Get(ctx, t, id)
}

func (i *Inventory) importOwner(ctx context.Context, t tenant.UID, m Import) (connection.Owner, error) {
	kind, of, which := connection.User, object.KindUser, m.User
	if m.Client != "" {
		kind, of, which = connection.Client, object.KindClient, m.Client
	}
	if (m.User == "") == (m.Client == "") {
		return connection.Owner{}, fmt.Errorf("%w: it is a user's or a client's, one of them", ErrImport)
	}
	uid, err := i.uidOf(ctx, t, of, which)
	if err != nil {
		return connection.Owner{}, err
	}
	if _, err := i.Objects.ByUID(ctx, t, of, uid); err != nil { // a uid was not looked up
		return connection.Owner{}, fmt.Errorf("%s %q: %w", of, which, err)
	}
	return connection.Owner{Kind: kind, UID: uid}, nil
}

// brought makes a credential of what was brought.
func brought(ctx context.Context, engine *provider.Provider, p *snapshot.Provider, m Import) (provider.Credential, error) {
	static := p.Manifest.Kind == provider.Static
	switch {
	case static && (m.Secret.IsZero() || !m.Refresh.IsZero() || !m.Access.IsZero()):
		return provider.Credential{}, fmt.Errorf("%w: a static provider takes a secret", ErrImport)
	case static:
		c, err := engine.Enter(m.Login, m.Secret)
		if err != nil {
			return c, fmt.Errorf("%w: %w", ErrImport, err)
		}
		c.Scopes = m.Scopes
		return c, nil
	case !m.Secret.IsZero() || m.Refresh.IsZero() && m.Access.IsZero():
		return provider.Credential{}, fmt.Errorf("%w: it takes a refresh token or an access token", ErrImport)
	}
	for _, token := range []provider.Secret{m.Refresh, m.Access} { // what follows a line break would be another header where it is lent
		if !token.IsZero() && !token.Presentable() {
			return provider.Credential{}, fmt.Errorf("%w: a token is too long, or holds what no header can", ErrImport)
		}
	}
	c := provider.Credential{
		Origin: provider.FromPerson, Access: m.Access, Refresh: m.Refresh, Scopes: m.Scopes, IssuedAt: m.ExpiresAt.Add(-time.Hour), ExpiresAt: m.ExpiresAt,
	}
	if m.ExpiresAt.IsZero() {
		c.IssuedAt = time.Time{}
	}
	if m.Refresh.IsZero() {
		return c, nil
	}
	next, err := engine.Refresh(ctx, c)
	if failed, ok := errors.AsType[*provider.Error](err); ok {
		return provider.Credential{}, fmt.Errorf("%w: the provider refuses the refresh token (%s)", ErrImport, failed.Outcome)
	}
	return next, err
}

// accountOf asks the provider whose it is. What cannot be asked, the administrator says.
func accountOf(ctx context.Context, engine *provider.Provider, c provider.Credential, m Import) (account provider.Account, vouched bool, err error) {
	account, err = engine.Probe(ctx, c)
	switch {
	case err == nil && m.Account != "" && m.Account != account.ID && m.Account != account.Label:
		return provider.Account{}, false, fmt.Errorf("%w: the provider says that it is another account", ErrImport)
	case err == nil:
		return account, false, nil
	case !errors.Is(err, provider.ErrUnsupported) && m.Account == "": // a refresh token may be used up: what is known is taken
		return provider.Account{}, false, fmt.Errorf("%w: the provider does not say whose it is", ErrImport)
	}
	label := provider.Clean(m.Account)
	if label == "" {
		label = provider.Clean(m.Login)
	}
	if label == "" {
		return provider.Account{}, false, fmt.Errorf("%w: name the account, the provider does not say whose it is", ErrImport)
	}
	return provider.Account{ID: label, Label: label}, true, nil
}

func (i *Inventory) keep(ctx context.Context, t tenant.UID, p *snapshot.Provider, owner connection.Owner, account provider.Account, c provider.Credential, by By) (string, error) {
	var err error
	for range actionTries {
		var held []connection.Connection
		if held, err = i.Rows.Find(ctx, t.String(), owner, p.UID); err != nil {
			return "", err
		}
		now := i.Now()
		one := connection.Connection{
			Ref:     connection.Ref{Tenant: t.String(), ID: connection.NewID(now), Owner: owner, Provider: p.UID},
			Account: account, Scopes: c.Scopes, Status: connection.Connected, Version: 1, CreatedAt: now, UpdatedAt: now,
		}
		at := slices.IndexFunc(held, func(other connection.Connection) bool { return other.Account.ID == account.ID })
		if at >= 0 {
			if held[at].Status == connection.Suspended {
				return "", ErrState
			}
			one.Ref, one.Version = held[at].Ref, held[at].Version+1
		}
		var sealed connection.Successor
		if sealed, err = connection.Seal(ctx, i.Sealer, one.Ref, one.Version, c, now); err != nil {
			return "", err
		}
		var e audit.Event
		if e, err = i.event(ctx, t, one, audit.TypeConnectionCreated, by); err != nil {
			return "", err
		}
		e.Detail["imported"] = "true"
		if at >= 0 {
			e.Detail["again"] = "true"
			err = i.Rows.Replace(ctx, one.Ref, held[at].Version, account.Label, sealed, e)
		} else {
			one.KeyID, one.SealedAt, one.ExpiresAt, one.RefreshAt = sealed.KeyID, sealed.SealedAt, sealed.ExpiresAt, sealed.RefreshAt
			err = i.Rows.Create(ctx, connection.Stored{Connection: one, Blob: sealed.Blob}, e)
		}
		if err == nil {
			return one.ID, nil
		}
		if !errors.Is(err, connection.ErrMoved) && !errors.Is(err, connection.ErrTaken) {
			break
		}
	}
	return "", err
}
