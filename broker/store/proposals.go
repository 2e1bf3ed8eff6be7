package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Proposals keeps changes that wait for a second person, and drafts.
type Proposals struct {
	store  *Store
	ledger Applier
}

var _ proposal.Store = (*Proposals)(nil)

// Proposals opens them.
func (s *Store) Proposals(ledger Applier) *Proposals { return &Proposals{store: s, ledger: ledger} }

const (
	proposalColumns = `id, state, needs, kind, name, change, hash, manager, author, authors, note, rollback_of, created_at, updated_at, expires_at,
 approver, approved_hash, approved_at, settled_by, shadow_until`

	// Lists leave the change out: it may be large.
	listProposals = `select id, state, needs, kind, name, '', hash, manager, author, authors, note, rollback_of, created_at, updated_at, expires_at,
 approver, approved_hash, approved_at, settled_by, shadow_until from proposals where tenant_uid = $1 and ($2 = '' or id < $2) order by id desc limit $3`

	findProposals = `select ` + proposalColumns + ` from proposals where tenant_uid = $1 and hash = $2 and state in ('draft', 'proposed', 'approved') order by id`

	addProposal = `insert into proposals (tenant_uid, ` + proposalColumns + `)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`

	moveProposal = `update proposals set state = $5, needs = $6, change = $7, hash = $8, manager = $9, author = $10, authors = $11, note = $12,
 rollback_of = $13, updated_at = $14, expires_at = $15, approver = $16, approved_hash = $17, approved_at = $18, settled_by = $19, shadow_until = $20
where tenant_uid = $1 and id = $2 and state = $3 and hash = $4`
)

// Add implements proposal.Store. Changes of one tenant run one after the other, so that the count holds.
func (p *Proposals) Add(ctx context.Context, one proposal.Proposal, most int, e audit.Event) error {
	written, err := proposalValues(one)
	if err != nil {
		return err
	}
	if one.ID == "" || one.CreatedAt.IsZero() || one.Kind == "" {
		return fmt.Errorf("%w: a proposal of nothing", errIncomplete)
	}
	return p.change(ctx, one.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		var open int
		err := tx.QueryRowContext(ctx, "select count(*) from proposals where tenant_uid = $1 and state in ('draft', 'proposed', 'approved') and expires_at > $2",
			one.Tenant.String(), one.CreatedAt.UnixMicro()).Scan(&open)
		if err != nil {
			return err
		}
		if open >= most {
			return proposal.ErrFull
		}
		args := append([]any{one.Tenant.String(), one.ID, string(one.State), written.needs, string(one.Kind), one.Name}, written.content(one)...)
		args = append(args, one.CreatedAt.UnixMicro())
		_, err = tx.ExecContext(ctx, addProposal, append(args, written.course(one)...)...)
		return err
	})
}

// Get implements proposal.Store.
func (p *Proposals) Get(ctx context.Context, t tenant.UID, id string) (proposal.Proposal, error) {
	var found proposal.Proposal
	err := p.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		found, err = scanProposal(t, tx.QueryRowContext(ctx, "select "+proposalColumns+" from proposals where tenant_uid = $1 and id = $2", t.String(), id).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return proposal.Proposal{}, proposal.ErrUnknown
	}
	return found, err
}

// List implements proposal.Store.
func (p *Proposals) List(ctx context.Context, t tenant.UID, before string, limit int) ([]proposal.Proposal, error) {
	return p.all(ctx, t, listProposals, t.String(), before, limit)
}

// Find implements proposal.Store.
func (p *Proposals) Find(ctx context.Context, t tenant.UID, hash string) ([]proposal.Proposal, error) {
	return p.all(ctx, t, findProposals, t.String(), hash)
}

func (p *Proposals) all(ctx context.Context, t tenant.UID, query string, args ...any) ([]proposal.Proposal, error) {
	var all []proposal.Proposal
	err := p.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one, err := scanProposal(t, rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

// Move implements proposal.Store. What runs beside the live policies is written with it.
func (p *Proposals) Move(ctx context.Context, from proposal.State, hash string, to proposal.Proposal, e audit.Event) error {
	written, err := proposalValues(to)
	if err != nil {
		return err
	}
	return p.change(ctx, to.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		args := append([]any{to.Tenant.String(), to.ID, string(from), hash, string(to.State), written.needs}, written.content(to)...)
		if err := oneProposal(tx.ExecContext(ctx, moveProposal, append(args, written.course(to)...)...)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "delete from shadow_runs where tenant_uid = $1 and proposal = $2", to.Tenant.String(), to.ID); err != nil {
			return err
		}
		if to.ShadowUntil.IsZero() || !to.State.Open() {
			return nil
		}
		_, err := tx.ExecContext(ctx, "insert into shadow_runs (tenant_uid, proposal, hash, until) values ($1, $2, $3, $4)",
			to.Tenant.String(), to.ID, to.Hash, to.ShadowUntil.UnixMicro())
		return err
	})
}

func oneProposal(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return firstOf(err, proposal.ErrMoved)
	}
	return nil
}

