package assembly

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/rewrap"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// vaultDesk is what the admin API does with the keys that seal.
type vaultDesk struct {
	server *Server
	desk   rewrap.Desk
}

var _ admin.Vault = vaultDesk{}

func (s *Server) vaultDesk() (vaultDesk, error) {
	d := rewrap.Desk{
		Store: s.store.Sealed(), Connections: s.store.Connections(s.ledger), Sealer: s.secrets.Sealer, Root: s.root, Journal: s.ledger, Now: s.Now, Log: s.Log,
		Tenants: func(ctx context.Context) ([]tenant.UID, error) {
			found, err := s.objects.Tenants(ctx)
			uids := make([]tenant.UID, len(found))
			for i, t := range found {
				uids[i] = t.Tenant
			}
			slices.SortFunc(uids, func(a, b tenant.UID) int { return strings.Compare(a.String(), b.String()) })
			return uids, err
		},
		Alert: func(ctx context.Context, a connection.Alert) {
			s.Log.ErrorContext(ctx, "rewrap: a credential does not open in its place", "tenant", a.Ref.Tenant, "connection", a.Ref.ID, "alert", string(a.Kind))
		},
	}
	return vaultDesk{server: s, desk: d}, d.Validate()
}

// Rewrap implements admin.Vault.
func (v vaultDesk) Rewrap(ctx context.Context, after string, batch int, by audit.Principal, trace string) (rewrap.Step, error) {
	return v.desk.Step(ctx, after, batch, by, trace)
}

// maxVersions bounds how many versions of a Transit key are looked for, the newest first.
const maxVersions = 100

// Keys implements admin.Vault.
func (v vaultDesk) Keys(ctx context.Context) (admin.VaultKeys, error) {
	s := v.server
	listed := admin.VaultKeys{Backend: s.Config.Vault.Backend}
	var keys []rewrap.Key
	var about []admin.VaultKey
	if s.secrets.transit != nil {
		k, err := s.secrets.transit.Check(ctx)
		if err != nil && s.Config.Vault.Backend == config.BackendTransit {
			return listed, err
		}
		for version := k.Latest; version >= 1 && version > k.Latest-maxVersions; version-- {
			keys = append(keys, rewrap.Key{Scheme: vault.WrappedKey, ID: fmt.Sprintf("transit:v%d", version)})
			about = append(about, admin.VaultKey{Seals: version == k.Latest && s.Config.Vault.Backend == config.BackendTransit, Ended: version < k.MinDecrypt})
		}
	}
	if s.secrets.ring != nil {
		if err := s.secrets.ring.Reload(); err != nil {
			return listed, err
		}
		for _, k := range s.secrets.ring.Keys() {
			keys = append(keys, rewrap.Key{Scheme: vault.XAES256GCM, ID: k.ID})
			about = append(about, admin.VaultKey{CreatedAt: k.CreatedAt, Seals: k.Primary && s.Config.Vault.Backend == config.BackendKeyring})
		}
	}
	usage, err := v.desk.Inventory(ctx, keys)
	if err != nil {
		return listed, err
	}
	for i, u := range usage {
		row := admin.VaultKey{}
		if i < len(about) {
			row = about[i]
		}
		row.ID, row.Sealed, row.Soon = u.ID, u.Sealed, u.Soon
		listed.Keys = append(listed.Keys, row)
	}
	return listed, nil
}

var errNoKeyring = fmt.Errorf("%w: vault.backend is transit: rotate the key there (vault write -f MOUNT/keys/KEY/rotate), then chancery vault rewrap", admin.ErrVaultState)

// Rotate implements admin.Vault.
func (v vaultDesk) Rotate(ctx context.Context, by audit.Principal, trace string) (string, error) {
	s := v.server
	if s.Config.Vault.Backend != config.BackendKeyring {
		return "", errNoKeyring
	}
	key, err := s.secrets.ring.Rotate(s.Now())
	if err != nil {
		return "", err
	}
	return key.ID, v.note(ctx, audit.TypeRootKeyRotated, key.ID, by, trace)
}

// Retire implements admin.Vault: nothing rests under the key, and nothing that was made with keys derived from it lives.
func (v vaultDesk) Retire(ctx context.Context, keyID string, by audit.Principal, trace string) error {
	s := v.server
	if s.secrets.ring == nil {
		return errNoKeyring
	}
	listed, err := v.Keys(ctx)
	if err != nil {
		return err
	}
	known := false
	for _, k := range listed.Keys {
		if k.ID != keyID {
			continue
		}
		known = true
		if k.Sealed > 0 || k.Soon > 0 {
			return fmt.Errorf("%w: %d secrets rest under it and %d that go by themselves: run chancery vault rewrap, then wait for the others", admin.ErrVaultState, k.Sealed, k.Soon)
		}
	}
	if !known {
		return keyring.ErrUnknown
	}
	if until := s.secrets.ring.Sealed(keyID); !until.IsZero() && s.Now().Before(until.Add(s.Config.Refresh.Idle)) {
		return fmt.Errorf("%w: refresh tokens that were made with it may live until %s (refresh.idle)", admin.ErrVaultState, until.Add(s.Config.Refresh.Idle).Format(time.RFC3339))
	}
	err = s.secrets.ring.Retire(keyID)
	if errors.Is(err, keyring.ErrPrimary) {
		return fmt.Errorf("%w: %w", admin.ErrVaultState, err)
	}
	if err != nil {
		return err
	}
	return v.note(ctx, audit.TypeRootKeyRetired, keyID, by, trace)
}

func (v vaultDesk) note(ctx context.Context, kind audit.Type, keyID string, by audit.Principal, trace string) error {
	s := v.server
	now := s.Now()
	return s.ledger.Commit(ctx, ledger.Entry{Tenant: s.root, Event: audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: s.root, Trace: trace, Type: kind, Outcome: audit.Changed, Principal: by, Detail: map[string]string{"key": keyID},
	}})
}
