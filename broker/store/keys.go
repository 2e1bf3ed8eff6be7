package store

import (
	"context"
	"errors"
	"slices"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// SigningKeys keeps the keys that sign tokens. Changes go through the ledger.
type SigningKeys struct {
	store  *Store
	db     *gorm.DB
	ledger Applier
}

var _ keys.Store = (*SigningKeys)(nil)

// SigningKeys opens the store of signing keys.
func (s *Store) SigningKeys(ledger Applier) (*SigningKeys, error) {
	db, err := s.rows(s.write)
	if err != nil {
		return nil, err
	}
	return &SigningKeys{store: s, db: db, ledger: ledger}, nil
}

type signingKeyRow struct {
	TenantUID string
	Kid       string
	Algorithm string
	State     string
	PublicJWK string
	Sealed    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	ActiveAt  int64
	RetiredAt *int64
	ExpiresAt *int64
	RevokedAt *int64
}

// TableName implements gorm's Tabler.
func (signingKeyRow) TableName() string { return "signing_keys" }

// SigningKeys implements keys.Store.
func (k *SigningKeys) SigningKeys(ctx context.Context, t tenant.UID) ([]keys.Row, error) {
	var found []signingKeyRow
	err := k.store.readIn(ctx, k.db, t, func(tx *gorm.DB) error { return signingKeys(tx, t, &found) })
	if err != nil {
		return nil, err
	}
	rows := make([]keys.Row, len(found))
	for i, r := range found {
		rows[i] = keys.Row{
			KeyID: r.Kid, Algorithm: r.Algorithm, State: keys.State(r.State), PublicJWK: []byte(r.PublicJWK), Sealed: r.Sealed,
			CreatedAt: fromMicros(r.CreatedAt), ActiveAt: fromMicros(r.ActiveAt), RetiredAt: fromMicrosPtr(r.RetiredAt),
			ExpiresAt: fromMicrosPtr(r.ExpiresAt), RevokedAt: fromMicrosPtr(r.RevokedAt),
		}
	}
	return rows, nil
}

func signingKeys(tx *gorm.DB, t tenant.UID, rows *[]signingKeyRow) error {
	return tx.Where("tenant_uid = ?", t.String()).Clauses(ascending("kid")).Find(rows).Error
}

// ChangeSigningKeys implements keys.Store. Each change raises the version, also
// one that takes nothing away: that is how the other replicas learn of it.
func (k *SigningKeys) ChangeSigningKeys(ctx context.Context, c keys.Change) error {
	if err := c.Tenant.Check(); err != nil {
		return err
	}
	raise := slices.Clone(c.Raise)
	for _, kid := range touchedKeys(c) {
		raise = append(raise, ledger.ChangedObject{Kind: object.ChangedSigningKey, UID: kid})
	}
	_, err := k.ledger.Apply(ctx, ledger.Change{
		Tenant: c.Tenant, Raise: raise, Events: c.Events,
		Write: k.store.writeIn(k.db, c.Tenant, raise, func(tx *gorm.DB) error { return writeSigningKeys(tx, c) }),
	})
	return err
}

func touchedKeys(c keys.Change) []string {
	touched := slices.Clone(c.Delete)
	for _, row := range slices.Concat(c.Insert, c.Update) {
		touched = append(touched, row.KeyID)
	}
	return touched
}

// writeSigningKeys runs under the lock that all changes of the tenant share.
func writeSigningKeys(tx *gorm.DB, c keys.Change) error {
	var found []signingKeyRow
	if err := signingKeys(tx, c.Tenant, &found); err != nil {
		return err
	}
	if !sameMarks(c.Before, found) {
		return keys.ErrConflict
	}
	t := c.Tenant.String()
	for _, r := range c.Insert {
		row := signingKeyRow{
			TenantUID: t, Kid: r.KeyID, Algorithm: r.Algorithm, State: string(r.State), PublicJWK: string(r.PublicJWK), Sealed: r.Sealed,
			CreatedAt: r.CreatedAt.UnixMicro(), ActiveAt: r.ActiveAt.UnixMicro(), RetiredAt: microsPtr(r.RetiredAt),
			ExpiresAt: microsPtr(r.ExpiresAt), RevokedAt: microsPtr(r.RevokedAt),
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	for _, r := range c.Update {
		done := tx.Model(&signingKeyRow{}).Where("tenant_uid = ? and kid = ?", t, r.KeyID).UpdateColumns(map[string]any{
			"state": string(r.State), "active_at": r.ActiveAt.UnixMicro(), "retired_at": microsPtr(r.RetiredAt),
			"expires_at": microsPtr(r.ExpiresAt), "revoked_at": microsPtr(r.RevokedAt),
		})
		if err := onceKey(done); err != nil {
			return err
		}
	}
	for _, kid := range c.Delete {
		if err := onceKey(tx.Where("tenant_uid = ? and kid = ?", t, kid).Delete(&signingKeyRow{})); err != nil {
			return err
		}
	}
	return nil
}

func sameMarks(before []keys.Mark, found []signingKeyRow) bool {
	if len(before) != len(found) {
		return false
	}
	for _, row := range found {
		if !slices.Contains(before, keys.Mark{KeyID: row.Kid, State: keys.State(row.State)}) {
			return false
		}
	}
	return true
}

func onceKey(done *gorm.DB) error {
	if done.Error == nil && done.RowsAffected != 1 {
		return errors.Join(keys.ErrConflict, done.Error)
	}
	return done.Error
}
