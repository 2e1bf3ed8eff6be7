package assembly

import (
	"context"
	"net/netip"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/provision"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/signin"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/token"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/oidc"
	"github.com/chancery-dev/chancery/federation/saml"
)

// people are the rooms of those who sign in.
type people struct {
	kept         *store.Sessions
	sessions     *session.Keeper
	provisioner  *provision.Provisioner
	codes        *code.Codes
	refresh      *refresh.Tokens
	families     *store.Families
	devices      *device.Authorizations
	interactions *interaction.Desk
	approvals    *approval.Desk
	desk         *authorize.Desk
}

// openPeople opens what the grants need of people who sign in.
func (s *Server) openPeople(context.Context) error {
	p := &s.people
	p.kept, p.families = s.store.Sessions(s.ledger), s.store.Families(s.ledger)
	var err error
	if p.sessions, err = session.New(session.Config{Store: p.kept, Directories: s.source.Users(), Now: s.Now, Log: s.Log}); err != nil {
		return err
	}
	p.provisioner, err = provision.New(provision.Config{
		Path: s.path, Objects: s.objects, Directories: s.source.Users(), Journal: s.ledger, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	if p.codes, err = code.New(s.secrets.derived, s.Now); err != nil {
		return err
	}
	if p.refresh, err = refresh.NewTokens(s.secrets.derived); err != nil {
		return err
	}
	if p.devices, err = device.New(s.store.Devices(s.ledger), s.secrets.derived, s.Now); err != nil {
		return err
	}
	if p.approvals, err = approval.New(approval.Desk{Store: s.store.Approvals(s.ledger), People: s.lookUp(), Lane: s.refusals, Now: s.Now}); err != nil {
		return err
	}
	p.interactions, err = interaction.New(interaction.Desk{Store: s.store.Interactions(s.ledger), Sealer: s.secrets, Lane: s.refusals, Now: s.Now})
	return err
}

func (s *Server) refreshLimits() refresh.Limits {
	r := s.Config.Refresh
	return refresh.Limits{Grace: r.Grace, Idle: r.Idle, Absolute: r.Absolute}
}

// grantsOfPeople is what the grants of people who sign in need.
func (s *Server) grantsOfPeople() *grant.People {
	p := &s.people
	return &grant.People{Codes: p.codes, Tokens: p.refresh, Families: p.families, Sessions: p.sessions, Limits: s.refreshLimits(), Clients: s.registry}
}

func (s *Server) refreshTokens() *introspect.Refresh {
	p := &s.people
	return &introspect.Refresh{Tokens: p.refresh, Families: p.families, Sessions: p.sessions, Limits: s.refreshLimits()}
}

// openBrowsers opens what people meet in a browser.
func (s *Server) openBrowsers(context.Context) error {
	p := &s.people
	signIns, err := signin.New(signin.Config{
		OpenID: oidc.New(fetch.New(s.Config.Egress.Policy()), s.keySets, s.Now), SAML: &saml.Verifier{Now: s.Now},
		Sessions: p.sessions, Endings: p.kept, Departures: s.store.Departures(), Directories: s.source.Users(), Provisioner: p.provisioner, Linker: p.provisioner,
		Journal: s.ledger, Lane: s.refusals, Sealer: s.secrets, Captures: s.captures, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	rules, err := consent.NewRules(s.store.Consents(s.ledger), s.Now)
	if err != nil {
		return err
	}
	pushes, err := authorization.NewPushes(s.store.PushedRequests(), s.Now)
	if err != nil {
		return err
	}
	budget, err := limit.New[netip.Prefix](authorize.Rate(), bucketsKept, s.Now)
	if err != nil {
		return err
	}
	s.countLimited("authorization", budget.Refused)
	desk, consents := s.unattended(signIns, rules)
	p.desk, err = authorize.New(authorize.Config{
		Clients: s.clients, Registry: s.registry, Requests: s.store.PendingRequests(), Pushes: pushes, Sessions: p.sessions, SignIns: desk, Grants: s.grants,
		Consents: consents, Hints: hints{s.rings}, Budget: budget, Devices: p.devices, Journal: s.ledger, Lane: s.refusals, Log: s.Log, Now: s.Now,
	})
	if err != nil {
		return err
	}
	passkeys, err := passkey.New(passkey.Config{Store: s.store.Passkeys(s.ledger), Lane: s.refusals, Now: s.Now, PublicURL: s.Config.Server.PublicURL})
	if err != nil {
		return err
	}
	if _, err = authorize.NewStepping(authorize.Stepping{Desk: p.desk, Interactions: p.interactions, Passkeys: passkeys, Raiser: p.sessions}); err != nil {
		return err
	}
	changes, err := s.changes()
	if err != nil {
		return err
	}
	if _, err = authorize.NewApproving(authorize.Approving{Desk: p.desk, Approvals: p.approvals, Peers: s.lookUp(), Proposals: changes}); err != nil {
		return err
	}
	return s.openConnecting()
}

// hints reads ID tokens of ours that come back, by the tenant's own keys.
type hints struct{ rings *keys.Rings }

// Hint implements authorize.Hints.
func (h hints) Hint(ctx context.Context, t *snapshot.Tenant, compact string) (subject, clientID string, err error) {
	ring, err := h.rings.Ring(ctx, t.UID)
	if err != nil {
		return "", "", err
	}
	hint, err := token.VerifyHint(compact, token.Own{Issuer: t.Issuer, Ring: ring})
	return hint.Subject, hint.ClientID, err
}
