package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
)

// CheckpointKeys keeps the keys that sign checkpoints. It writes without a
// ledger, which needs such a key before it can begin.
type CheckpointKeys struct {
	store *Store
	db    *gorm.DB
	alone Applier
}

var _ keys.CheckpointStore = (*CheckpointKeys)(nil)

// CheckpointKeys opens the store of checkpoint keys.
func (s *Store) CheckpointKeys(now func() time.Time) (*CheckpointKeys, error) {
	db, err := s.rows(s.write)
	if err != nil {
		return nil, err
	}
	return &CheckpointKeys{store: s, db: db, alone: s.Alone(now)}, nil
}

type checkpointKeyRow struct {
	Kid       string
	PublicJWK string
	Sealed    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	RetiredAt *int64
}

// TableName implements gorm's Tabler.
func (checkpointKeyRow) TableName() string { return "checkpoint_keys" }

// CheckpointKeys implements keys.CheckpointStore. They belong to the installation, not to a tenant.
func (k *CheckpointKeys) CheckpointKeys(ctx context.Context) ([]keys.CheckpointRow, error) {
	ctx, cancel := context.WithTimeout(ctx, k.store.limit)
	defer cancel()
	var found []checkpointKeyRow
	if err := session(ctx, k.db, k.store.read).Clauses(ascending("created_at", "kid")).Find(&found).Error; err != nil {
		return nil, withoutURL(err)
	}
	rows := make([]keys.CheckpointRow, len(found))
	for i, r := range found {
		rows[i] = keys.CheckpointRow{
			KeyID: r.Kid, PublicJWK: []byte(r.PublicJWK), Sealed: r.Sealed,
			CreatedAt: fromMicros(r.CreatedAt), RetiredAt: fromMicrosPtr(r.RetiredAt),
		}
	}
	return rows, nil
}

// AddCheckpointKey implements keys.CheckpointStore. The event of the key's making
// is the only one of a writer of its own, which is sealed at once.
func (k *CheckpointKeys) AddCheckpointKey(ctx context.Context, row keys.CheckpointRow, made audit.Event) error {
	if err := made.Tenant.Check(); err != nil {
		return err
	}
	_, err := k.alone.Apply(ctx, ledger.Change{
		Tenant: made.Tenant,
		Events: []audit.Event{made},
		Write:  k.store.writeIn(k.db, made.Tenant, nil, func(tx *gorm.DB) error { return k.addCheckpointKey(tx, row) }),
	})
	return err
}

func (k *CheckpointKeys) addCheckpointKey(tx *gorm.DB, row keys.CheckpointRow) error {
	if k.store.dialect == Postgres { // two first starts
		if err := tx.Exec("select pg_advisory_xact_lock(hashtextextended('chancery/checkpoint_keys', 0))").Error; err != nil {
			return err
		}
	}
	var live []checkpointKeyRow
	if err := tx.Where("retired_at is null").Find(&live).Error; err != nil {
		return err
	}
	if len(live) > 0 {
		return keys.ErrConflict
	}
	return tx.Create(&checkpointKeyRow{
		Kid: row.KeyID, PublicJWK: string(row.PublicJWK), Sealed: row.Sealed, CreatedAt: row.CreatedAt.UnixMicro(), RetiredAt: microsPtr(row.RetiredAt),
	}).Error
}
