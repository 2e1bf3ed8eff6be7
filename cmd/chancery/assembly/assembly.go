// Package assembly puts the rooms together into a running server: it opens the
// database and the keyring, starts the ledger, applies the configuration's
// objects, and serves two listeners. It decides nothing about a request. What it
// refuses is to start where a check would be empty.
package assembly

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/assertion"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// Options are what a server is made of. Config, Log and Now are required.
type Options struct {
	Config *config.Loaded
	Log    *slog.Logger
	Now    func() time.Time
	// Executable is the binary that becomes the child in which others' policies are checked; empty checks in process.
	Executable string
	// Public and Admin are listeners that are open already; nil opens what the configuration says.
	Public, Admin net.Listener
}

// Server is everything, wired.
type Server struct {
	Options
	metrics   *metrics.Metrics
	store     *store.Store
	keyring   *keyring.Keyring
	ledger    *ledger.Ledger
	refusals  *ledger.Refusals
	root      tenant.UID // of tenant default
	objects   *store.Objects
	path      *object.Path
	checkKey  *keys.CheckpointKey
	rings     *keys.Rings
	keySets   *jwks.Cache
	source    *snapshot.Source
	grants    *grant.Grants
	broker    *broker.Server
	admin     *admin.Server
	listeners []*listener

	clockOff atomic.Bool // our clock and the database's disagree

	work     sync.WaitGroup // what runs beside the listeners
	stopWork context.CancelFunc
	closers  []func(context.Context) error // in the order in which they were opened
}

