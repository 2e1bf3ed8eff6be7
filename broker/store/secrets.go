package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/client"
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
	rows, err := o.findSecrets(ctx, t, clientUID)
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
	change := object.SecretChange{ClientUID: s.ClientUID, Add: &s, At: s.CreatedAt}
	return o.changeSecret(ctx, t, change, e)
}

// RevokeSecret implements object.Secrets: it ends a secret, object.ErrNotFound if it is not live.
func (o *Objects) RevokeSecret(ctx context.Context, t tenant.UID, clientUID, id string, at time.Time, e audit.Event) (version int64, err error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	if clientUID == "" || id == "" {
		return 0, object.ErrNotFound
	}
	return o.changeSecret(ctx, t, object.SecretChange{ClientUID: clientUID, Revoke: id, At: at}, e)
}

// changeSecret raises the version for a new secret too, so that it is known on
// every replica as soon as anything else would be.
func (o *Objects) changeSecret(ctx context.Context, t tenant.UID, c object.SecretChange, e audit.Event) (int64, error) {
	return o.Apply(ctx, object.Write{Tenant: t, Secrets: []object.SecretChange{c}, Events: []audit.Event{e}})
}

func checkSecret(c object.SecretChange) error {
	s := c.Add
	switch {
	case c.ClientUID == "" || c.At.IsZero() || (c.Revoke == "") == (s == nil):
		return fmt.Errorf("%w: a change of a secret needs a client, a time, and either what ends or what is new", errIncomplete)
	case s != nil && (s.ID == "" || s.ClientUID != c.ClientUID || s.Scheme == "" || len(s.Digest) == 0 || s.CreatedAt.IsZero()):
		return fmt.Errorf("%w: a secret needs an id, a client, a digest with its scheme, and a time", errIncomplete)
	}
	return nil
}

// writeSecrets runs behind the changes, under the lock that all changes of the tenant share.
func writeSecrets(tx *gorm.DB, w object.Write) error {
	for _, c := range w.Secrets {
		var holder objectRow
		err := tx.Where("tenant_uid = ? and uid = ? and kind = ? and deleted_at is null", w.Tenant.String(), c.ClientUID, string(object.KindClient)).
			Take(&holder).Error
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return object.ErrNotFound
		}
		if err != nil {
			return err
		}
		if c.Add == nil {
			err = endSecret(tx, w.Tenant, c)
		} else {
			err = addSecret(tx, w.Tenant, *c.Add)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func endSecret(tx *gorm.DB, t tenant.UID, c object.SecretChange) error {
	done := tx.Model(&secretRow{}).Where("tenant_uid = ? and client_uid = ? and id = ? and revoked_at is null", t.String(), c.ClientUID, c.Revoke).
		UpdateColumn("revoked_at", c.At.UnixMicro())
	if errors.Is(once(done), object.ErrConflict) {
		return object.ErrNotFound
	}
	return done.Error
}

func addSecret(tx *gorm.DB, t tenant.UID, s object.Secret) error {
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
}

// ofClient is what those who keep clients are told when a secret changed: the client did.
func ofClient(t tenant.UID, clientUID string) object.Change {
	return object.Change{Stored: object.Stored{Tenant: t, UID: clientUID, Kind: object.KindClient}}
}

func revokeSecrets(tx *gorm.DB, t tenant.UID, clientUID string, at int64) error {
	return tx.Model(&secretRow{}).Where("tenant_uid = ? and client_uid = ? and revoked_at is null", t.String(), clientUID).
		UpdateColumn("revoked_at", at).Error
}
