package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/approval"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Approvals keeps token requests that wait for other people, and what those said.
type Approvals struct {
	store  *Store
	ledger Applier
}

var _ approval.Store = (*Approvals)(nil)

// Approvals opens them.
func (s *Store) Approvals(ledger Applier) *Approvals {
	return &Approvals{store: s, ledger: ledger}
}

const (
	approvalColumns = `a.id, a.binding, a.user_uid, a.client_uid, a.client_id, a.resource_uid, a.provider, a.scopes, a.policies, a.needed, a.within, a.lifetime, a.decision, a.state, a.begun_at, a.ends_at`

	// What was used is over, and what lapsed: at once for everybody.
	approvalLives = `a.tenant_uid = $1 and a.ends_at > $2 and a.state <> 'lapsed' and not exists (
select 1 from redemptions r where r.tenant_uid = a.tenant_uid and r.space = '` + string(approval.Space) + `' and r.key = a.redemption)`

	liveApproval     = `select ` + approvalColumns + ` from approvals a where ` + approvalLives + ` and a.binding = $3 order by a.begun_at desc, a.id desc limit 1`
	findApproval     = `select ` + approvalColumns + ` from approvals a where ` + approvalLives + ` and a.id = $3`
	waitingApprovals = `select ` + approvalColumns + ` from approvals a where ` + approvalLives + ` and a.state = 'waiting' order by a.begun_at, a.id limit $3`
	countApprovals   = `select count(*) from approvals a where ` + approvalLives + ` and a.state = 'waiting' and a.client_uid = $3 and a.user_uid = $4`

	keepApproval = `insert into approvals (tenant_uid, id, binding, redemption, user_uid, client_uid, client_id, resource_uid, provider, scopes, policies, needed, within, lifetime, decision, state, begun_at, ends_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 'waiting', $16, $17)`

	wordsOfApproval = `select group_name, user_uid, user_name, idp_uid, allow, at from approval_words where tenant_uid = $1 and approval = $2 order by at, group_name`
	keepWord        = `insert into approval_words (tenant_uid, approval, group_name, user_uid, user_name, idp_uid, allow, at) values ($1, $2, $3, $4, $5, $6, $7, $8)` //nolint:gosec // no credential
	settleApproval  = `update approvals set state = $3, ends_at = $4 where tenant_uid = $1 and id = $2 and state = 'waiting'`
	lapseApproval   = `update approvals set state = 'lapsed' where tenant_uid = $1 and id = $2`
)

// Live implements approval.Store.
func (k *Approvals) Live(ctx context.Context, t tenant.UID, binding [32]byte, now time.Time) (approval.Approval, error) {
	return k.one(ctx, t, liveApproval, now, binding[:])
}

// Find implements approval.Store.
func (k *Approvals) Find(ctx context.Context, t tenant.UID, id string, now time.Time) (approval.Approval, error) {
	return k.one(ctx, t, findApproval, now, id)
}

func (k *Approvals) one(ctx context.Context, t tenant.UID, query string, now time.Time, by any) (approval.Approval, error) {
	var found approval.Approval
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = readApproval(ctx, tx, t, query, now, by)
		return err
	})
	return found, err
}

func readApproval(ctx context.Context, tx *sql.Tx, t tenant.UID, query string, now time.Time, by any) (approval.Approval, error) {
	a, err := scanApproval(t, tx.QueryRowContext(ctx, query, t.String(), now.UnixMicro(), by).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return approval.Approval{}, approval.ErrGone
	}
	if err != nil {
		return approval.Approval{}, err
	}
	a.Words, err = readWords(ctx, tx, t, a.ID)
	return a, err
}

