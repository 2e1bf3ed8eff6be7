package storetest

import (
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Event is a valid event of a change.
func Event(t tenant.UID) audit.Event {
	now := time.Now()
	return audit.Event{
		ID: id.New(id.Event, now), At: now, Tenant: t, Type: audit.TypeObjectChanged, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "token", Name: "test"},
	}
}

// New is the change that makes an object.
func New(t tenant.UID, kind object.Kind, name, spec string, keys ...object.Key) object.Change {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return object.Change{
		Stored: object.Stored{
			Tenant: t, UID: id.New(kind.IDKind(), now), Kind: kind, Name: name, Revision: 1, ManagedBy: "api",
			Spec: []byte(spec), Keys: keys, CreatedAt: now, UpdatedAt: now,
		},
		ChangedBy: "test",
	}
}

// Next is the change that follows what is stored.
func Next(stored object.Stored, spec string, keys ...object.Key) object.Change {
	stored.Revision++
	stored.Spec, stored.Keys = []byte(spec), keys
	stored.UpdatedAt = stored.UpdatedAt.Add(time.Second)
	return object.Change{Stored: stored, ChangedBy: "test", Narrows: true}
}

// Delete is the change that leaves a tombstone.
func Delete(stored object.Stored) object.Change {
	c := Next(stored, string(stored.Spec))
	c.Deleted = true
	return c
}
