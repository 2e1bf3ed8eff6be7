package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Journal is the database as the one writer sees it. A method returns one of the
// errors below, or another one when nothing was written and nothing will be.
type Journal interface {
	// Start makes the row of a new writer, anchored in the newest checkpoint.
	Start(ctx context.Context, writer string) (audit.Head, error)
	// Head reads where a writer's chain is.
	Head(ctx context.Context, writer string) (audit.Head, error)
	// Write commits one batch in one transaction: it compares versions under the shared locks, inserts
	// the claims in their order, asks Settle what follows, writes that and moves the head.
	Write(ctx context.Context, b Batch) error
	// Change runs one change in one transaction, under its tenant's exclusive lock. The version counts
	// with ErrUnknown too: it is the one that the change has if it was committed.
	Change(ctx context.Context, c Change, p Page) (version int64, err error)
}

// What a journal answers besides success.
var (
	// ErrHead: the writer's head is not where the batch begins, or is sealed. Nothing was written.
	ErrHead = errors.New("the writer's head has moved or is sealed")
	// ErrContended: a deadlock or a serialization failure. Nothing was written; try again.
	ErrContended = errors.New("the database gave up on a conflict of locks")
	// ErrUnfit: a value that the database does not take. Nothing was written.
	ErrUnfit = errors.New("the database does not take a value")
	// ErrUnknown: the connection was lost when the outcome was on its way.
	ErrUnknown = errors.New("the outcome of the commit is not known")
)

// Claim is a redemption that a batch tries to make, in the name of an entry.
type Claim struct {
	Tenant    tenant.UID
	Space     Space
	Key       [32]byte
	Entry     string // the id of the entry's event
	ExpiresAt time.Time
}

// Batch is what the writer commits at once.
type Batch struct {
	Head     audit.Head
	Pictures []Picture     // distinct, sorted by tenant
	Claims   []Claim       // one for each key, sorted
	Families []FamilyClaim // one for each family that moves, or must stand still, sorted
	// Settle says what follows from a standing. It may be called again with another one; the last
	// call counts.
	Settle func(Standing) Page
}

// Standing is what the database said to a batch.
type Standing struct {
	Now      time.Time            // the database's clock
	Versions map[tenant.UID]int64 // of the tenants in the batch; absent if there is no such tenant
	Fresh    []bool               // for each claim: the row was not there before
	Families []FamilyStanding     // for each of the batch's, which are held until the transaction ends
}

// Page is what a batch writes after its claims.
type Page struct {
	Remove    []Claim // of the batch's own claims: taken back
	Insert    []Claim // the same keys again, for another entry of the batch
	Rows      []audit.Row
	Decisions []*Decision
	Tokens    []*IssuedToken
	Families  []*Family
	Moved     []Moved
	Ended     []Ended // after all the others
	From, To  audit.Head
}
