package assembly

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// maxClockSkew is how far our clock and the database's may be apart: what is redeemed once is remembered by the database's.
const maxClockSkew = 30 * time.Second

func (s *Server) openDatabase(ctx context.Context) error {
	if err := prepareSchema(ctx, s.Config); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	url, err := s.Config.Text(s.Config.Database.URL)
	if err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	if s.store, err = store.Open(ctx, store.Config{URL: url.Reveal()}); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	s.onClose(func(context.Context) error { return s.store.Close() })
	if s.Config.Profile != config.Dev { // the second wall stands only before a role that is bound by it
		if err := s.store.CheckRole(ctx); err != nil {
			return fmt.Errorf("database.url: %w (docs/operations.md says how to make the roles)", err)
		}
	}
	return s.checkClock(ctx)
}

var errClocks = errors.New("our clock and the database's disagree")

func (s *Server) checkClock(ctx context.Context) error {
	theirs, err := s.store.Now(ctx)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	skew := s.Now().Sub(theirs)
	s.clockSkew.Store(int64(skew))
	if apart := skew.Abs(); apart > maxClockSkew {
		return fmt.Errorf("%w: %s apart, at most %s is accepted; correct the clocks", errClocks, apart.Round(time.Second), maxClockSkew)
	}
	return nil
}

// openLedger makes what comes before the ledger can begin (the default tenant, the checkpoint key), then starts the writer.
func (s *Server) openLedger(ctx context.Context) error {
	first, err := s.store.Objects(s.store.Alone(s.Now))
	if err != nil {
		return err
	}
	root, err := first.Bootstrap(ctx, tenant.DefaultName, s.Now())
	if err != nil {
		return err
	}
	s.root = root.Tenant
	checkpointKeys, err := s.store.CheckpointKeys(s.Now)
	if err != nil {
		return err
	}
	now := s.Now()
	s.checkKey, err = keys.LoadCheckpointKey(ctx, checkpointKeys, s.secrets, s.Now, audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: root.Tenant, Type: audit.TypeCheckpointKeyMade, Outcome: audit.Changed, Principal: system(),
	})
	if err != nil {
		return err
	}
	s.ledger, err = ledger.New(ledger.Config{
		Journal: s.watched(s.store.Journal()), Checkpoints: watchedCheckpoints{s.store.Checkpoints(), s.auditLag}, Signer: s.checkKey, Every: s.Config.Audit.CheckpointEvery, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	s.onClose(s.ledger.Close)
	// A lane for each listener: a flood on the public one must not hide who tries the admin API.
	for _, lane := range []**ledger.Refusals{&s.refusals, &s.adminRefusals} {
		if *lane, err = ledger.NewRefusals(s.ledger, s.Now, s.Log); err != nil {
			return err
		}
		s.onClose((*lane).Close)
	}
	s.objects, err = s.store.Objects(s.ledger)
	return err
}

func system() audit.Principal { return audit.Principal{Kind: "system", Name: "chancery"} }

const (
	jwksMaxAge  = 5 * time.Minute // Cache-Control of our key set
	keysRefresh = 30 * time.Second
)

func (s *Server) openKeys(context.Context) error {
	signingKeys, err := s.store.SigningKeys(s.ledger)
	if err != nil {
		return err
	}
	s.rings, err = keys.New(keys.Config{
		Store: signingKeys, Sealer: s.secrets, Algorithm: s.Config.Keys.Algorithm, RotateEvery: s.Config.Keys.RotateEvery,
		JWKSMaxAge: jwksMaxAge, LongestToken: object.MaxTokenLifetime, ClockSkew: maxClockSkew, RefreshEvery: keysRefresh, Now: s.Now, Logger: s.Log,
	})
	if err != nil {
		return err
	}
	s.objects.After(s.prepareKeys)
	s.keySets = jwks.NewCache(fetch.New(s.Config.Egress.Policy()), s.Now, jwks.WithObserver(s.fetched), jwks.WithWaiting(waitsForKeys))
	s.onClose(func(context.Context) error { s.keySets.Close(); return nil })
	return nil
}

// note records that this process began or ended to serve.
func (s *Server) note(ctx context.Context, kind audit.Type) error {
	now := s.Now()
	err := s.ledger.Commit(ctx, ledger.Entry{Tenant: s.root, Event: audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: s.root, Type: kind, Outcome: audit.Changed, Principal: system(),
		Detail: map[string]string{"writer": s.ledger.Writer(), "issuer": s.Config.Server.PublicURL},
	}})
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}
