package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Rows are private: what leaves this package are domain types. Times are UTC
// integer microseconds on both engines.

type objectRow struct {
	TenantUID string
	UID       string
	Kind      string
	Name      string
	Revision  int64
	ManagedBy string
	Labels    string
	Spec      string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	UpdatedAt int64 `gorm:"autoUpdateTime:false"`
	DeletedAt *int64
}

// TableName implements gorm's Tabler.
func (objectRow) TableName() string { return "objects" }

type tenantRow struct {
	UID       string
	Name      string
	Revision  int64
	ManagedBy string
	Labels    string
	Spec      string
	CreatedAt int64 `gorm:"autoCreateTime:false"`
	UpdatedAt int64 `gorm:"autoUpdateTime:false"`
	DeletedAt *int64
}

// TableName implements gorm's Tabler.
func (tenantRow) TableName() string { return "tenants" }

type revisionRow struct {
	TenantUID string
	UID       string
	Revision  int64
	Spec      string
	ChangedBy string
	At        int64
	Deleted   bool
}

// TableName implements gorm's Tabler.
func (revisionRow) TableName() string { return "object_revisions" }

type keyRow struct {
	TenantUID string
	Space     string
	Key       string
	ObjectUID string
	Exclusive bool
}

// TableName implements gorm's Tabler.
func (keyRow) TableName() string { return "object_keys" }

func newObjectRow(s object.Stored) (objectRow, error) {
	labels, err := labelsText(s.Labels)
	if err != nil {
		return objectRow{}, err
	}
	return objectRow{
		TenantUID: s.Tenant.String(), UID: s.UID, Kind: string(s.Kind), Name: s.Name, Revision: s.Revision,
		ManagedBy: s.ManagedBy, Labels: labels, Spec: string(s.Spec), CreatedAt: s.CreatedAt.UnixMicro(), UpdatedAt: s.UpdatedAt.UnixMicro(),
	}, nil
}

func (r objectRow) stored(keys []keyRow) (object.Stored, error) {
	uid, err := tenant.ParseUID(r.TenantUID)
	if err != nil {
		return object.Stored{}, err
	}
	s := object.Stored{
		Tenant: uid, UID: r.UID, Kind: object.Kind(r.Kind), Name: r.Name, Revision: r.Revision, ManagedBy: r.ManagedBy,
		Spec: []byte(r.Spec), CreatedAt: fromMicros(r.CreatedAt), UpdatedAt: fromMicros(r.UpdatedAt),
	}
	if s.Labels, err = labelsOf(r.Labels); err != nil {
		return object.Stored{}, fmt.Errorf("%s %s: %w", r.Kind, r.Name, err)
	}
	for _, k := range keys {
		if k.ObjectUID == r.UID {
			s.Keys = append(s.Keys, object.Key{Space: k.Space, Value: k.Key, Exclusive: k.Exclusive})
		}
	}
	return s, nil
}

// asObject reads a tenant like any other object: it is its own tenant.
func (r tenantRow) asObject() objectRow {
	return objectRow{
		TenantUID: r.UID, UID: r.UID, Kind: string(object.KindTenant), Name: r.Name, Revision: r.Revision,
		ManagedBy: r.ManagedBy, Labels: r.Labels, Spec: r.Spec, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
}

func labelsText(labels map[string]string) (string, error) {
	if len(labels) == 0 {
		return "{}", nil
	}
	text, err := json.Marshal(labels) // sorts the names
	return string(text), err
}

func labelsOf(text string) (map[string]string, error) {
	if text == "{}" {
		return nil, nil //nolint:nilnil // no labels is an answer
	}
	var labels map[string]string
	if err := json.Unmarshal([]byte(text), &labels); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return labels, nil
}

func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func fromMicrosPtr(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return fromMicros(*micros)
}

// microsPtr is null for the zero time.
func microsPtr(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	micros := t.UnixMicro()
	return &micros
}
