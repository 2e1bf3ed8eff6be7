// Package tenant names an organisation. Everything that is stored or remembered
// belongs to one, and no store method can be called without saying which: a UID
// cannot be made from an empty string, and its zero value is refused wherever it
// is used. The package depends on nothing, so that every room of the broker can
// speak of tenants.
package tenant

import (
	"errors"
	"fmt"
	"strings"
)

// Prefix begins every tenant's uid.
const Prefix = "ten_"

// DefaultName is the tenant that lives at the root of the public listener.
const DefaultName = "default"

// ErrNoTenant says that a tenant was needed and none was named.
var ErrNoTenant = errors.New("no tenant named")

// UID is a tenant's immutable id: never its name, which can be given away.
type UID struct{ id string }

// ParseUID refuses everything but a prefixed id.
func ParseUID(id string) (UID, error) {
	if len(id) <= len(Prefix) || !strings.HasPrefix(id, Prefix) {
		return UID{}, fmt.Errorf("%w: %q is no tenant uid", ErrNoTenant, id)
	}
	return UID{id: id}, nil
}

// MustParseUID is ParseUID for constants and tests.
func MustParseUID(id string) UID {
	uid, err := ParseUID(id)
	if err != nil {
		panic(err)
	}
	return uid
}

// String returns the id, empty for the zero value.
func (u UID) String() string { return u.id }

// IsZero tells whether no tenant is named.
func (u UID) IsZero() bool { return u.id == "" }

// Check returns ErrNoTenant for the zero value.
func (u UID) Check() error {
	if u.IsZero() {
		return ErrNoTenant
	}
	return nil
}
