// Package object holds the kinds of things that administrators configure, and
// the one path on which they change: strict decoding, validation, diff, apply.
// The admin API, the command line and the configuration's `objects:` all come
// through here, so that a check made once holds everywhere. It knows no HTTP
// and no database; stores implement Store.
package object

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// APIVersion is the only version there is; it only grows.
const APIVersion = "chancery/v1"

// Kind names a sort of object.
type Kind string

// The kinds that exist today.
const (
	KindTenant           Kind = "Tenant"
	KindIdentityProvider Kind = "IdentityProvider"
	KindClient           Kind = "Client"
	KindResource         Kind = "Resource"
	KindUser             Kind = "User"
	KindPolicy           Kind = "Policy"
	KindWorkload         Kind = "Workload"
	KindProvider         Kind = "Provider"
	KindRoleBinding      Kind = "RoleBinding"
)

// Metadata says which object it is. UID, Revision, ManagedBy and the times are the server's.
type Metadata struct {
	Name      string            `json:"name"`
	Tenant    string            `json:"tenant,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	UID       string            `json:"uid,omitempty"`
	Revision  int64             `json:"revision,omitempty"`
	ManagedBy string            `json:"managed_by,omitempty"`
	CreatedAt *time.Time        `json:"created_at,omitempty"`
	UpdatedAt *time.Time        `json:"updated_at,omitempty"`
}

// Object is one document. Spec is a pointer to the kind's spec type (*ClientSpec, …).
type Object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       Kind     `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Spec is what a kind says.
type Spec interface {
	// Validate checks the spec alone; what needs its neighbours is checked at apply.
	Validate() error
	// Keys are the natural keys by which the object is found.
	Keys() []Key
}

// Key is a natural key of an object within its tenant.
type Key struct {
	Space     string // e.g. "issuer", "client_id", "resource_uri", "identity", "sub_id", "email"
	Value     string
	Exclusive bool // no other live object of the tenant may hold it
}

// Stored is an object as a store keeps it: the spec is canonical JSON.
type Stored struct {
	Tenant    tenant.UID
	UID       string
	Kind      Kind
	Name      string
	Revision  int64
	ManagedBy string
	Labels    map[string]string
	Spec      []byte
	Keys      []Key
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Change is one write of an apply.
type Change struct {
	Stored
	Deleted   bool
	ChangedBy string
	// Narrows is true if the change can take something away or alter a decision: it raises the tenant's version.
	Narrows bool
	// Provenance is of a policy's revision; nil for every other kind.
	Provenance *Provenance
}

// SecretChange ends one of a client's secrets, or gives it one more.
type SecretChange struct {
	ClientUID string
	Revoke    string // the id of the one that ends
	Add       *Secret
	At        time.Time
}

// Write is everything that one apply makes durable, or nothing of it.
type Write struct {
	Tenant tenant.UID
	// Expect is the version of the tenant on which the write was planned: at another one nothing is
	// written and the answer is ErrMoved. 0 is for what was planned on no picture of a tenant.
	Expect  int64
	Changes []Change
	Secrets []SecretChange // after the changes, in this order
	// Settles is the proposal that the write carries out; one that is not as it says makes the whole fail.
	Settles *Settlement
	Events  []audit.Event
}

// What a store answers besides success.
var (
	ErrNotFound = errors.New("no such object")
	ErrConflict = errors.New("the object changed meanwhile")
	ErrKeyTaken = errors.New("another object holds this key")
	// ErrMoved is a conflict with whatever moved the tenant's version: plan again.
	ErrMoved = fmt.Errorf("%w: the tenant has moved since this was planned", ErrConflict)
)

// Store keeps objects. Every method names its tenant.
type Store interface {
	// Tenants lists the live tenants; Tenant finds one by name.
	Tenants(ctx context.Context) ([]Stored, error)
	Tenant(ctx context.Context, name string) (Stored, error)
	Get(ctx context.Context, t tenant.UID, kind Kind, name string) (Stored, error)
	// List pages by name: at most limit objects after the named one.
	List(ctx context.Context, t tenant.UID, kind Kind, after string, limit int) ([]Stored, error)
	// Buried tells which of the names an object had that was deleted.
	Buried(ctx context.Context, t tenant.UID, kind Kind, names []string) ([]string, error)
	// Version is how far the tenant has moved: 1 or more, 0 if there is none.
	Version(ctx context.Context, t tenant.UID) (int64, error)
	// Apply makes all of it durable in one transaction or nothing. A change whose Revision is not
	// one more than what is stored (or 1 for a new object) answers ErrConflict. If any change narrows, or a secret
	// changes, the tenant's version is raised once, under the lock that the ledger shares; the new version is
	// returned (0: not raised). The events are appended to the audit log in the same transaction.
	Apply(ctx context.Context, w Write) (version int64, err error)
}
