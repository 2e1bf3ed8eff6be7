package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// MaxSecrets bounds a client's live secrets: the one in use and its successor.
const MaxSecrets = 2

// ErrTooManySecrets: one has to be revoked first.
var ErrTooManySecrets = errors.New("the client has as many live secrets as it may have")

// Secret is a client's secret as it rests: its digest, never itself.
type Secret struct {
	ID        string
	ClientUID string
	Scheme    string // how the digest was made
	Digest    []byte
	CreatedAt time.Time
}

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
func (o *Objects) Secrets(ctx context.Context, t tenant.UID, clientUID string) ([]Secret, error) {
	var rows []secretRow
	err := o.store.readIn(ctx, o.db, t, func(tx *gorm.DB) error { return liveSecrets(tx, t, clientUID, &rows) })
	if err != nil {
		return nil, err
	}
	secrets := make([]Secret, len(rows))
	for i, r := range rows {
		secrets[i] = Secret{ID: r.ID, ClientUID: r.ClientUID, Scheme: r.Scheme, Digest: r.Digest, CreatedAt: fromMicros(r.CreatedAt)}
	}
	return secrets, nil
}

func liveSecrets(tx *gorm.DB, t tenant.UID, clientUID string, rows *[]secretRow) error {
	return tx.Where("tenant_uid = ? and client_uid = ? and revoked_at is null", t.String(), clientUID).
		Clauses(ascending("created_at", "id")).Find(rows).Error
}

// AddSecret gives a live client one more secret, ErrTooManySecrets if it has two.
func (o *Objects) AddSecret(ctx context.Context, t tenant.UID, s Secret, e audit.Event) (version int64, err error) {
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
		if len(live) >= MaxSecrets {
			return ErrTooManySecrets
		}
		return tx.Create(&secretRow{
			TenantUID: t.String(), ID: s.ID, ClientUID: s.ClientUID, Scheme: s.Scheme, Digest: s.Digest, CreatedAt: s.CreatedAt.UnixMicro(),
		}).Error
	})
}

// RevokeSecret ends a secret, object.ErrNotFound if it is not live.
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
	version, err := o.ledger.Apply(ctx, ledger.Change{
		Tenant: t,
		Raise:  []ledger.ChangedObject{{Kind: string(object.KindClient), UID: clientUID}},
		Events: []audit.Event{e},
		Write: writeIn(o.db, func(tx *gorm.DB) error {
			var client objectRow
			err := tx.Where("tenant_uid = ? and uid = ? and kind = ? and deleted_at is null", t.String(), clientUID, string(object.KindClient)).
				Take(&client).Error
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
