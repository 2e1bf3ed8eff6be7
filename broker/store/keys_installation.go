package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
)

// InstallationSecrets keeps the versions of the installation's secret.
type InstallationSecrets struct {
	store  *Store
	db     *gorm.DB
	ledger Applier
}

var _ keys.SecretStore = (*InstallationSecrets)(nil)

// InstallationSecrets opens the store of the installation's secret.
func (s *Store) InstallationSecrets(ledger Applier) (*InstallationSecrets, error) {
	db, err := s.rows(s.write)
	if err != nil {
		return nil, err
	}
	return &InstallationSecrets{store: s, db: db, ledger: ledger}, nil
}

type installationSecretRow struct {
	Version   int `gorm:"primaryKey;autoIncrement:false"`
	Sealed    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	ActiveAt  int64
}

// TableName implements gorm's Tabler.
func (installationSecretRow) TableName() string { return "installation_secrets" }

// InstallationSecrets implements keys.SecretStore. They belong to the installation, not to a tenant.
func (k *InstallationSecrets) InstallationSecrets(ctx context.Context) ([]keys.SecretRow, error) {
	ctx, cancel := context.WithTimeout(ctx, k.store.limit)
	defer cancel()
	var found []installationSecretRow
	// Read where it is written: who lost the race for the first must see the winner's.
	if err := session(ctx, k.db, k.store.write).Clauses(ascending("version")).Find(&found).Error; err != nil {
		return nil, withoutURL(err)
	}
	rows := make([]keys.SecretRow, len(found))
	for i, r := range found {
		rows[i] = keys.SecretRow{Version: r.Version, Sealed: r.Sealed, CreatedAt: fromMicros(r.CreatedAt), ActiveAt: fromMicros(r.ActiveAt)}
	}
	return rows, nil
}

// AddInstallationSecret implements keys.SecretStore.
func (k *InstallationSecrets) AddInstallationSecret(ctx context.Context, row keys.SecretRow, made audit.Event) error {
	if err := made.Tenant.Check(); err != nil {
		return err
	}
	_, err := k.ledger.Apply(ctx, ledger.Change{
		Tenant: made.Tenant,
		Events: []audit.Event{made},
		Write:  k.store.writeIn(k.db, made.Tenant, nil, func(tx *gorm.DB) error { return k.add(tx, row) }),
	})
	return err
}

func (k *InstallationSecrets) add(tx *gorm.DB, row keys.SecretRow) error {
	done := tx.Exec("insert into installation_secrets (version, sealed, created_at, active_at) values (?, ?, ?, ?) on conflict do nothing",
		row.Version, row.Sealed, row.CreatedAt.UnixMicro(), row.ActiveAt.UnixMicro())
	if done.Error == nil && done.RowsAffected != 1 {
		return keys.ErrConflict
	}
	return done.Error
}
