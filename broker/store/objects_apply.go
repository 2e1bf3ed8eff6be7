package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// sharedKeyError says that a change turned out to alter what a shared key finds, and with it
// what is remembered of the key's other holders.
type sharedKeyError struct{ holders []string }

// Error implements error.
func (e *sharedKeyError) Error() string { return "the change alters what a key of others finds" }

// attempts bound how often a change is written again because a shared key has met more holders.
const attempts = 3

// Apply implements object.Store. Rows, revisions, keys, the tenant's version and
// the audit events are durable together or not at all.
func (o *Objects) Apply(ctx context.Context, w object.Write) (int64, error) {
	if err := w.Tenant.Check(); err != nil {
		return 0, err
	}
	if len(w.Changes)+len(w.Secrets) == 0 || w.Expect < 0 {
		return 0, fmt.Errorf("%w: no changes, or no version", errIncomplete)
	}
	for _, c := range w.Changes {
		if err := checkChange(w.Tenant, c); err != nil {
			return 0, err
		}
	}
	for _, s := range w.Secrets {
		if err := checkSecret(s); err != nil {
			return 0, err
		}
	}
	version, err := o.raising(ctx, w)
	if err != nil {
		return 0, err
	}
	applied := Applied{Tenant: w.Tenant, Version: version, Changes: slices.Clone(w.Changes)}
	for _, s := range w.Secrets {
		applied.Changes = append(applied.Changes, ofClient(w.Tenant, s.ClientUID))
	}
	for _, f := range o.after {
		f(ctx, applied)
	}
	return version, nil
}

// raising writes the changes, and once more when the version has to name others too.
func (o *Objects) raising(ctx context.Context, w object.Write) (int64, error) {
	raise := raised(w)
	for range attempts {
		version, err := o.ledger.Apply(ctx, ledger.Change{
			Tenant: w.Tenant,
			Raise:  raise,
			Events: w.Events,
			Write: o.store.writeIn(o.db, w.Tenant, raise, func(tx *gorm.DB) error {
				if err := expected(tx, w); err != nil {
					return err
				}
				if err := writeChanges(tx, w.Tenant, w.Changes, raise); err != nil {
					return err
				}
				if err := writeSecrets(tx, w); err != nil {
					return err
				}
				return settle(tx, w)
			}),
		})
		more, ok := errors.AsType[*sharedKeyError](err)
		if !ok {
			return version, err
		}
		raise = touched(w)
		for _, uid := range more.holders {
			raise = append(raise, ledger.ChangedObject{Kind: object.ChangedHolder, UID: uid})
		}
	}
	return 0, object.ErrConflict
}

func checkChange(t tenant.UID, c object.Change) error {
	switch {
	case c.Tenant != t:
		return fmt.Errorf("%s %s: %w: it belongs to another tenant", c.Kind, c.Name, tenant.ErrNoTenant)
	case c.UID == "" || c.Kind == "" || c.Name == "" || c.Revision < 1 || c.UpdatedAt.IsZero() || c.CreatedAt.IsZero():
		return fmt.Errorf("%w: %s %q needs a uid, a revision and times", errIncomplete, c.Kind, c.Name)
	case c.Kind == object.KindTenant && c.UID != t.String():
		return fmt.Errorf("%w: a tenant's uid is its own", errIncomplete)
	case !json.Valid(c.Spec):
		return fmt.Errorf("%w: %s %q has no spec", errIncomplete, c.Kind, c.Name)
	}
	return nil
}

// raised names what replicas must drop. Only what was not there before and is
// read through a cache of its own can be quiet: a new client, a new user, and a
// new tenant, of which nobody has a picture.
func raised(w object.Write) []ledger.ChangedObject {
	if len(w.Secrets) > 0 {
		return touched(w)
	}
	for _, c := range w.Changes {
		quiet := c.Kind == object.KindTenant || !c.Narrows && (c.Kind == object.KindClient || c.Kind == object.KindUser)
		if c.Revision > 1 || c.Deleted || !quiet {
			return touched(w)
		}
	}
	return nil
}

func touched(w object.Write) []ledger.ChangedObject {
	all := make([]ledger.ChangedObject, 0, len(w.Changes)+len(w.Secrets))
	for _, c := range w.Changes {
		all = append(all, ledger.ChangedObject{Kind: string(c.Kind), UID: c.UID})
	}
	for _, s := range w.Secrets {
		all = append(all, ledger.ChangedObject{Kind: string(object.KindClient), UID: s.ClientUID})
	}
	return all
}

// expected: is the tenant still what the write was planned on? All changes of a
// tenant run one after the other, so that what is read here cannot move before
// the commit.
func expected(tx *gorm.DB, w object.Write) error {
	if w.Expect == 0 {
		return nil
	}
	var version int64
	err := tx.Table("tenant_versions").Where("tenant_uid = ?", w.Tenant.String()).Select("coalesce(max(version), 0)").Scan(&version).Error
	if err != nil {
		return err
	}
	if version != w.Expect {
		return object.ErrMoved
	}
	return nil
}

