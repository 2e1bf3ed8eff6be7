package ledger

import (
	"context"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Tx is the store's own transaction, handed through unopened.
// It is a *sql.Tx on both engines, with chancery.tenant set on PostgreSQL.
type Tx any

// Change is a change of configuration or state whose events belong in the same
// transaction. The one writer runs it alone, so that the chain stays one chain.
type Change struct {
	Tenant tenant.UID
	// Raise tells that the change can take something away or alter a decision:
	// the tenant's version is raised under the exclusive lock around Write.
	Raise []ChangedObject
	// Write makes the rows. An error rolls everything back and is returned as it is.
	Write  func(ctx context.Context, tx Tx) error
	Events []audit.Event
}

// ChangedObject names what a new version changed, so that replicas drop exactly that.
type ChangedObject struct{ Kind, UID string }
