package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// provenanceRow is what is kept of a policy's revision besides its text.
type provenanceRow struct {
	TenantUID  string
	PolicyUID  string
	Revision   int64
	Hash       string
	Note       string
	Author     string
	ApprovedBy string
	Proposal   string
	RollbackOf int64
}

// TableName implements gorm's Tabler.
func (provenanceRow) TableName() string { return "policy_revisions" }

func writeProvenance(tx *gorm.DB, c object.Change) error {
	p := c.Provenance
	author, err := json.Marshal(p.Author)
	if err != nil {
		return err
	}
	return tx.Create(&provenanceRow{
		TenantUID: c.Tenant.String(), PolicyUID: c.UID, Revision: c.Revision, Hash: p.Hash, Note: p.Note, Author: string(author),
		ApprovedBy: p.ApprovedBy, Proposal: p.Proposal, RollbackOf: p.RollbackOf,
	}).Error
}

// Revisions reads the revisions of policies. They are written with the objects, and never changed.
type Revisions struct{ store *Store }

var _ revision.Store = (*Revisions)(nil)

// Revisions opens them.
func (s *Store) Revisions() *Revisions { return &Revisions{store: s} }

// A revision that came before there was provenance has its text and who wrote it. Rows of the other kinds have no policy's uid.
const selectRevisions = `select r.revision, r.spec, r.changed_by, r.at, r.deleted, coalesce(p.hash, ''), coalesce(p.note, ''), coalesce(p.author, ''),
 coalesce(p.approved_by, ''), coalesce(p.proposal, ''), coalesce(p.rollback_of, 0), o.name, o.managed_by
from object_revisions r join objects o on o.tenant_uid = r.tenant_uid and o.uid = r.uid
left join policy_revisions p on p.tenant_uid = r.tenant_uid and p.policy_uid = r.uid and p.revision = r.revision
where r.tenant_uid = $1 and r.uid = $2 and o.kind = 'Policy'`

// List implements revision.Store.
func (r *Revisions) List(ctx context.Context, t tenant.UID, policyUID string, before int64, limit int) ([]revision.Stored, error) {
	var all []revision.Stored
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, selectRevisions+" and r.revision < $3 order by r.revision desc limit $4", t.String(), policyUID, before, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one, err := scanRevision(t, policyUID, rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

// Get implements revision.Store.
func (r *Revisions) Get(ctx context.Context, t tenant.UID, policyUID string, number int64) (revision.Stored, error) {
	var found revision.Stored
	err := r.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		found, err = scanRevision(t, policyUID, tx.QueryRowContext(ctx, selectRevisions+" and r.revision = $3", t.String(), policyUID, number).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return revision.Stored{}, revision.ErrUnknown
	}
	return found, err
}

func scanRevision(t tenant.UID, policyUID string, scan func(...any) error) (revision.Stored, error) {
	s := revision.Stored{Tenant: t, PolicyUID: policyUID}
	var spec, author string
	var at int64
	err := scan(&s.Number, &spec, &s.ChangedBy, &at, &s.Deleted, &s.Hash, &s.Note, &author, &s.ApprovedBy, &s.Proposal, &s.RollbackOf, &s.Name, &s.ManagedBy)
	if err != nil {
		return s, err
	}
	s.Spec, s.At = []byte(spec), fromMicros(at)
	if author != "" {
		if err := json.Unmarshal([]byte(author), &s.Author); err != nil {
			return s, fmt.Errorf("revision %d: %w", s.Number, err)
		}
	}
	return s, nil
}
