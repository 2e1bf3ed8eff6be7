package store

import (
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// maxPage bounds what one List returns.
const maxPage = 1000

// Objects keeps objects of every kind, tenants among them, and the secrets of
// clients. Every method that reads or writes one tenant's rows takes its uid and
// refuses the zero one.
type Objects struct {
	store  *Store
	db     *gorm.DB
	ledger Applier
	after  []func(context.Context, Applied)
}

var (
	_ object.Store     = (*Objects)(nil)
	_ object.KeyFinder = (*Objects)(nil)
	_ object.Secrets   = (*Objects)(nil)
)

// Applied says what a change that is durable has done.
type Applied struct {
	Tenant  tenant.UID
	Version int64 // 0: not raised
	Changes []object.Change
}

// Objects opens the store of objects. Changes go through the ledger.
func (s *Store) Objects(ledger Applier) (*Objects, error) {
	db, err := s.rows(s.write)
	if err != nil {
		return nil, err
	}
	return &Objects{store: s, db: db, ledger: ledger}, nil
}

// After is called when a change is durable, before Apply returns, so that this
// replica forgets what it knows at once. It is not for concurrent use: cmd wires
// it before anything is served.
func (o *Objects) After(f func(context.Context, Applied)) { o.after = append(o.after, f) }

// Tenants lists the live tenants by name.
func (o *Objects) Tenants(ctx context.Context) ([]object.Stored, error) {
	return o.tenants(ctx, func(tx *gorm.DB) *gorm.DB { return tx.Where("deleted_at is null") })
}

// GoneTenants lists the tenants that were deleted: what people connected in them may wait for its provider still.
func (o *Objects) GoneTenants(ctx context.Context) ([]object.Stored, error) {
	return o.tenants(ctx, func(tx *gorm.DB) *gorm.DB { return tx.Where("deleted_at is not null") })
}

// Tenant finds a live tenant by name.
func (o *Objects) Tenant(ctx context.Context, name string) (object.Stored, error) {
	found, err := o.tenants(ctx, func(tx *gorm.DB) *gorm.DB { return tx.Where("name = ? and deleted_at is null", name) })
	return one(found, err)
}

// tenants reads from the one table that says which tenants there are; it is not
// any tenant's own.
func (o *Objects) tenants(ctx context.Context, where func(*gorm.DB) *gorm.DB) ([]object.Stored, error) {
	ctx, cancel := context.WithTimeout(ctx, o.store.limit)
	defer cancel()
	var found []tenantRow
	if err := where(session(ctx, o.db, o.store.read)).Find(&found).Error; err != nil {
		return nil, withoutURL(err)
	}
	slices.SortFunc(found, func(a, b tenantRow) int { return strings.Compare(a.Name, b.Name) })
	stored := make([]object.Stored, 0, len(found))
	for _, row := range found {
		s, err := row.asObject().stored(nil)
		if err != nil {
			return nil, err
		}
		stored = append(stored, s)
	}
	return stored, nil
}

// Get finds a live object by its name.
func (o *Objects) Get(ctx context.Context, t tenant.UID, kind object.Kind, name string) (object.Stored, error) {
	if err := t.Check(); err != nil {
		return object.Stored{}, err
	}
	if kind == object.KindTenant {
		found, err := o.tenants(ctx, func(tx *gorm.DB) *gorm.DB {
			return tx.Where("uid = ? and name = ? and deleted_at is null", t.String(), name)
		})
		return one(found, err)
	}
	found, err := o.find(ctx, t, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("tenant_uid = ? and kind = ? and name = ? and deleted_at is null", t.String(), string(kind), name)
	})
	return one(found, err)
}

// ByUID finds a live object by its uid.
func (o *Objects) ByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error) {
	found, err := o.find(ctx, t, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("tenant_uid = ? and uid = ? and kind = ? and deleted_at is null", t.String(), uid, string(kind))
	})
	return one(found, err)
}

// List pages by name: at most limit objects (1000 if it is 0 or more) after the named one.
func (o *Objects) List(ctx context.Context, t tenant.UID, kind object.Kind, after string, limit int) ([]object.Stored, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	if kind == object.KindTenant { // a tenant sees itself
		return o.tenants(ctx, func(tx *gorm.DB) *gorm.DB {
			return tx.Where("uid = ? and name > ? and deleted_at is null", t.String(), after)
		})
	}
	return o.find(ctx, t, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("tenant_uid = ? and kind = ? and name > ? and deleted_at is null", t.String(), string(kind), after).
			Clauses(byName()).Limit(limit)
	})
}

// Version is how far a tenant has moved.
func (o *Objects) Version(ctx context.Context, t tenant.UID) (int64, error) {
	return o.store.Version(ctx, t)
}

// Buried tells which of the names an object had that was deleted.
func (o *Objects) Buried(ctx context.Context, t tenant.UID, kind object.Kind, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, t.Check()
	}
	var found []string
	err := o.store.readIn(ctx, o.db, t, func(tx *gorm.DB) error {
		return tx.Model(&objectRow{}).Where("tenant_uid = ? and kind = ? and name in ? and deleted_at is not null", t.String(), string(kind), names).
			Distinct().Clauses(byName()).Pluck("name", &found).Error
	})
	return found, err
}

// FindByKey returns the live objects that hold a natural key, by name: at most one if the key is exclusive.
func (o *Objects) FindByKey(ctx context.Context, t tenant.UID, space, value string) ([]object.Stored, error) {
	if o.store.dialect == Postgres {
		return o.findByKeyAtOnce(ctx, t, space, value)
	}
	return o.find(ctx, t, func(tx *gorm.DB) *gorm.DB {
		holders := session(tx.Statement.Context, o.db, tx.Statement.ConnPool).Model(&keyRow{}).
			Where("tenant_uid = ? and space = ? and key = ?", t.String(), space, value).Select("object_uid")
		return tx.Where("tenant_uid = ? and uid in (?) and deleted_at is null", t.String(), holders).Clauses(byName())
	})
}

// find reads objects with their keys in one transaction.
func (o *Objects) find(ctx context.Context, t tenant.UID, where func(*gorm.DB) *gorm.DB) ([]object.Stored, error) {
	var found []objectRow
	var keys []keyRow
	err := o.store.readIn(ctx, o.db, t, func(tx *gorm.DB) error {
		if err := where(tx).Find(&found).Error; err != nil || len(found) == 0 {
			return err
		}
		uids := make([]string, len(found))
		for i, row := range found {
			uids[i] = row.UID
		}
		return tx.Where("tenant_uid = ? and object_uid in ?", t.String(), uids).Clauses(byKey()).Find(&keys).Error
	})
	if err != nil {
		return nil, err
	}
	return storedOf(found, keys)
}

func one(found []object.Stored, err error) (object.Stored, error) {
	if err != nil {
		return object.Stored{}, err
	}
	if len(found) != 1 {
		return object.Stored{}, object.ErrNotFound
	}
	return found[0], nil
}

func byName() clause.OrderBy { return ascending("name") }

func byKey() clause.OrderBy { return ascending("space", "key") }

// ascending orders by columns that are named here, never by text from outside (threat T65).
func ascending(columns ...string) clause.OrderBy {
	var by clause.OrderBy
	for _, c := range columns {
		by.Columns = append(by.Columns, clause.OrderByColumn{Column: clause.Column{Name: c}})
	}
	return by
}
