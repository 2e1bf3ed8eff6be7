// Package provision makes the users of people who come for the first time, where
// the entry of their IdP says so, and adds identities to users who asked for it.
// Both go the way of all objects, as the manager `sign-in`: what administrators
// see, compare and delete is the same. Two replicas that make the same user at
// once make one: the identity is a key that only one object holds.
//
// It knows no protocol of an IdP, no HTTP and no SQL. Whether somebody may be
// made is federation.Resolve's to say.
package provision

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// Manager is who manages the users that are made here.
const Manager = "sign-in"

// Path changes objects; *object.Path does.
type Path interface {
	Apply(ctx context.Context, tenantName string, objects []object.Object, r object.Request) (object.Plan, error)
}

// Objects reads what is there now, past every cache.
type Objects interface {
	ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error)
	FindByKey(ctx context.Context, t tenant.UID, space, value string) ([]object.Stored, error)
}

// Journal records facts.
type Journal interface {
	Commit(ctx context.Context, e ledger.Entry) error
}

// Config is what a Provisioner needs. Every member is required.
type Config struct {
	Path        Path
	Objects     Objects
	Directories session.Directories
	Journal     Journal
	Now         func() time.Time
	Log         *slog.Logger
}

// Provisioner makes users, and links identities.
type Provisioner struct{ Config }

// New refuses a configuration in which a part is missing.
func New(c Config) (*Provisioner, error) {
	if c.Path == nil || c.Objects == nil || c.Directories == nil || c.Journal == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("provision: a part is missing")
	}
	return &Provisioner{c}, nil
}

// Provision makes the account that a resolution asks for, or finds the one that somebody made meanwhile.
func (p *Provisioner) Provision(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, r federation.Resolution) (federation.Account, error) {
	if r.Provision == nil {
		return r.Account, nil
	}
	n := *r.Provision
	if !idp.Subject.Provision || n.Subject == "" || n.IdPName != idp.Name {
		return federation.Account{}, oauth.Refuse(oauth.CodeSubjectUnmatched, "nobody yet", "an entry that provisions just in time")
	}
	now := p.Now()
	name := "u-" + strings.ToLower(strings.TrimPrefix(id.New(id.User, now), string(id.User)+"_"))
	spec := &object.UserSpec{Email: n.Email, Identities: []object.Identity{identityOf(idp, n.Tenant, n.Subject, n.SubID)}}
	if n.Guest {
		spec.Attributes = map[string]any{"guest": true}
	}
	made := true
	err := p.apply(ctx, t, name, spec, nil, object.Request{Manager: Manager, IfMatch: object.NotThere})
	if errors.Is(err, object.ErrKeyTaken) || errors.Is(err, object.ErrConflict) || isTaken(err) { // somebody was first
		made, err = false, nil
	}
	if _, invalid := errors.AsType[*object.Invalid](err); invalid { // such as a subject that no object may hold
		return federation.Account{}, &oauth.Error{Code: oauth.CodeSubjectUnmatched, Received: "a subject that no user can have", Cause: err}
	}
	if err != nil {
		return federation.Account{}, fmt.Errorf("make a user: %w", err)
	}
	account, err := p.find(ctx, t, idp, n)
	if err == nil && made {
		p.tell(ctx, t, idp, account.UID, name)
	}
	return account, err
}

// find reads who holds the identity now: the caches may still say nobody.
func (p *Provisioner) find(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, n federation.NewAccount) (federation.Account, error) {
	stored, err := p.Objects.FindByKey(ctx, t.UID, object.SpaceIdentity, object.IdentityKey(object.Link(idp.UID, idp.Issuer), n.Tenant, n.Subject))
	if err != nil {
		return federation.Account{}, err
	}
	if len(stored) != 1 || stored[0].Kind != object.KindUser {
		return federation.Account{}, oauth.Refuse(oauth.CodeSubjectConflict, "somebody else's identity", "one account")
	}
	accounts, err := p.Directories.Directory(t).ByID(ctx, stored[0].UID)
	if err != nil {
		return federation.Account{}, err
	}
	switch {
	case len(accounts) != 1 || accounts[0].UID != stored[0].UID:
		return federation.Account{}, oauth.Refuse(oauth.CodeSubjectUnmatched, "a user who went meanwhile", "one account")
	case accounts[0].Status != federation.StatusActive:
		return federation.Account{}, oauth.Refuse(oauth.CodeSubjectDisabled, accounts[0].Status, federation.StatusActive)
	case accounts[0].Guest && !idp.Subject.AllowGuests:
		return federation.Account{}, oauth.Refuse(oauth.CodeGuestDenied, "guest", "no guest")
	}
	return accounts[0], nil
}

// identityOf links both names of a subject, where there are two: the one by which it is matched need not be the one that
// is there the next time.
func identityOf(idp *federation.IdentityProvider, idpTenant, subject string, subID federation.SubjectID) object.Identity {
	identity := object.Identity{IdP: idp.Name, Tenant: idpTenant, Sub: subject}
	if subID.IsZero() || subID.Format() == federation.FormatEmail { // an address is no key (T13)
		return identity
	}
	identity.SubID = map[string]any{}
	for name, value := range subID.Members() {
		identity.SubID[name] = value
	}
	return identity
}

func (p *Provisioner) apply(ctx context.Context, t *snapshot.Tenant, name string, spec *object.UserSpec, labels map[string]string, r object.Request) error {
	caller := session.CallerOf(ctx, p.Now())
	r.By, r.Trace = audit.Principal{Kind: "system", Name: Manager}, caller.Trace
	plan, err := p.Path.Apply(ctx, t.Name, []object.Object{{
		APIVersion: object.APIVersion, Kind: object.KindUser, Metadata: object.Metadata{Name: name, Tenant: t.Name, Labels: labels}, Spec: spec,
	}}, r)
	if err == nil && len(plan.Pending) > 0 { // he is one who approves: nothing was made
		return oauth.Refuse(oauth.CodeIdentityUnlinkable, "a user whose change a second person must allow", "a user who is changed by sign-in")
	}
	return err
}

// isTaken tells a plan that found the key with another object from every other reason why objects are refused.
func isTaken(err error) bool {
	invalid, ok := errors.AsType[*object.Invalid](err)
	if !ok || len(invalid.Problems) == 0 {
		return false
	}
	for _, problem := range invalid.Problems {
		if problem.Code != object.SpaceIdentity+"_taken" && problem.Code != object.SpaceSubID+"_taken" {
			return false
		}
	}
	return true
}

func (p *Provisioner) tell(ctx context.Context, t *snapshot.Tenant, idp *federation.IdentityProvider, uid, name string) {
	now := p.Now()
	caller := session.CallerOf(ctx, now)
	err := p.Journal.Commit(ctx, ledger.Entry{Tenant: t.UID, Event: audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t.UID, Trace: caller.Trace, Remote: caller.Remote, Type: audit.TypeUserProvisioned, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "system", Name: Manager}, OnBehalf: uid, IdP: idp.Name, Detail: map[string]string{"name": name},
	}})
	if err != nil { // that the object was made is in the log since it was made
		p.Log.Warn("that a user was provisioned was not told beside the object", "trace_id", caller.Trace, "error", err)
	}
}