// writeChanges runs under the lock that all changes of the tenant share, so that
// what is read here stays true until the commit.
func writeChanges(tx *gorm.DB, t tenant.UID, changes []object.Change, raise []ledger.ChangedObject) error {
	for _, c := range changes {
		if err := writeObject(tx, c); err != nil {
			return fmt.Errorf("%s %s: %w", c.Kind, c.Name, err)
		}
	}
	// All old keys go before the first new one comes: two objects may swap theirs.
	for _, c := range changes {
		if err := tx.Where("tenant_uid = ? and object_uid = ?", t.String(), c.UID).Delete(&keyRow{}).Error; err != nil {
			return err
		}
	}
	var holders []string
	for _, c := range changes {
		if c.Deleted || c.Kind == object.KindTenant {
			continue
		}
		met, err := writeKeys(tx, c)
		if err != nil {
			return fmt.Errorf("%s %s: %w", c.Kind, c.Name, err)
		}
		holders = append(holders, met...)
	}
	for _, uid := range holders {
		if !slices.ContainsFunc(raise, func(o ledger.ChangedObject) bool { return o.UID == uid }) {
			return &sharedKeyError{holders: holders}
		}
	}
	return nil
}

func writeObject(tx *gorm.DB, c object.Change) error {
	row, err := newObjectRow(c.Stored)
	if err != nil {
		return err
	}
	switch {
	case c.Kind == object.KindTenant:
		if err := writeTenant(tx, c, row); err != nil {
			return err
		}
		return endWithObject(tx, c)
	case c.Revision == 1 && !c.Deleted:
		// Two that take one name, or one uid: the second changes nothing.
		done := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&row)
		if err := once(done); err != nil {
			return err
		}
	default:
		where := tx.Model(&objectRow{}).Where("tenant_uid = ? and uid = ? and kind = ? and name = ? and revision = ? and deleted_at is null",
			row.TenantUID, row.UID, row.Kind, row.Name, row.Revision-1)
		if err := once(where.UpdateColumns(columns(c, row))); err != nil {
			return err
		}
	}
	if c.Deleted && c.Kind == object.KindClient {
		if err := revokeSecrets(tx, c.Tenant, c.UID, row.UpdatedAt); err != nil {
			return err
		}
	}
	if err := endWithObject(tx, c); err != nil {
		return err
	}
	err = tx.Create(&revisionRow{
		TenantUID: row.TenantUID, UID: row.UID, Revision: row.Revision, Spec: row.Spec,
		ChangedBy: c.ChangedBy, At: row.UpdatedAt, Deleted: c.Deleted,
	}).Error
	if err != nil || c.Provenance == nil {
		return err
	}
	return writeProvenance(tx, c)
}

// columns are what a change of an object writes; its uid, kind, name and first time stay.
func columns(c object.Change, row objectRow) map[string]any {
	set := map[string]any{
		"revision": row.Revision, "managed_by": row.ManagedBy, "labels": row.Labels, "spec": row.Spec, "updated_at": row.UpdatedAt,
	}
	if c.Deleted {
		set["deleted_at"] = row.UpdatedAt
	}
	return set
}

func writeTenant(tx *gorm.DB, c object.Change, row objectRow) error {
	if c.Revision > 1 || c.Deleted {
		where := tx.Model(&tenantRow{}).Where("uid = ? and name = ? and revision = ? and deleted_at is null", row.UID, row.Name, row.Revision-1)
		return once(where.UpdateColumns(columns(c, row)))
	}
	made := tenantRow{
		UID: row.UID, Name: row.Name, Revision: row.Revision, ManagedBy: row.ManagedBy, Labels: row.Labels, Spec: row.Spec,
		CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
	}
	if err := once(tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&made)); err != nil {
		return err
	}
	// The ledger compares versions: a tenant without one could record nothing.
	return tx.Table("tenant_versions").Clauses(clause.OnConflict{DoNothing: true}).
		Create(map[string]any{"tenant_uid": row.UID, "version": 1}).Error
}

// once: exactly one row was there to be written, else somebody else was first.
func once(done *gorm.DB) error {
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected != 1 {
		return object.ErrConflict
	}
	return nil
}

// writeKeys inserts an object's keys and returns the other objects that hold one of them too.
func writeKeys(tx *gorm.DB, c object.Change) (holders []string, err error) {
	for _, k := range c.Keys {
		var others []keyRow
		err := tx.Where("tenant_uid = ? and space = ? and key = ? and object_uid <> ?", c.Tenant.String(), k.Space, k.Value, c.UID).
			Find(&others).Error
		if err != nil {
			return nil, err
		}
		for _, other := range others {
			if k.Exclusive || other.Exclusive {
				return nil, taken(tx, k, other)
			}
			holders = append(holders, other.ObjectUID)
		}
		row := keyRow{TenantUID: c.Tenant.String(), Space: k.Space, Key: k.Value, ObjectUID: c.UID, Exclusive: k.Exclusive}
		if err := once(tx.Create(&row)); err != nil {
			return nil, err
		}
	}
	return holders, nil
}

// taken names the key and who holds it: the administrator has to change one of the two.
func taken(tx *gorm.DB, k object.Key, holder keyRow) error {
	var found objectRow
	err := tx.Where("tenant_uid = ? and uid = ?", holder.TenantUID, holder.ObjectUID).Take(&found).Error
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %s %q belongs to %s %s", object.ErrKeyTaken, k.Space, k.Value, found.Kind, found.Name)
}
