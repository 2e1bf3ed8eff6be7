package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

type secretRow struct {
	TenantUID string
	ID        string
	ClientUID string
	Scheme    string
	Digest    []byte
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	RevokedAt *int64
}

// TableName implements gorm's Tabler.
func (secretRow) TableName() string { return "client_secrets" }

// Secrets lists a client's live secrets, the oldest first.
func (o *Objects) Secrets(ctx context.Context, t tenant.UID, clientUID string) ([]object.Secret, error) {
	var rows []secretRow
	err := o.store.readIn(ctx, o.db, t, func(tx *gorm.DB) error { return liveSecrets(tx, t, clientUID, &rows) })
	if err != nil {
		return nil, err
	}
	secrets := make([]object.Secret, len(rows))
	for i, r := range rows {
		secrets[i] = object.Secret{ID: r.ID, ClientUID: r.ClientUID, Scheme: r.Scheme, Digest: r.Digest, CreatedAt: fromMicros(r.CreatedAt)}
	}
	return secrets, nil
}

func liveSecrets(tx *gorm.DB, t tenant.UID, clientUID string, rows *[]secretRow) error {
	return tx.Where("tenant_uid = ? and client_uid = ? and revoked_at is null", t.String(), clientUID).
		Clauses(ascending("created_at", "id")).Find(rows).Error
}

// AddSecret implements object.Secrets: it gives a live client one more secret, object.ErrTooManySecrets if it has two.
func (o *Objects) AddSecret(ctx context.Context, t tenant.UID, s object.Secret, e audit.Event) (version int64, err error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	if s.ID == "" || s.ClientUID == "" || s.Scheme == "" || len(s.Digest) == 0 || s.CreatedAt.IsZero() {
		return 0, fmt.Errorf("%w: a secret needs an id, a client, a digest with its scheme, and a time", errIncomplete)
	}
	return o.changeSecret(ctx, t, s.ClientUID, e, func(tx *gorm.DB) error {
		var live []secretRow
		if err := liveSecrets(tx, t, s.ClientUID, &live); err != nil {
			return err
		}
		if len(live) >= client.MaxLiveSecrets {
			return object.ErrTooManySecrets
		}
		return tx.Create(&secretRow{
			TenantUID: t.String(), ID: s.ID, ClientUID: s.ClientUID, Scheme: s.Scheme, Digest: s.Digest, CreatedAt: s.CreatedAt.UnixMicro(),
		}).Error
	})
}

// RevokeSecret implements object.Secrets: it ends a secret, object.ErrNotFound if it is not live.
func (o *Objects) RevokeSecret(ctx context.Context, t tenant.UID, clientUID, id string, at time.Time, e audit.Event) (version int64, err error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	return o.changeSecret(ctx, t, clientUID, e, func(tx *gorm.DB) error {
		done := tx.Model(&secretRow{}).Where("tenant_uid = ? and client_uid = ? and id = ? and revoked_at is null", t.String(), clientUID, id).
			UpdateColumn("revoked_at", at.UnixMicro())
		if errors.Is(once(done), object.ErrConflict) {
			return object.ErrNotFound
		}
		return done.Error
	})
}

// changeSecret raises the version for a new secret too, so that it is known on
// every replica as soon as anything else would be.
func (o *Objects) changeSecret(ctx context.Context, t tenant.UID, clientUID string, e audit.Event, write func(*gorm.DB) error) (int64, error) {
	raise := []ledger.ChangedObject{{Kind: string(object.KindClient), UID: clientUID}}
	version, err := o.ledger.Apply(ctx, ledger.Change{
		Tenant: t,
		Raise:  raise,
		Events: []audit.Event{e},
		Write: o.store.writeIn(o.db, t, raise, func(tx *gorm.DB) error {
			var holder objectRow
			err := tx.Where("tenant_uid = ? and uid = ? and kind = ? and deleted_at is null", t.String(), clientUID, string(object.KindClient)).
				Take(&holder).Error
			if errors.Is(err, gorm.ErrRecordNotFound) {
				return object.ErrNotFound
			}
			if err != nil {
				return err
			}
			return write(tx)
		}),
	})
	if err != nil {
		return 0, err
	}
	changed := object.Change{Stored: object.Stored{Tenant: t, UID: clientUID, Kind: object.KindClient}}
	for _, f := range o.after {
		f(ctx, Applied{Tenant: t, Version: version, Changes: []object.Change{changed}})
	}
	return version, nil
}

func revokeSecrets(tx *gorm.DB, t tenant.UID, clientUID string, at int64) error {
	return tx.Model(&secretRow{}).Where("tenant_uid = ? and client_uid = ? and revoked_at is null", t.String(), clientUID).
		UpdateColumn("revoked_at", at).Error
}
