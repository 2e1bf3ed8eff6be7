package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// Refresh is what is asked about refresh tokens; every part is required.
type Refresh struct {
	Tokens   *refresh.Tokens
	Families Families
	Sessions Sessions
	Limits   refresh.Limits
}

// Families reads families of refresh tokens.
type Families interface {
	Family(ctx context.Context, t tenant.UID, id string) (refresh.Family, error)
}

// Sessions tells whether a session lasts; nil: it has ended.
type Sessions interface {
	Lasts(ctx context.Context, t *snapshot.Tenant, handle [32]byte) (*session.Session, error)
}

func (r *Refresh) validate() error {
	if r == nil {
		return nil
	}
	if r.Tokens == nil || r.Families == nil || r.Sessions == nil {
		return errors.New("introspect: a part for refresh tokens is missing")
	}
	return r.Limits.Validate()
}

// isRefresh tells whether a refresh token is asked about.
func (e *Endpoints) isRefresh(c *call) bool {
	return e.Refresh != nil && refresh.IsToken(c.Form.Get("token"))
}

// family finds the family of the caller's own refresh token, nil if it is none.
func (e *Endpoints) family(ctx context.Context, c *call) (refresh.Presented, *refresh.Family, error) {
	presented, err := e.Refresh.Tokens.Parse(c.Tenant.UID, c.Form.Get("token"))
	if _, refused := errors.AsType[*oauth.Error](err); refused {
		return presented, nil, nil
	}
	if err != nil {
		return presented, nil, unavailable(err)
	}
	family, err := e.Refresh.Families.Family(ctx, c.Tenant.UID, presented.Family())
	if errors.Is(err, refresh.ErrUnknown) {
		return presented, nil, nil
	}
	if err != nil {
		return presented, nil, unavailable(err)
	}
	if family.ClientUID != c.client().UID { // RFC 7662 §4: whose it is not learns nothing
		return presented, nil, nil
	}
	return presented, &family, nil
}

// introspectRefresh tells a client of its own refresh token (RFC 7662). It is active if it could be used now.
func (e *Endpoints) introspectRefresh(ctx context.Context, c *call) ([]byte, error) {
	presented, family, err := e.family(ctx, c)
	if err != nil {
		return nil, err
	}
	active := family != nil && family.End == nil && !family.Over(e.Refresh.Limits) &&
		family.Standing(presented.Generation(), e.Refresh.Limits) == refresh.Newest
	if active {
		if active, err = e.holds(ctx, c, family); err != nil {
			return nil, err
		}
	}
	// The question comes after what it is to confirm, as for access tokens.
	version, _, err := e.gather.Ask(ctx, c.Tenant.UID, nil)
	if err != nil {
		return nil, unavailable(err)
	}
	if version != c.Tenant.Version {
		return nil, ledger.ErrStale
	}
	if !active {
		return []byte(Inactive), nil
	}
	return c.describeRefresh(family)
}

// holds tells whether everybody who stands behind it is there still.
func (e *Endpoints) holds(ctx context.Context, c *call, f *refresh.Family) (bool, error) {
	idp, ok := c.Tenant.IdentityProvider(f.IdPUID)
	if !ok || idp.Disabled || idp.Issuer != f.Issuer {
		return false, nil
	}
	accounts, err := e.Directories.Directory(c.Tenant).ByID(ctx, f.UserUID)
	if err != nil {
		return false, unavailable(err)
	}
	if len(accounts) != 1 || accounts[0].UID != f.UserUID || accounts[0].Status != federation.StatusActive {
		return false, nil
	}
	if f.Offline {
		vouches, err := federation.Vouches(ctx, e.Directories.Directory(c.Tenant), idp, f.UserUID)
		if err != nil {
			return false, unavailable(err)
		}
		return vouches, nil
	}
	alive, err := e.Refresh.Sessions.Lasts(ctx, c.Tenant, f.Session)
	if err != nil {
		return false, unavailable(err)
	}
	return alive != nil && alive.UserUID == f.UserUID, nil
}

func (c *call) describeRefresh(f *refresh.Family) ([]byte, error) {
	var scopes, audience []string
	for _, r := range f.Resources {
		audience = append(audience, r.URI)
		for _, s := range r.Scopes {
			if !slices.Contains(scopes, s) {
				scopes = append(scopes, s)
			}
		}
	}
	return json.Marshal(struct {
		Active   bool     `json:"active"`
		Issuer   string   `json:"iss"`
		Subject  string   `json:"sub"`
		ClientID string   `json:"client_id"`
		Audience []string `json:"aud"`
		Scope    string   `json:"scope"`
		IssuedAt int64    `json:"iat"`
		Expires  int64    `json:"exp"` // unless it is used before
	}{
		true, c.Tenant.Issuer, f.UserUID, c.client().ClientID, audience, strings.Join(append(scopes, f.Identity...), " "),
		f.RotatedAt.Unix(), f.Until().Unix(),
	})
}

// revokeRefresh ends a client's own grant: its refresh tokens, and the access tokens that came with them (RFC 7009 §2.1).
// Any token of the family will do, an old one as well: who holds one of another's would end it by using it.
func (e *Endpoints) revokeRefresh(ctx context.Context, c *call) error {
	_, family, err := e.family(ctx, c)
	if err != nil {
		return err
	}
	if family == nil || family.End != nil {
		return e.spend(ctx, c, "revoke")
	}
	event := c.event(audit.TypeFamilyEnded, audit.Changed)
	event.OnBehalf, event.Detail = family.UserUID, map[string]string{"refresh_family": family.ID, "ended": ledger.EndedByClient}
	entry := ledger.Entry{Ending: &ledger.Ending{Origin: family.Origin, Why: ledger.EndedByClient}, Event: event}
	if r := c.authentication.Redemption(); r != nil {
		entry.Redemptions = append(entry.Redemptions, *r)
		entry.Event.AssertionID = c.authentication.AssertionID()
	}
	return e.commit(ctx, c, entry)
}
