package store

import (
	"context"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// EverByUID finds an object by its uid, deleted or not: what ends after an object needs what the object said.
func (o *Objects) EverByUID(ctx context.Context, t tenant.UID, kind object.Kind, uid string) (object.Stored, error) {
	if err := t.Check(); err != nil {
		return object.Stored{}, err
	}
	found, err := o.find(ctx, t, func(tx *gorm.DB) *gorm.DB {
		return tx.Where("tenant_uid = ? and uid = ? and kind = ?", t.String(), uid, string(kind))
	})
	return one(found, err)
}
