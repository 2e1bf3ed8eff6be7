package interaction

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/vault"
)

// Lane takes events of which there may be any number.
type Lane interface {
	Add(e audit.Event, source string)
}

// Desk gives links out, and takes what people prove there.
type Desk struct {
	Store  Store
	Sealer vault.Sealer
	Lane   Lane
	Now    func() time.Time
}

// New refuses a desk in which a part is missing.
func New(d Desk) (*Desk, error) {
	if d.Store == nil || d.Sealer == nil || d.Lane == nil || d.Now == nil {
		return nil, errors.New("interaction: a part is missing")
	}
	return &d, nil
}

// Order is a challenge for which a link is wanted. The client is known: it proved who it is.
type Order struct {
	Triple
	Demand   policy.StepUp
	Client   audit.Principal
	ClientID string
	Resource string // its name
	Trace    string
	Remote   string
}

// Begin gives the id of a link. A client that asks for the same again, soon, gets the same link: its retries fill nothing.
func (d *Desk) Begin(ctx context.Context, o Order) (string, error) {
	if !o.complete() || o.Demand.ACRValues == nil && o.Demand.MaxAge == nil {
		return "", errors.New("interaction: an order of nobody or for nothing")
	}
	now := d.Now()
	waiting, err := d.Store.Waiting(ctx, o.Triple, now)
	if err != nil {
		return "", err
	}
	for _, i := range waiting {
		if i.ExpiresAt.Sub(now) < reusable || !same(i.Demand(), o.Demand) || i.triple() != o.Triple {
			continue
		}
		text, err := d.Sealer.Open(ctx, i.Sealed, place(i.Tenant, i.Handle))
		if err == nil && digest(string(text)) == i.Handle {
			return string(text), nil
		} // a link that does not open here is not given again
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand crashes the program first
	text := base64.RawURLEncoding.EncodeToString(raw[:])
	i := Interaction{
		Handle: digest(text), Tenant: o.Tenant, UserUID: o.UserUID, ClientUID: o.ClientUID, ClientID: o.ClientID, ResourceUID: o.ResourceUID,
		ACRValues: o.Demand.ACRValues, BegunAt: now, ExpiresAt: now.Add(Lifetime),
	}
	if o.Demand.MaxAge != nil {
		age := time.Duration(*o.Demand.MaxAge) * time.Second
		i.MaxAge = &age
	}
	if i.Sealed, err = d.Sealer.Seal(ctx, []byte(text), place(i.Tenant, i.Handle)); err != nil {
		return "", fmt.Errorf("seal the link: %w", err)
	}
	e := d.event(audit.TypeInteractionBegun, audit.Challenged, i, o.Trace, o.Remote)
	e.Principal, e.Client, e.Resource = o.Client, o.Client.Name, o.Resource
	if err := d.Store.Keep(ctx, i, maxWaiting, e); err != nil {
		return "", err
	}
	return text, nil
}

// Proofs are what the person proved for the triple that counts now, the newest first.
func (d *Desk) Proofs(ctx context.Context, t Triple) ([]session.Proof, error) {
	if !t.complete() {
		return nil, nil
	}
	now := d.Now()
	found, err := d.Store.Counting(ctx, t, now)
	if err != nil {
		return nil, err
	}
	var proofs []session.Proof
	for _, i := range found { // the store has asked the same
		if i.triple() == t && !i.FinishedAt.IsZero() && now.Before(i.ExpiresAt) {
			proofs = append(proofs, i.Proof)
		}
	}
	return proofs, nil
}

// Open finds a link that waits, by its id.
func (d *Desk) Open(ctx context.Context, t tenant.UID, text string) (Interaction, error) {
	if raw, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || len(raw) != 32 {
		return Interaction{}, ErrGone
	}
	handle, now := digest(text), d.Now()
	i, err := d.Store.Find(ctx, t, handle, now)
	if err != nil {
		return Interaction{}, err
	}
	if i.Handle != handle || i.Tenant != t || !i.FinishedAt.IsZero() || !now.Before(i.ExpiresAt) { // the store has asked the same
		return Interaction{}, ErrGone
	}
	return i, nil
}

// Visit is where somebody comes from, for the record.
type Visit struct{ Trace, Remote string }

// Depart notes that the person agreed to prove himself, and which session he had.
func (d *Desk) Depart(ctx context.Context, i Interaction, s *session.Session, v Visit) error {
	var before [32]byte
	if s != nil {
		if err := d.mine(i, *s, v); err != nil {
			return err
		}
		before = s.Handle
	}
	return d.Store.Depart(ctx, i.Tenant, i.Handle, before, d.Now())
}

// Finish takes what a session proves, once. The session is alive: whoever calls has just asked. version is the tenant's.
func (d *Desk) Finish(ctx context.Context, i Interaction, s session.Session, version int64, v Visit) error {
	if err := d.mine(i, s, v); err != nil {
		return err
	}
	now := d.Now()
	proof := settled(s.Proof, now)
	if !i.meets(proof, now) {
		d.refuse(i, v, "step_up", "what the session proves is not what is asked")
		return ErrUnmet
	}
	i.FinishedAt, i.Proof, i.IdPUID, i.Version = now, proof, s.IdPUID, version
	i.ExpiresAt = now.Add(i.counts())
	e := d.event(audit.TypeInteractionFinished, audit.Allowed, i, v.Trace, v.Remote)
	e.Principal = audit.Principal{Kind: "user", ID: i.UserUID}
	e.Detail["acr"] = s.Proof.ACR
	return d.Store.Finish(ctx, i, e)
}

// Met tells whether a session proves already what is asked.
func (d *Desk) Met(i Interaction, s session.Session) bool {
	return s.UserUID == i.UserUID && s.Tenant == i.Tenant && i.meets(settled(s.Proof, d.Now()), d.Now())
}

// skew is how far an IdP's clock may be ahead of ours when it says that a person has just authenticated.
const skew = time.Minute

// meets is StepUp.Met; a demand for nothing is met by nothing.
func (i Interaction) meets(p session.Proof, now time.Time) bool {
	demand := i.Demand()
	return (demand.ACRValues != nil || demand.MaxAge != nil) && demand.Met(p.ACR, p.AuthTime, now)
}

// settled is what a session proves, by our clock: a time that an IdP's clock puts a little ahead is now.
func settled(p session.Proof, now time.Time) session.Proof {
	if p.AuthTime.After(now) && p.AuthTime.Sub(now) <= skew {
		p.AuthTime = now
	}
	return p
}

// mine refuses everybody but the person for whom the interaction waits.
func (d *Desk) mine(i Interaction, s session.Session, v Visit) error {
	if s.Tenant == i.Tenant && s.UserUID != "" && s.UserUID == i.UserUID {
		return nil
	}
	d.refuse(i, v, "person", "another person is signed in")
	return ErrWrongPerson
}

// Decline records that the person did not want to. The link waits on until its end.
func (d *Desk) Decline(i Interaction, v Visit) { d.refuse(i, v, "person", "not now") }

func (d *Desk) refuse(i Interaction, v Visit, check, received string) {
	e := d.event(audit.TypeInteractionRefused, audit.Refused, i, v.Trace, v.Remote)
	e.Principal = audit.Principal{Kind: "anonymous"}
	e.Checks = []audit.Check{{Name: check, Received: received}}
	d.Lane.Add(e, v.Remote)
}

// counts is how long what was proved counts.
func (i Interaction) counts() time.Duration {
	if i.MaxAge == nil {
		return Default
	}
	return min(*i.MaxAge, Longest)
}

func (i Interaction) triple() Triple {
	return Triple{Tenant: i.Tenant, UserUID: i.UserUID, ClientUID: i.ClientUID, ResourceUID: i.ResourceUID}
}

func (d *Desk) event(kind audit.Type, outcome audit.Outcome, i Interaction, trace, remote string) audit.Event {
	now := d.Now()
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: i.Tenant, Trace: trace, Type: kind, Outcome: outcome, OnBehalf: i.UserUID, Remote: remote,
		Detail: map[string]string{"interaction": hex.EncodeToString(i.Handle[:8]), "client_uid": i.ClientUID, "resource_uid": i.ResourceUID},
	}
}

func same(a, b policy.StepUp) bool {
	if (a.MaxAge == nil) != (b.MaxAge == nil) || a.MaxAge != nil && *a.MaxAge != *b.MaxAge {
		return false
	}
	return slices.Equal(a.ACRValues, b.ACRValues)
}

func digest(text string) [32]byte { return sha256.Sum256([]byte(text)) }

// place is where a sealed id stands.
func place(t tenant.UID, handle [32]byte) vault.AAD {
	return vault.AAD{Tenant: t.String(), Table: "interactions", UID: hex.EncodeToString(handle[:]), Column: "sealed"}
}
