package registration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Bounds of initial access tokens.
const (
	DefaultInitialLifetime = 24 * time.Hour
	MaxInitialLifetime     = 90 * 24 * time.Hour
	MaxInitialUses         = 10_000
	maxInitials            = 1000 // alive in a tenant
	maxNote                = 128
)

// ErrInitial says what is wrong with an order.
var ErrInitial = errors.New("initial access token")

// By is the administrator who does something here.
type By struct {
	Principal audit.Principal
	Trace     string
}

// Order says which initial access token is wanted. Zero is the default.
type Order struct {
	Uses     int
	Lifetime time.Duration
	Note     string
}

// Invite makes an initial access token; its text is not kept.
func (d *Desk) Invite(ctx context.Context, t tenant.UID, o Order, by By) (Initial, secret.Text, error) {
	if o.Uses == 0 {
		o.Uses = 1
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultInitialLifetime
	}
	switch {
	case o.Uses < 1 || o.Uses > MaxInitialUses:
		return Initial{}, secret.Text{}, fmt.Errorf("%w: uses: 1 to %d is expected", ErrInitial, MaxInitialUses)
	case o.Lifetime < time.Minute || o.Lifetime > MaxInitialLifetime:
		return Initial{}, secret.Text{}, fmt.Errorf("%w: expires_in: 1m to %s is expected", ErrInitial, MaxInitialLifetime)
	case len(o.Note) > maxNote:
		return Initial{}, secret.Text{}, fmt.Errorf("%w: note: at most %d bytes are expected", ErrInitial, maxNote)
	}
	alive, err := d.Store.Initials(ctx, t)
	if err != nil {
		return Initial{}, secret.Text{}, err
	}
	if len(alive) >= maxInitials {
		return Initial{}, secret.Text{}, fmt.Errorf("%w: the tenant has %d; remove some", ErrInitial, len(alive))
	}
	now := d.Now()
	text, digest := credential(InitialPrefix)
	made := Initial{
		Tenant: t, ID: id.New(id.InitialToken, now), Digest: digest, Note: o.Note, CreatedBy: by.Principal.Name,
		CreatedAt: now, ExpiresAt: now.Add(o.Lifetime), Uses: o.Uses, UsesLeft: o.Uses,
	}
	e := d.change(t, now, audit.TypeRegistrationTokenMade, by, map[string]string{"id": made.ID, "uses": strconv.Itoa(made.Uses)})
	if err := d.Store.AddInitial(ctx, made, e); err != nil {
		return Initial{}, secret.Text{}, err
	}
	return made, text, nil
}

// Invitations lists the initial access tokens that have not expired, used up or not.
func (d *Desk) Invitations(ctx context.Context, t tenant.UID) ([]Initial, error) {
	all, err := d.Store.Initials(ctx, t)
	if err != nil {
		return nil, err
	}
	now := d.Now()
	alive := all[:0]
	for _, one := range all {
		if now.Before(one.ExpiresAt) {
			alive = append(alive, one)
		}
	}
	return alive, nil
}

// Uninvite ends an initial access token. Clients that it let in stay.
func (d *Desk) Uninvite(ctx context.Context, t tenant.UID, which string, by By) error {
	return d.Store.RemoveInitial(ctx, t, which, d.change(t, d.Now(), audit.TypeRegistrationTokenEnded, by, map[string]string{"id": which}))
}

// Registered lists clients that registered themselves, by client_id.
func (d *Desk) Registered(ctx context.Context, t tenant.UID, after string, limit int) ([]Record, error) {
	return d.Store.List(ctx, t, after, limit)
}

// Expel takes a client away, and ends what it was given.
func (d *Desk) Expel(ctx context.Context, t tenant.UID, clientID string, by By) error {
	now := d.Now()
	gone, version, err := d.Store.Remove(ctx, t, []string{clientID}, time.Time{}, until(now), func([]string) audit.Event {
		return d.change(t, now, audit.TypeRegistrationRemoved, by, map[string]string{"client_id": clientID})
	})
	if err != nil {
		return err
	}
	if len(gone) == 0 {
		return ErrUnknown
	}
	d.Changed(t, version, gone...)
	return nil
}

// sweepBatch bounds what one transaction takes away.
const sweepBatch = 500

// Sweep takes away clients that nobody has used for the tenant's lifetime of registrations, and tokens that have expired.
func (d *Desk) Sweep(ctx context.Context, t tenant.UID, unusedFor time.Duration) (int, error) {
	if unusedFor <= 0 {
		return 0, nil
	}
	now := d.Now()
	since := now.Add(-unusedFor)
	total := 0
	for {
		unused, err := d.Store.Unused(ctx, t, since, sweepBatch)
		if err != nil || len(unused) == 0 {
			return total, errors.Join(err, d.Store.DropInitials(ctx, t, now))
		}
		gone, version, err := d.Store.Remove(ctx, t, unused, since, until(now), func(gone []string) audit.Event {
			return d.change(t, now, audit.TypeRegistrationsExpired, By{Principal: audit.Principal{Kind: "system", Name: "chancery"}},
				map[string]string{"clients": strconv.Itoa(len(gone))})
		})
		if err != nil || len(gone) == 0 {
			return total, err
		}
		total += len(gone)
		d.Changed(t, version, gone...)
	}
}

func (d *Desk) change(t tenant.UID, now time.Time, kind audit.Type, by By, detail map[string]string) audit.Event {
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Trace: by.Trace, Type: kind, Outcome: audit.Changed, Principal: by.Principal, Detail: detail,
	}
}
