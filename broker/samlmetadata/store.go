package samlmetadata

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Row is what is kept of one IdP (table saml_metadata). Zero times are null.
type Row struct {
	IdPUID string
	Source string // from where, and who must have signed it; what another said counts for nothing
	// Document is in use, as Write wrote it; nil for none: nothing was read yet, or it is over.
	Document   []byte
	Digest     string    // of what was in use last, also when Document is nil
	AcceptedAt time.Time // zero: nothing was ever in use
	// Pending waits for an administrator; nil for nothing.
	Pending       []byte
	PendingDigest string
	PendingSince  time.Time
	CheckedAt     time.Time // the IdP's last good answer
	DueAt         time.Time // when it is asked again
	Failure       string    // why the last attempt came to nothing
}

// Mark is what a change was decided on.
type Mark struct{ Source, Digest, PendingDigest string }

func (r Row) mark() Mark { return Mark{r.Source, r.Digest, r.PendingDigest} }

// Change is one step, all or none of it.
type Change struct {
	Tenant tenant.UID
	Before Mark // a row that is another now is ErrConflict
	Row    Row
	Delete bool // the row goes
	// Raise tells that what is in use changes: the tenant's version is raised in the same transaction.
	Raise  bool
	Events []audit.Event
}

// Why a store refuses.
var (
	ErrNone     = errors.New("nothing is kept of the IdP")
	ErrConflict = errors.New("the metadata changed meanwhile")
)

// Store keeps rows.
type Store interface {
	// Metadata answers ErrNone where there is none.
	Metadata(ctx context.Context, t tenant.UID, idpUID string) (Row, error)
	// ListMetadata returns every row of a tenant.
	ListMetadata(ctx context.Context, t tenant.UID) ([]Row, error)
	// ClaimMetadata moves the time on at which an IdP is asked again, and tells whether the caller is the one who did:
	// he asks. A row that is not there is made, and claimed. The clock is the database's.
	ClaimMetadata(ctx context.Context, t tenant.UID, idpUID, source string, hold time.Duration) (bool, error)
	// NoteMetadata writes when the IdP was asked and is asked again; nothing that counts.
	NoteMetadata(ctx context.Context, t tenant.UID, row Row) error
	ChangeMetadata(ctx context.Context, c Change) error
}
