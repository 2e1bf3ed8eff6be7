package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// managedBySystem marks what no administrator made.
const managedBySystem = "system"

// Bootstrap returns the tenant of a name, and makes it if there is none. Several
// first starts may race: one makes it, all return it.
func (o *Objects) Bootstrap(ctx context.Context, name string, now time.Time) (object.Stored, error) {
	found, err := o.Tenant(ctx, name)
	if !errors.Is(err, object.ErrNotFound) {
		return found, err
	}
	uid, err := tenant.ParseUID(id.New(id.Tenant, now))
	if err != nil {
		return object.Stored{}, err
	}
	made := object.Change{
		Stored: object.Stored{
			Tenant: uid, UID: uid.String(), Kind: object.KindTenant, Name: name, Revision: 1, ManagedBy: managedBySystem,
			Spec: []byte("{}"), CreatedAt: now, UpdatedAt: now,
		},
		ChangedBy: managedBySystem,
	}
	_, err = o.Apply(ctx, object.Write{Tenant: uid, Changes: []object.Change{made}, Events: []audit.Event{{
		ID: id.New(id.Event, now), At: now, Tenant: uid, Type: audit.TypeObjectCreated, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: managedBySystem},
		Detail:    map[string]string{"kind": string(object.KindTenant), "name": name, "uid": uid.String()},
	}}})
	if err != nil && !errors.Is(err, object.ErrConflict) {
		return object.Stored{}, fmt.Errorf("make tenant %s: %w", name, err)
	}
	return o.Tenant(ctx, name)
}
