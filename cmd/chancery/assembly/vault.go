package assembly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/transit"
)

// deriver gives keys for purposes of the installation: the same in every replica, after a restart too.
type deriver interface {
	Derive(purpose string) ([][]byte, error)
}

// secrets is what seals, and what keys are derived from. Under Transit the keys that seal never leave Vault, so that keys
// for other purposes come from a secret of the installation's own.
type secrets struct {
	vault.Sealer
	derived deriver
	ring    *keyring.Keyring // nil: there is none
	transit *transit.Client  // nil: nothing is asked of Vault
}

// openVault opens the backend that seals. What it refuses is said with what to do: nothing that would serve without its keys
// is started.
func (s *Server) openVault(ctx context.Context) error {
	t := s.Config.Vault.Transit
	if t.Used() {
		client, err := NewTransit(s.Config, s.Log, s.Now, s.transitObserved())
		if err != nil {
			return err
		}
		s.onClose(func(context.Context) error { client.Close(); return nil })
		s.secrets.transit = client
		s.Config.UseVault((&vaultTexts{ask: client.Secret, now: s.Now}).read)
	}
	if s.Config.Vault.Backend == config.BackendTransit {
		return s.openTransit(ctx)
	}
	if err := s.openKeyring(); err != nil {
		return err
	}
	s.secrets.Sealer, s.secrets.derived = s.secrets.ring, s.secrets.ring
	if s.secrets.transit != nil { // what Vault sealed before still opens
		s.secrets.Sealer = vault.Either{Seals: s.secrets.ring, Opens: map[vault.Scheme]vault.Sealer{vault.XAES256GCM: s.secrets.ring, vault.WrappedKey: s.secrets.transit}}
	}
	return nil
}

// openKeyring loads the keyring; in profile dev a missing one is made.
func (s *Server) openKeyring() error {
	path := s.Config.Vault.Keyring.File
	k, err := keyring.Load(path)
	if errors.Is(err, fs.ErrNotExist) && s.Config.Profile == config.Dev {
		k, err = keyring.Create(path, s.Now())
	}
	if err != nil {
		return fmt.Errorf("vault.keyring.file: %w", err)
	}
	s.secrets.ring = k
	return nil
}

// startPatience bounds the questions to Vault at start.
const startPatience = 10 * time.Second

func (s *Server) openTransit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	key, err := s.secrets.transit.Ready(ctx)
	if err != nil {
		return fmt.Errorf("vault.transit: %w; %s", err, TransitAdvice(err))
	}
	s.Log.Info("vault: the key is fit", "mount", s.Config.Vault.Transit.Mount, "key", s.Config.Vault.Transit.Key, "type", key.Type, "latest_version", key.Latest, "min_decryption_version", key.MinDecrypt)
	s.secrets.Sealer = s.secrets.transit
	if s.Config.Origin("vault.keyring.file") == config.OriginDefault || s.Config.Vault.Keyring.File == "" {
		return nil
	}
	// Somebody names a keyring beside Transit: what it sealed before still opens, until it was rewrapped.
	ring, err := keyring.Load(s.Config.Vault.Keyring.File)
	if err != nil {
		return fmt.Errorf("vault.keyring.file: %w; without vault.keyring in the configuration none is read", err)
	}
	s.secrets.ring = ring
	s.secrets.Sealer = vault.Either{Seals: s.secrets.transit, Opens: map[vault.Scheme]vault.Sealer{vault.XAES256GCM: ring, vault.WrappedKey: s.secrets.transit}}
	return nil
}

// TransitAdvice is what to do about an outage of Vault.
func TransitAdvice(err error) string {
	outage, ok := errors.AsType[*transit.Outage](err)
	switch {
	case errors.Is(err, transit.ErrVersion):
		return "lower the key's min_decryption_version, run chancery vault rewrap, then raise it again"
	case errors.Is(err, transit.ErrKey):
		return "a key is made with: vault write -f MOUNT/keys/KEY type=aes256-gcm96 derived=true exportable=false"
	case !ok:
		return "chancery doctor says more"
	}
	switch outage.Kind {
	case transit.Sealed:
		return "unseal it, then start again"
	case transit.Standby:
		return "no node of the cluster is active: look at its leader, then start again"
	case transit.Denied:
		return "the login or the policy of vault.transit.auth does not do: docs/operations.md has the policy"
	case transit.Throttled:
		return "a quota of Vault's stops us: raise it"
	case transit.Slow, transit.Unreachable:
		return "vault.transit.address does not answer from here: look at the address, the network and ca_bundle"
	case transit.Refused:
		return "is vault.transit.mount a Transit engine, and vault.transit.key its key?"
	case transit.Failing, transit.Resting:
		return "Vault's log says why"
	default:
		return "Vault's log says why"
	}
}

// openSecret makes sure that there is something to derive keys from: the keyring itself, or under Transit the installation's
// secret. A keyring beside Transit stays good for what was made with its keys.
func (s *Server) openSecret(ctx context.Context) error {
	if s.Config.Vault.Backend != config.BackendTransit {
		return nil
	}
	kept, err := s.store.InstallationSecrets(s.ledger)
	if err != nil {
		return err
	}
	now := s.Now()
	secret, err := keys.LoadInstallationSecret(ctx, kept, s.secrets.Sealer, s.Now, audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: s.root, Type: audit.TypeInstallationSecretMade, Outcome: audit.Changed, Principal: system(),
	})
	if err != nil {
		return fmt.Errorf("%w; %s", err, TransitAdvice(err))
	}
	s.secrets.derived = secret
	if s.secrets.ring != nil {
		s.secrets.derived = inTurn{secret, s.secrets.ring}
	}
	return nil
}

// inTurn derives with the first, and recognises what any of them made.
type inTurn []deriver

// Derive implements deriver.
func (t inTurn) Derive(purpose string) ([][]byte, error) {
	var all [][]byte
	for _, d := range t {
		keys, err := d.Derive(purpose)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// watchKeyring reads the keyring again, so that this replica seals with a key that another one made.
func (s *Server) watchKeyring(ctx context.Context) {
	if s.secrets.ring == nil {
		return
	}
	ticks := time.NewTicker(keysRefresh)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if err := s.secrets.ring.Reload(); err != nil {
			s.Log.Error("the keyring cannot be read any more; the keys of before stay in use", "error", err)
		}
	}
}