// New opens and wires everything; nothing is served before Start.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Config == nil || o.Log == nil || o.Now == nil {
		return nil, errors.New("assembly: Config, Log and Now are required")
	}
	s := &Server{Options: o, metrics: metrics.New()}
	for _, open := range []func(context.Context) error{
		s.openKeyring, s.openDatabase, s.openLedger, s.openKeys, s.openPictures, s.applyObjects, s.openGrants, s.openBroker, s.openAdmin,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

func (s *Server) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

// close undoes what was opened, the newest first.
func (s *Server) close(ctx context.Context) error {
	var errs []error
	for _, undo := range slices.Backward(s.closers) {
		errs = append(errs, undo(ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}

// openKeyring loads the keyring; in profile dev a missing one is made.
func (s *Server) openKeyring(context.Context) error {
	path := s.Config.Vault.Keyring.File
	k, err := keyring.Load(path)
	if errors.Is(err, fs.ErrNotExist) && s.Config.Profile == config.Dev {
		k, err = keyring.Create(path, s.Now())
	}
	if err != nil {
		return fmt.Errorf("vault.keyring.file: %w", err)
	}
	s.keyring = k
	return nil
}

// maxClockSkew is how far our clock and the database's may be apart: what is redeemed once is remembered by the database's.
const maxClockSkew = 30 * time.Second

func (s *Server) openDatabase(ctx context.Context) error {
	if err := prepareSchema(ctx, s.Config); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	url, err := s.Config.Database.URL.Resolve(s.Config.Lookup)
	if err != nil {
		return fmt.Errorf("database.url: %w", err)
	}
	if s.store, err = store.Open(ctx, store.Config{URL: url.Reveal()}); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	s.onClose(func(context.Context) error { return s.store.Close() })
	return s.checkClock(ctx)
}

var errClocks = errors.New("our clock and the database's disagree")

func (s *Server) checkClock(ctx context.Context) error {
	theirs, err := s.store.Now(ctx)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if apart := s.Now().Sub(theirs).Abs(); apart > maxClockSkew {
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
	s.checkKey, err = keys.LoadCheckpointKey(ctx, checkpointKeys, s.keyring, s.Now, audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: root.Tenant, Type: audit.TypeCheckpointKeyMade, Outcome: audit.Changed, Principal: system(),
	})
	if err != nil {
		return err
	}
	s.ledger, err = ledger.New(ledger.Config{
		Journal: s.store.Journal(), Checkpoints: s.store.Checkpoints(), Signer: s.checkKey, Every: s.Config.Audit.CheckpointEvery, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	s.onClose(s.ledger.Close)
	if s.refusals, err = ledger.NewRefusals(s.ledger, s.Now, s.Log); err != nil {
		return err
	}
	s.onClose(s.refusals.Close)
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
		Store: signingKeys, Sealer: s.keyring, Algorithm: s.Config.Keys.Algorithm, RotateEvery: s.Config.Keys.RotateEvery,
		JWKSMaxAge: jwksMaxAge, LongestToken: object.MaxTokenLifetime, ClockSkew: maxClockSkew, RefreshEvery: keysRefresh, Now: s.Now, Logger: s.Log,
	})
	if err != nil {
		return err
	}
	s.keySets = jwks.NewCache(fetch.New(fetch.Policy{Mode: s.Config.Egress.Mode, Allow: s.Config.Egress.Allow}), s.Now)
	s.onClose(func(context.Context) error { s.keySets.Close(); return nil })
	return nil
}

// openPictures: what this replica changes it knows at once; what others change, by the versions.
func (s *Server) openPictures(context.Context) error {
	var err error
	s.source, err = snapshot.New(snapshot.Config{
		Store: s.objects, Versions: s.store, PublicURL: s.Config.Server.PublicURL, Now: s.Now, Log: s.Log, Reload: s.rings.Reload,
	})
	if err != nil {
		return err
	}
	s.objects.After(func(_ context.Context, a store.Applied) {
		uids := make([]string, 0, len(a.Changes))
		for _, c := range a.Changes {
			uids = append(uids, c.UID)
		}
		s.source.Changed(a.Tenant, a.Version, uids...)
	})
	return nil
}

func (s *Server) openGrants(context.Context) error {
	if s.Config.Policy.Isolation != "in_process" { // promised, and not done, would be worse than refused
		return fmt.Errorf("policy.isolation: %s is not served by this version; in_process is", s.Config.Policy.Isolation)
	}
	authenticator, err := client.NewAuthenticator(s.source.Clients(), s.keySets, s.Now)
	if err != nil {
		return err
	}
	evaluator := policy.NewInProcess(s.Config.Policy.TimeBudget)
	s.onClose(func(context.Context) error { evaluator.Close(); return nil })
	s.grants, err = grant.New(grant.Config{
		Clients:     authenticator,
		Assertions:  &assertion.Verifier{Keys: s.keySets, Now: s.Now},
		Directories: s.source.Users(),
		Policy:      evaluator,
		Signers:     s.rings,
		Journal:     s.ledger,
		Lane:        s.refusals,
		Pictures:    s.source,
		Observer:    s.metrics,
		Now:         s.Now,
	})
	return err
}

func (s *Server) openBroker(context.Context) error {
	var err error
	s.broker, err = broker.New(broker.Config{
		PublicURL: s.Config.Server.PublicURL, Pictures: s.source, Tokens: s.grants, JWKS: keySets{s.rings}, Ready: s.ready, Observer: s.metrics,
		TrustedProxies: s.Config.Server.TrustedProxies, CORSOrigins: s.Config.Server.CORSOrigins, InFlight: s.Config.Limits.InFlight, Log: s.Log, Now: s.Now,
	})
	return err
}

// ready: the database answers, its clock agrees with ours, and the default tenant has keys. An IdP that is down never
// makes us unready.
func (s *Server) ready(ctx context.Context) error {
	if s.clockOff.Load() {
		return errClocks
	}
	if err := s.store.Ping(ctx); err != nil {
		return err
	}
	root, err := s.source.Get(ctx, tenant.DefaultName)
	if err != nil {
		return err
	}
	_, err = s.rings.Ring(ctx, root.UID)
	return err
}

func (s *Server) openAdmin(context.Context) error {
	credentials, err := s.credentials()
	if err != nil {
		return err
	}
	exposed := http.NotFoundHandler()
	if s.Config.Telemetry.Metrics {
		exposed = s.metrics.Handler()
	}
	book := s.store.Audit()
	s.admin, err = admin.New(admin.Config{
		Objects: s.path, Audit: auditLog{log: book, key: s.checkKey}, Keys: s.rings, Explain: explainer{records{book}}, Refusals: s.refusals, Root: s.root, Metrics: exposed,
		Ready: s.ready, Credentials: credentials, Now: s.Now, Log: s.Log,
	})
	return err
}

// credentials are the programs that may use the admin API. A reference that is the default and names nothing admits nobody;
// one that somebody wrote must resolve.
func (s *Server) credentials() ([]admin.Credential, error) {
	ref := s.Config.Admin.Token
	if ref.IsZero() {
		return nil, nil
	}
	token, err := ref.Resolve(s.Config.Lookup)
	if err != nil && s.Config.Origin("admin.token.env") == config.OriginDefault {
		s.Log.Warn("admin API: no credential is configured, nobody may use it", "set", ref.Env)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("admin.token: %w", err)
	}
	if len(token.Reveal()) < admin.MinToken { // T57: what is short can be tried
		if s.Config.Profile != config.Dev {
			return nil, fmt.Errorf("admin.token: at least %d characters are expected", admin.MinToken)
		}
		s.Log.Warn("admin.token is short; profiles other than dev refuse it", "at_least", admin.MinToken)
	}
	if short := len(token.Reveal()) < admin.MinToken; short && s.Config.Profile != config.Dev {
		return nil, fmt.Errorf("admin.token: shorter than %d characters; make one with: openssl rand -base64 33", admin.MinToken)
	} else if short {
		s.Log.Warn("admin.token is short; profiles other than dev refuse it", "expected_characters", admin.MinToken)
	}
	return []admin.Credential{{Name: "admin.token", Token: token, Role: admin.Role(s.Config.Admin.TokenRole)}}, nil
}

// keySets publishes a tenant's public keys.
type keySets struct{ rings *keys.Rings }

func (k keySets) JWKS(ctx context.Context, t tenant.UID) ([]byte, error) {
	ring, err := k.rings.Ring(ctx, t)
	if err != nil {
		return nil, err
	}
	return ring.JWKS(), nil
}