// Waiting implements approval.Store.
func (k *Approvals) Waiting(ctx context.Context, t tenant.UID, now time.Time, most int) ([]approval.Approval, error) {
	var found []approval.Approval
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if found, err = listApprovals(ctx, tx, t, now, most); err != nil {
			return err
		}
		for i := range found {
			if found[i].Words, err = readWords(ctx, tx, t, found[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

func listApprovals(ctx context.Context, tx *sql.Tx, t tenant.UID, now time.Time, most int) ([]approval.Approval, error) {
	rows, err := tx.QueryContext(ctx, waitingApprovals, t.String(), now.UnixMicro(), most)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []approval.Approval
	for rows.Next() {
		a, err := scanApproval(t, rows.Scan)
		if err != nil {
			return nil, err
		}
		found = append(found, a)
	}
	return found, rows.Err()
}

func readWords(ctx context.Context, tx *sql.Tx, t tenant.UID, id string) ([]approval.Word, error) {
	rows, err := tx.QueryContext(ctx, wordsOfApproval, t.String(), id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var words []approval.Word
	for rows.Next() {
		var w approval.Word
		var allow, at int64
		if err := rows.Scan(&w.Group, &w.UserUID, &w.Name, &w.IdPUID, &allow, &at); err != nil {
			return nil, err
		}
		w.Allow, w.At = allow == 1, fromMicros(at)
		words = append(words, w)
	}
	return words, rows.Err()
}

// errSettledBefore ends a change that has nothing to write.
var errSettledBefore = errors.New("there is one already")

// Begin implements approval.Store. Changes of a tenant run one after the other, between replicas too, so that of any number who
// ask for the same one begins.
func (k *Approvals) Begin(ctx context.Context, a approval.Approval, most int, e audit.Event) (approval.Approval, error) {
	if err := a.Tenant.Check(); err != nil {
		return approval.Approval{}, err
	}
	if a.ID == "" || a.Binding == [32]byte{} || a.ClientUID == "" || a.ResourceUID == "" || len(a.Groups) == 0 || !a.ExpiresAt.After(a.BegunAt) || most < 1 {
		return approval.Approval{}, fmt.Errorf("%w: an approval of nobody, for nothing, or for ever", errIncomplete)
	}
	policies, err := json.Marshal(a.Policies)
	if err != nil {
		return approval.Approval{}, err
	}
	needed, err := json.Marshal(a.Groups)
	if err != nil {
		return approval.Approval{}, err
	}
	redemption := approval.RedemptionKey(a.ID)
	kept := a
	kept.State = approval.Waiting
	err = k.change(ctx, a.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		live, err := readApproval(ctx, tx, a.Tenant, liveApproval, a.BegunAt, a.Binding[:])
		if err == nil {
			kept = live
			return errSettledBefore
		}
		if !errors.Is(err, approval.ErrGone) {
			return err
		}
		var waiting int
		if err := tx.QueryRowContext(ctx, countApprovals, a.Tenant.String(), a.BegunAt.UnixMicro(), a.ClientUID, a.UserUID).Scan(&waiting); err != nil {
			return err
		}
		if waiting >= most {
			return approval.ErrCrowded
		}
		_, err = tx.ExecContext(ctx, keepApproval, a.Tenant.String(), a.ID, a.Binding[:], redemption[:], a.UserUID, a.ClientUID, a.ClientID, a.ResourceUID,
			a.Provider, strings.Join(a.Scopes, " "), string(policies), string(needed), a.Within.Microseconds(), a.Lifetime.Microseconds(), a.DecisionID, a.BegunAt.UnixMicro(), a.ExpiresAt.UnixMicro())
		return err
	})
	if errors.Is(err, errSettledBefore) {
		return kept, nil
	}
	if err != nil {
		return approval.Approval{}, err
	}
	return kept, nil
}

// Say implements approval.Store: of any number who say it at a time, between replicas too, one does.
func (k *Approvals) Say(ctx context.Context, t tenant.UID, id string, w approval.Word, e audit.Event) (approval.Approval, error) {
	var after approval.Approval
	err := k.change(ctx, t, e, func(ctx context.Context, tx *sql.Tx) error {
		before, err := readApproval(ctx, tx, t, findApproval, w.At, id)
		if err != nil {
			return err
		}
		if after, err = before.Say(w); err != nil {
			return err
		}
		allow := 0
		if w.Allow {
			allow = 1
		}
		if _, err := tx.ExecContext(ctx, keepWord, t.String(), id, w.Group, w.UserUID, w.Name, w.IdPUID, allow, w.At.UnixMicro()); err != nil {
			return err
		}
		return oneOf(approval.ErrSettled)(tx.ExecContext(ctx, settleApproval, t.String(), id, string(after.State), after.ExpiresAt.UnixMicro()))
	})
	if err != nil {
		return approval.Approval{}, err
	}
	return after, nil
}

// Lapse implements approval.Store.
func (k *Approvals) Lapse(ctx context.Context, t tenant.UID, id string, e audit.Event) error {
	return k.change(ctx, t, e, func(ctx context.Context, tx *sql.Tx) error {
		return oneOf(approval.ErrGone)(tx.ExecContext(ctx, lapseApproval, t.String(), id))
	})
}

// oneOf expects one row to be touched, else none is an error.
func oneOf(none error) func(sql.Result, error) error {
	return func(done sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return firstOf(err, none)
		}
		return nil
	}
}

func (k *Approvals) change(ctx context.Context, t tenant.UID, e audit.Event, write func(context.Context, *sql.Tx) error) error {
	_, err := k.ledger.Apply(ctx, ledger.Change{Tenant: t, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		return write(ctx, conn)
	}})
	return withoutURL(err)
}

func scanApproval(t tenant.UID, scan func(...any) error) (approval.Approval, error) {
	a := approval.Approval{Tenant: t}
	var binding []byte
	var scopes, policies, needed, state string
	var within, lifetime, begun, ends int64
	if err := scan(&a.ID, &binding, &a.UserUID, &a.ClientUID, &a.ClientID, &a.ResourceUID, &a.Provider, &scopes, &policies, &needed, &within, &lifetime, &a.DecisionID, &state, &begun, &ends); err != nil {
		return approval.Approval{}, err
	}
	if len(binding) != len(a.Binding) {
		return approval.Approval{}, errors.New("approvals: a digest of another length")
	}
	if err := json.Unmarshal([]byte(policies), &a.Policies); err != nil {
		return approval.Approval{}, fmt.Errorf("approvals: %w", err)
	}
	if err := json.Unmarshal([]byte(needed), &a.Groups); err != nil {
		return approval.Approval{}, fmt.Errorf("approvals: %w", err)
	}
	a.Binding, a.Scopes, a.State = [32]byte(binding), strings.Fields(scopes), approval.State(state)
	a.Lifetime = time.Duration(lifetime) * time.Microsecond
	a.Within, a.BegunAt, a.ExpiresAt = time.Duration(within)*time.Microsecond, fromMicros(begun), fromMicros(ends)
	return a, nil
}

// sweepApprovals removes what has ended, with what was said to it.
func (s *Store) sweepApprovals(ctx context.Context, db execer) (int64, error) {
	return s.sweepEnded(ctx, db, "chancery_sweep_approvals", map[string]string{"approvals": "ends_at < " + s.clock()})
}
