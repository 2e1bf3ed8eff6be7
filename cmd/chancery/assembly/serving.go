package assembly

import (
	"context"
	"fmt"
	"net/http"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/assertion"
)

// openPictures: what this replica changes it knows at once; what others change, by the versions.
func (s *Server) openPictures(context.Context) error {
	var err error
	s.source, err = snapshot.New(snapshot.Config{
		Store: s.objects, Versions: s.store, PublicURL: s.Config.Server.PublicURL, Algorithm: s.Config.Keys.Algorithm,
		Now: s.Now, Log: s.Log, Reload: s.rings.Reload, Registered: s.registeredClient, Policies: s.compiler, SignInConfig: s.peopleConfig(),
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
	vending, err := s.vending()
	if err != nil {
		return err
	}
	masks, err := decision.NewMasks(s.secrets.derived, s.Config.Decisions.Redact)
	if err != nil {
		return fmt.Errorf("decisions.redact: %w", err)
	}
	s.grants, err = grant.New(grant.Config{
		Clients:      s.clients,
		Assertions:   &assertion.Verifier{Keys: s.keySets, Now: s.Now},
		Directories:  s.source.Users(),
		Policy:       s.evaluator,
		Records:      masks,
		Signers:      s.rings,
		Journal:      s.ledger,
		Lane:         s.refusals,
		Pictures:     s.source,
		Observer:     s.metrics,
		Uses:         s.store,
		Captures:     s.captures,
		Interactions: s.people.interactions,
		Approvals:    s.people.approvals,
		Devices:      s.people.devices,
		People:       s.grantsOfPeople(),
		Provisioner:  s.people.provisioner,
		Shadow:       s.drafts,
		Vending:      vending,
		Questions:    &grant.Questions{Subjects: s.introspection, Clients: registration.Standing{Registry: s.registry}},
		Now:          s.Now,
	})
	return err
}

func (s *Server) openBroker(context.Context) error {
	door, err := s.openDoor()
	if err != nil {
		return err
	}
	nonces, err := s.nonces()
	if err != nil {
		return err
	}
	s.broker, err = broker.New(broker.Config{
		Door: door, Nonces: nonces, Traces: s.requests(),
		PublicURL: s.Config.Server.PublicURL, Pictures: s.source, Tokens: s.grants, Introspection: counted{s.introspection, s.metrics}, JWKS: keySets{s.rings}, Ready: s.ready, Observer: s.metrics, People: s.people.desk, Devices: s.grants, UserInfo: s.introspection, Evaluations: s.grants, Registrations: s.desk, DevDocuments: s.DevDocuments,
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
	if err := s.openGauges(); err != nil {
		return err
	}
	people, err := s.persons()
	if err != nil {
		return err
	}
	proposals := s.proposals()
	if err := proposals.Validate(); err != nil {
		return err
	}
	book := s.store.Audit()
	sealing, err := s.vaultDesk()
	if err != nil {
		return err
	}
	s.admin, err = admin.New(admin.Config{
		Objects: s.path, Audit: auditLog{log: book, key: s.checkKey}, Keys: s.rings, Tokens: s.revoker, Registrations: s.desk, Explain: explainer{records{book}, s.decisions.Court}, IdPTests: s.idpTests(), IdPMetadata: metadataDesk{s}, Captures: s.captures, Connections: s.lending.inventory, Webhooks: s.lending.hooks, Vault: sealing, Approvals: approvalsDesk{s}, Refusals: s.adminRefusals, Root: s.root, Metrics: exposed,
		Revisions: revision.Revisions{Store: s.store.Revisions()}, Proposals: proposals, Status: policyStatus{s},
		Decisions: s.decisions,
		Ready:     s.ready, Credentials: credentials, People: people, Now: s.Now, Log: s.Log,
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
	token, err := s.Config.Secret(ref)
	if err != nil && s.Config.Origin("admin.token.env") == config.OriginDefault {
		s.Log.Warn("admin API: no credential is configured, nobody may use it", "set", ref.Env)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("admin.token: %w", err)
	}
	// T57: what is short can be tried.
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
