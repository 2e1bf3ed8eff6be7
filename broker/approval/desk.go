package approval

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// Store keeps approvals. Each method that takes an event is one transaction with it.
type Store interface {
	// Live is the newest of a binding that has not ended at now and was not used, in whatever state; else ErrGone.
	Live(ctx context.Context, t tenant.UID, binding [32]byte, now time.Time) (Approval, error)
	// Begin keeps a request, or gives the one that lives under its binding. If most of its user and client wait, ErrCrowded.
	Begin(ctx context.Context, a Approval, most int, e audit.Event) (Approval, error)
	// Find gives one that has not ended at now and was not used, or ErrGone.
	Find(ctx context.Context, t tenant.UID, id string, now time.Time) (Approval, error)
	// Waiting lists those that wait at now, the oldest first.
	Waiting(ctx context.Context, t tenant.UID, now time.Time, most int) ([]Approval, error)
	// Say adds a word as Approval.Say has it, on what the database has at this moment.
	Say(ctx context.Context, t tenant.UID, id string, w Word, e audit.Event) (Approval, error)
	// Lapse ends one before its time.
	Lapse(ctx context.Context, t tenant.UID, id string, e audit.Event) error
}

// People says who a person is now; person.People does.
type People interface {
	Find(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (person.Person, error)
	// Accounts finds a user by his uid, active or not.
	Accounts(ctx context.Context, t *snapshot.Tenant, userUID string) ([]federation.Account, error)
}

// Lane takes events of which there may be any number.
type Lane interface {
	Add(e audit.Event, source string)
}

// Desk keeps what waits and takes what people say. Every part is required.
type Desk struct {
	Store  Store
	People People
	Lane   Lane
	Now    func() time.Time
}

// New refuses a desk in which a part is missing.
func New(d Desk) (*Desk, error) {
	if d.Store == nil || d.People == nil || d.Lane == nil || d.Now == nil {
		return nil, errors.New("approval: a part is missing")
	}
	return &d, nil
}

// Ask is a request that policy lets pass only with the approval of others. The client is known: it proved who it is.
type Ask struct {
	Tenant   *snapshot.Tenant
	UserUID  string // "" where the client asks for itself
	Client   audit.Principal
	ClientID string
	Resource *snapshot.Resource
	Provider string   // whose scopes they are; "" for the resource's own
	Scopes   []string // that would be granted
	Policies []policy.Ref
	Needs    []policy.ApprovalNeed
	// Beside is what else it is for, which is bound too: a request that differs in it needs another approval.
	Beside   []string
	Lifetime time.Duration // of what would be given; shown to those who are asked, and the most that they allow
	Decision string
	Trace    string
	Remote   string
}

func (q Ask) approval() (Approval, error) {
	a := Approval{
		UserUID: q.UserUID, ClientUID: q.Client.ID, ClientID: q.ClientID, Provider: q.Provider, Scopes: sorted(q.Scopes), DecisionID: q.Decision, Lifetime: q.Lifetime, State: Waiting,
	}
	if q.Tenant != nil {
		a.Tenant = q.Tenant.UID
	}
	if q.Resource != nil {
		a.ResourceUID = q.Resource.UID
	}
	for _, p := range q.Policies {
		a.Policies = append(a.Policies, Policy{UID: p.UID, Name: p.Name, Revision: p.Revision, Hash: p.Hash})
	}
	for _, n := range q.Needs { // the strictest time counts
		a.Groups = append(a.Groups, n.Group)
		if n.Within > 0 && (a.Within == 0 || n.Within < a.Within) {
			a.Within = n.Within
		}
	}
	a.Groups = sorted(a.Groups)
	if a.Within == 0 {
		a.Within = Default
	}
	a.Within = min(a.Within, Longest)
	if !a.complete() {
		return Approval{}, errors.New("approval: a request of nobody, for nothing, or of no group")
	}
	var err error
	a.Binding, err = a.binding(q.Beside)
	return a, err
}

// Seek finds what was said to a request, or begins to wait for it. What was allowed counts while those who allowed it are
// there, and in the groups for which they spoke; else it is asked anew.
func (d *Desk) Seek(ctx context.Context, q Ask) (Approval, error) {
	wanted, err := q.approval()
	if err != nil {
		return Approval{}, err
	}
	now := d.Now()
	live, err := d.Store.Live(ctx, wanted.Tenant, wanted.Binding, now)
	switch {
	case errors.Is(err, ErrGone):
	case err != nil:
		return Approval{}, err
	case live.Binding != wanted.Binding || live.Tenant != wanted.Tenant || !now.Before(live.ExpiresAt): // the store has asked the same
		return Approval{}, errors.New("approval: another request was found than was asked for")
	case live.State != Allowed:
		return live, nil
	default:
		stand, err := d.stands(ctx, q.Tenant, live)
		if err != nil || stand {
			return live, err
		}
		if err := d.Store.Lapse(ctx, live.Tenant, live.ID, d.event(audit.TypeApprovalLapsed, audit.Changed, live, visitOf(q))); err != nil {
			return Approval{}, err
		}
	}
	wanted.ID, wanted.BegunAt, wanted.ExpiresAt = id.New(id.Approval, now), now, now.Add(wanted.Within)
	e := d.event(audit.TypeApprovalRequested, audit.Challenged, wanted, visitOf(q))
	e.Principal, e.Client, e.Resource, e.Decision, e.Scope = q.Client, q.ClientID, q.Resource.Name, q.Decision, strings.Join(wanted.Scopes, " ")
	e.Detail["interaction_uri"], e.Detail["scopes"] = q.Tenant.Issuer+"/interact/"+wanted.ID, e.Scope // for those who are told by a webhook
	return d.Store.Begin(ctx, wanted, MaxWaiting, e)
}

// stands tells whether all who allowed it could do so still.
func (d *Desk) stands(ctx context.Context, t *snapshot.Tenant, a Approval) (bool, error) {
	for _, w := range a.Words {
		who, err := d.People.Find(ctx, t, w.UserUID, w.IdPUID)
		if errors.Is(err, person.ErrNobody) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if !w.Allow || !who.In(w.Group) {
			return false, nil
		}
	}
	return len(a.Open()) == 0, nil
}

// Visit is where somebody comes from, for the record.
type Visit struct{ Trace, Remote string }

func visitOf(q Ask) Visit { return Visit{Trace: q.Trace, Remote: q.Remote} }

// Open finds what is there under an id, for somebody who may look at it: the one for whom it is, and those who are asked or
// have answered. Of anybody else's it says ErrNotAsked, and nothing of what it is.
func (d *Desk) Open(ctx context.Context, who person.Person, name string) (Approval, error) {
	a, err := d.find(ctx, who, name)
	if err != nil {
		return Approval{}, err
	}
	if who.UID == a.UserUID || slices.ContainsFunc(a.Groups, who.In) {
		return a, nil
	}
	return Approval{}, ErrNotAsked
}

func (d *Desk) find(ctx context.Context, who person.Person, name string) (Approval, error) {
	if who.Tenant == nil || who.UID == "" {
		return Approval{}, ErrNotAsked
	}
	if _, ours := id.Time(id.Approval, name); !ours {
		return Approval{}, ErrGone
	}
	now := d.Now()
	a, err := d.Store.Find(ctx, who.Tenant.UID, name, now)
	if err != nil {
		return Approval{}, err
	}
	if a.ID != name || a.Tenant != who.Tenant.UID || !now.Before(a.ExpiresAt) { // the store has asked the same
		return Approval{}, ErrGone
	}
	return a, nil
}

// Asked tells whether a person is asked, and for which group: the first that nobody has spoken for. owner is whom the client's
// registration names as its owner: what a client asks for itself its owner does not allow. Two users with one address are one
// person: he allows nothing for himself by another account, and speaks once.
func (d *Desk) Asked(ctx context.Context, who person.Person, a Approval, owner string) (group string, err error) {
	if group, err = a.asked(who, owner); err != nil || who.Email == "" {
		return group, err
	}
	if a.UserUID != "" {
		same, err := d.same(ctx, who, a.UserUID)
		if err != nil {
			return "", err
		}
		if same {
			return "", ErrSubject
		}
	}
	for _, w := range a.Words {
		same, err := d.same(ctx, who, w.UserUID)
		if err != nil {
			return "", err
		}
		if same {
			return "", ErrNotAsked
		}
	}
	return group, nil
}

// same tells whether a user has a person's address.
func (d *Desk) same(ctx context.Context, who person.Person, userUID string) (bool, error) {
	accounts, err := d.People.Accounts(ctx, who.Tenant, userUID)
	return slices.ContainsFunc(accounts, func(a federation.Account) bool { return strings.EqualFold(a.Email, who.Email) }), err
}

// asked is what the request alone says of it.
func (a Approval) asked(who person.Person, owner string) (group string, err error) {
	switch {
	case a.State != Waiting:
		return "", ErrSettled
	case who.UID == "" || who.UID == a.UserUID:
		return "", ErrSubject
	case a.UserUID == "" && owner != "" && strings.EqualFold(owner, who.Email):
		return "", ErrSubject
	case slices.ContainsFunc(a.Words, func(w Word) bool { return w.UserUID == who.UID }):
		return "", ErrNotAsked
	}
	for _, g := range a.Open() {
		if who.In(g) {
			return g, nil
		}
	}
	return "", ErrNotAsked
}

// For lists what may wait for a person; whether he is asked after all, Asked tells. owners gives the owner of a client, by its uid.
func (d *Desk) For(ctx context.Context, who person.Person, owner func(clientUID string) string) ([]Approval, error) {
	if who.Tenant == nil || who.UID == "" {
		return nil, nil
	}
	found, err := d.Store.Waiting(ctx, who.Tenant.UID, d.Now(), MaxListed)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(a Approval) bool {
		_, err := a.asked(who, owner(a.ClientUID))
		return err != nil
	}), nil
}

