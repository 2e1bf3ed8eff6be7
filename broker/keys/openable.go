package keys

import (
	"context"
	"fmt"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault"
)

// Openable tells whether the private half of a key opens out of the vault, and is the key that the row says. It is for
// people who look after an installation; the key is thrown away.
func Openable(ctx context.Context, sealer vault.Sealer, t tenant.UID, row Row) error {
	if _, err := open(ctx, sealer, place(t.String(), row.KeyID), row.Algorithm, row.Sealed); err != nil {
		return fmt.Errorf("key %s: %w", row.KeyID, err)
	}
	return nil
}