// settle marks the proposal that a write carries out. Where it is not as it was when it was checked, nothing is written at all:
// of two that carry one out, on whatever replicas, one does.
func settle(tx *gorm.DB, w object.Write) error {
	s := w.Settles
	if s == nil {
		return nil
	}
	done := tx.Exec("update proposals set state = 'published', settled_by = ?, updated_at = ?, shadow_until = null where tenant_uid = ? and id = ? and state = ? and hash = ?",
		s.By, s.At.UnixMicro(), w.Tenant.String(), s.Proposal, s.From, s.Hash)
	if done.Error != nil {
		return done.Error
	}
	if done.RowsAffected != 1 {
		return proposal.ErrMoved
	}
	return tx.Exec("delete from shadow_runs where tenant_uid = ? and proposal = ?", w.Tenant.String(), s.Proposal).Error
}

func (p *Proposals) change(ctx context.Context, t tenant.UID, e audit.Event, write func(context.Context, *sql.Tx) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	_, err := p.ledger.Apply(ctx, ledger.Change{Tenant: t, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		return write(ctx, conn)
	}})
	return withoutURL(err)
}

// proposalTexts are the members of a proposal that rest as text.
type proposalTexts struct{ needs, author, authors, approver string }

func proposalValues(p proposal.Proposal) (proposalTexts, error) {
	var t proposalTexts
	parts := make([]string, len(p.Needs))
	for i, n := range p.Needs {
		parts[i] = string(n)
	}
	t.needs = strings.Join(parts, " ")
	for _, one := range []struct {
		value any
		into  *string
		none  bool
	}{{p.Author, &t.author, false}, {p.Authors, &t.authors, false}, {p.Approver, &t.approver, p.Approver == nil}} {
		if one.none {
			continue
		}
		text, err := json.Marshal(one.value)
		if err != nil {
			return t, err
		}
		*one.into = string(text)
	}
	return t, nil
}

func (t proposalTexts) content(p proposal.Proposal) []any {
	return []any{string(p.Change), p.Hash, p.Manager, t.author, t.authors, p.Note, p.RollbackOf}
}

func (t proposalTexts) course(p proposal.Proposal) []any {
	return []any{p.UpdatedAt.UnixMicro(), p.ExpiresAt.UnixMicro(), t.approver, p.ApprovedHash, microsPtr(p.ApprovedAt), p.SettledBy, microsPtr(p.ShadowUntil)}
}

func scanProposal(t tenant.UID, scan func(...any) error) (proposal.Proposal, error) {
	p := proposal.Proposal{Tenant: t}
	var needs, change, author, authors, approver string
	var created, updated, expires int64
	var approved, shadow *int64
	err := scan(&p.ID, &p.State, &needs, &p.Kind, &p.Name, &change, &p.Hash, &p.Manager, &author, &authors, &p.Note, &p.RollbackOf, &created, &updated, &expires,
		&approver, &p.ApprovedHash, &approved, &p.SettledBy, &shadow)
	if err != nil {
		return p, err
	}
	for n := range strings.FieldsSeq(needs) {
		p.Needs = append(p.Needs, object.Need(n))
	}
	p.Change = []byte(change)
	p.CreatedAt, p.UpdatedAt, p.ExpiresAt = fromMicros(created), fromMicros(updated), fromMicros(expires)
	p.ApprovedAt, p.ShadowUntil = fromMicrosPtr(approved), fromMicrosPtr(shadow)
	if err := json.Unmarshal([]byte(author), &p.Author); err != nil {
		return p, fmt.Errorf("proposal %s: %w", p.ID, err)
	}
	if err := json.Unmarshal([]byte(authors), &p.Authors); err != nil {
		return p, fmt.Errorf("proposal %s: %w", p.ID, err)
	}
	if approver != "" {
		p.Approver = &object.Human{}
		if err := json.Unmarshal([]byte(approver), p.Approver); err != nil {
			return p, fmt.Errorf("proposal %s: %w", p.ID, err)
		}
	}
	return p, nil
}