// Answer takes a person's word, once. Who he is was found out a moment ago.
func (d *Desk) Answer(ctx context.Context, who person.Person, name, owner string, allow bool, v Visit) (Approval, error) {
	a, err := d.find(ctx, who, name)
	if err != nil {
		return Approval{}, err
	}
	group, err := d.Asked(ctx, who, a, owner)
	switch {
	case errors.Is(err, ErrSettled), errors.Is(err, ErrSubject), errors.Is(err, ErrNotAsked):
		d.refuse(a, who, v, err)
		return Approval{}, err
	case err != nil: // not known is not asked
		return Approval{}, err
	}
	kind, outcome := audit.TypeApprovalAllowed, audit.Allowed
	if !allow {
		kind, outcome = audit.TypeApprovalDenied, audit.Refused
	}
	e := d.event(kind, outcome, a, v)
	e.Principal = audit.Principal{Kind: "user", ID: who.UID, Name: who.Name}
	e.Detail["group"] = group
	w := Word{Group: group, UserUID: who.UID, Name: who.Name, IdPUID: who.IdPUID, Allow: allow, At: d.Now()}
	return d.Store.Say(ctx, a.Tenant, a.ID, w, e)
}

func (d *Desk) refuse(a Approval, who person.Person, v Visit, why error) {
	e := d.event(audit.TypeApprovalRefused, audit.Refused, a, v)
	e.Principal = audit.Principal{Kind: "user", ID: who.UID, Name: who.Name}
	e.Checks = []audit.Check{{Name: "approver", Received: why.Error()}}
	d.Lane.Add(e, v.Remote)
}

func (d *Desk) event(kind audit.Type, outcome audit.Outcome, a Approval, v Visit) audit.Event {
	now := d.Now()
	e := audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: a.Tenant, Trace: v.Trace, Remote: v.Remote, Type: kind, Outcome: outcome, OnBehalf: a.UserUID,
		Client: a.ClientID, Scope: strings.Join(a.Scopes, " "), Decision: a.DecisionID, Principal: audit.Principal{Kind: "system", Name: "chancery"},
		Detail: map[string]string{
			"approval": a.ID, "client_uid": a.ClientUID, "resource_uid": a.ResourceUID, "groups": strings.Join(a.Groups, ","),
			"expires_at": strconv.FormatInt(a.ExpiresAt.Unix(), 10),
		},
	}
	for _, p := range a.Policies {
		e.Policies = append(e.Policies, audit.PolicyRef{Name: p.Name, Revision: p.Revision, UID: p.UID, Hash: p.Hash})
	}
	return e
}
