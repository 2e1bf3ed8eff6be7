package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ServiceProviderKeys keeps the keys with which tenants speak to SAML IdPs. Changes go through the ledger.
type ServiceProviderKeys struct {
	store  *Store
	db     *gorm.DB
	ledger Applier
}

var _ keys.ServiceProviderStore = (*ServiceProviderKeys)(nil)

// ServiceProviderKeys opens the store of service providers' keys.
func (s *Store) ServiceProviderKeys(ledger Applier) (*ServiceProviderKeys, error) {
	db, err := s.rows(s.write)
	if err != nil {
		return nil, err
	}
	return &ServiceProviderKeys{store: s, db: db, ledger: ledger}, nil
}

type serviceProviderKeyRow struct {
	TenantUID   string
	Kid         string
	Purpose     string
	State       string
	Certificate []byte
	Sealed      []byte
	CreatedAt   int64 `gorm:"autoCreateTime:false"`
	ActiveAt    int64
	ExpiresAt   *int64
}

// TableName implements gorm's Tabler.
func (serviceProviderKeyRow) TableName() string { return "service_provider_keys" }

// ServiceProviderKeys implements keys.ServiceProviderStore.
func (k *ServiceProviderKeys) ServiceProviderKeys(ctx context.Context, t tenant.UID) ([]keys.ServiceProviderRow, error) {
	var found []serviceProviderKeyRow
	err := k.store.readIn(ctx, k.db, t, func(tx *gorm.DB) error { return serviceProviderKeys(tx, t, &found) })
	if err != nil {
		return nil, err
	}
	rows := make([]keys.ServiceProviderRow, len(found))
	for i, r := range found {
		rows[i] = keys.ServiceProviderRow{
			KeyID: r.Kid, Purpose: keys.Purpose(r.Purpose), State: keys.State(r.State), Certificate: r.Certificate, Sealed: r.Sealed,
			CreatedAt: fromMicros(r.CreatedAt), ActiveAt: fromMicros(r.ActiveAt), ExpiresAt: fromMicrosPtr(r.ExpiresAt),
		}
	}
	return rows, nil
}

func serviceProviderKeys(tx *gorm.DB, t tenant.UID, rows *[]serviceProviderKeyRow) error {
	return tx.Where("tenant_uid = ?", t.String()).Clauses(ascending("kid")).Find(rows).Error
}

// ChangeServiceProviderKeys implements keys.ServiceProviderStore. A tenant's first keys take nothing away and leave its
// version: nobody has a picture with other ones.
func (k *ServiceProviderKeys) ChangeServiceProviderKeys(ctx context.Context, c keys.ServiceProviderChange) error {
	if err := c.Tenant.Check(); err != nil {
		return err
	}
	var raise []ledger.ChangedObject
	if len(c.Before) > 0 {
		for _, kid := range touchedServiceProviderKeys(c) {
			raise = append(raise, ledger.ChangedObject{Kind: object.ChangedServiceProviderKey, UID: kid})
		}
	}
	_, err := k.ledger.Apply(ctx, ledger.Change{
		Tenant: c.Tenant, Raise: raise, Events: c.Events,
		Write: k.store.writeIn(k.db, c.Tenant, raise, func(tx *gorm.DB) error { return writeServiceProviderKeys(tx, c) }),
	})
	return err
}

func touchedServiceProviderKeys(c keys.ServiceProviderChange) []string {
	touched := append([]string(nil), c.Delete...)
	for _, rows := range [][]keys.ServiceProviderRow{c.Insert, c.Update} {
		for _, row := range rows {
			touched = append(touched, row.KeyID)
		}
	}
	return touched
}

// writeServiceProviderKeys runs under the lock that all changes of the tenant share.
func writeServiceProviderKeys(tx *gorm.DB, c keys.ServiceProviderChange) error {
	var found []serviceProviderKeyRow
	if err := serviceProviderKeys(tx, c.Tenant, &found); err != nil {
		return err
	}
	marks := make([]signingKeyRow, len(found))
	for i, row := range found {
		marks[i] = signingKeyRow{Kid: row.Kid, State: row.State}
	}
	if !sameMarks(c.Before, marks) {
		return keys.ErrConflict
	}
	t := c.Tenant.String()
	for _, r := range c.Insert {
		row := serviceProviderKeyRow{
			TenantUID: t, Kid: r.KeyID, Purpose: string(r.Purpose), State: string(r.State), Certificate: r.Certificate, Sealed: r.Sealed,
			CreatedAt: r.CreatedAt.UnixMicro(), ActiveAt: r.ActiveAt.UnixMicro(), ExpiresAt: microsPtr(r.ExpiresAt),
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
	}
	for _, r := range c.Update {
		done := tx.Model(&serviceProviderKeyRow{}).Where("tenant_uid = ? and kid = ?", t, r.KeyID).UpdateColumns(map[string]any{
			"state": string(r.State), "active_at": r.ActiveAt.UnixMicro(), "expires_at": microsPtr(r.ExpiresAt),
		})
		if err := onceKey(done); err != nil {
			return err
		}
	}
	for _, kid := range c.Delete {
		if err := onceKey(tx.Where("tenant_uid = ? and kid = ?", t, kid).Delete(&serviceProviderKeyRow{})); err != nil {
			return err
		}
	}
	return nil
}
