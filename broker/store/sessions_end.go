package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	sessions "github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// End implements session.Store.
func (k *Sessions) End(ctx context.Context, e sessions.Ending) (known bool, err error) {
	if err := e.Tenant.Check(); err != nil {
		return false, err
	}
	where, args, err := meant(e)
	if err != nil {
		return false, err
	}
	args = append([]any{e.Tenant.String()}, args...)
	mark := fmt.Sprintf("update sessions set ended_at = $%d, end_reason = $%d where tenant_uid = $1 and ended_at is null and %s returning id", len(args)+1, len(args)+2, where)
	err = k.store.change(ctx, k.ledger, e.Tenant, []audit.Event{e.Event}, func(ctx context.Context, tx *sql.Tx) error {
		if err := k.store.redeem(ctx, tx, e.Redemptions, e.Event.ID); err != nil {
			return err
		}
		ended, err := returning(ctx, tx, mark, append(slices.Clone(args), e.At.UnixMicro(), e.Reason)...)
		if err != nil {
			return err
		}
		if known = len(ended) > 0; !known {
			if known, err = remembered(ctx, tx, e); err != nil {
				return err
			}
		}
		if len(ended) == 0 && !e.Always {
			return sessions.ErrGone
		}
		return k.store.endWithSessions(ctx, tx, e.Tenant, ended, e.Event.ID)
	})
	return known, err
}

// remembered tells whether there is a session, ended or not, of whom an ending means: of the person, where it names one.
func remembered(ctx context.Context, tx *sql.Tx, e sessions.Ending) (known bool, err error) {
	if e.Upstream != nil && e.Upstream.Subject != "" {
		person := *e.Upstream
		person.SessionIDs = nil
		e.Upstream = &person
	}
	where, args, err := meant(e)
	if err != nil {
		return false, err
	}
	err = tx.QueryRowContext(ctx, "select exists (select 1 from sessions where tenant_uid = $1 and "+where+")", append([]any{e.Tenant.String()}, args...)...).Scan(&known)
	return known, err
}

// endedAtOnce bounds what one transaction ends of a user's: each takes with it what was granted within it.
const endedAtOnce = 1000

// meant is the condition for the sessions that an ending means, of which the tenant is the first argument; one that means
// nothing in particular is refused.
func meant(e sessions.Ending) (where string, args []any, err error) {
	switch {
	case e.At.IsZero() || e.Reason == "":
		return "", nil, fmt.Errorf("%w: an ending needs a time and a reason", errIncomplete)
	case e.Handle != nil:
		return "handle = $2", []any{e.Handle[:]}, nil
	case e.ID != "" && e.UserUID != "":
		return "id = $2 and user_uid = $3", []any{e.ID, e.UserUID}, nil
	case e.All && e.ID == "" && e.UserUID != "":
		return "handle in (select b.handle from sessions b where b.tenant_uid = $1 and b.user_uid = $2 and b.ended_at is null limit $3)", []any{e.UserUID, endedAtOnce}, nil
	case e.Upstream == nil || e.Upstream.IdPUID == "" || e.Upstream.Subject == "" && len(e.Upstream.SessionIDs) == 0:
		return "", nil, fmt.Errorf("%w: an ending says of no session that it is meant", errIncomplete)
	}
	u := e.Upstream
	where, args = "idp_uid = $2", []any{u.IdPUID}
	place := func(value string) string {
		args = append(args, value)
		return "$" + strconv.Itoa(len(args)+1)
	}
	if u.Subject != "" {
		where += " and upstream_subject = " + place(u.Subject)
	}
	if u.Tenant != "" {
		where += " and upstream_tenant = " + place(u.Tenant)
	}
	if len(u.SessionIDs) > 0 {
		places := make([]string, len(u.SessionIDs))
		for i, sid := range u.SessionIDs {
			if sid == "" { // it would mean every session that names none
				return "", nil, fmt.Errorf("%w: an ending by a session id that is empty", errIncomplete)
			}
			places[i] = place(sid)
		}
		if u.Subject != "" { // of a session of that person which names none it is not known that it is another
			places = append(places, "''")
		}
		where += " and upstream_session in (" + strings.Join(places, ", ") + ")"
	}
	return where, args, nil
}

// endMarked ends what a mark is about, in its own transaction: the mark itself is removed one day, and nothing may come
// back then.
func endMarked(ctx context.Context, tx *sql.Tx, t tenant.UID, h lifecycle.Holder, at time.Time) error {
	column := ""
	switch h.Kind {
	case lifecycle.User:
		column = "user_uid"
	case lifecycle.IdP:
		column = "idp_uid"
	case lifecycle.Client, lifecycle.Token, lifecycle.Key:
		return nil
	}
	_, err := tx.ExecContext(ctx, "update sessions set ended_at = $2, end_reason = $3 where tenant_uid = $1 and ended_at is null and "+column+" = $4",
		t.String(), at.UnixMicro(), sessions.EndedByRevoking, h.UID)
	return err
}

// endWithObject ends what does not outlive the change of an object, in that change's own transaction:
//
//  1. a user who is deleted takes his sessions with him, and what IdPs said of him;
//  2. a tenant that is suspended, or deleted, has no sessions. It answers nobody meanwhile, an IdP that signs people out
//     neither, and who was signed out then must not be signed in when it comes back.
func endWithObject(tx *gorm.DB, c object.Change) error {
	end := "update sessions set ended_at = ?, end_reason = ? where tenant_uid = ? and ended_at is null"
	switch {
	case c.Kind == object.KindUser && c.Deleted:
		err := tx.Exec(end+" and user_uid = ?", c.UpdatedAt.UnixMicro(), sessions.EndedByUser, c.Tenant.String(), c.UID).Error
		if err != nil {
			return err
		}
		return tx.Exec("delete from profiles where tenant_uid = ? and user_uid = ?", c.Tenant.String(), c.UID).Error
	case c.Kind == object.KindTenant:
		var spec struct {
			Status string `json:"status"`
		}
		if err := json.Unmarshal(c.Spec, &spec); err != nil {
			return err
		}
		if !c.Deleted && spec.Status != object.StatusSuspended {
			return nil
		}
		return tx.Exec(end, c.UpdatedAt.UnixMicro(), sessions.EndedByTenant, c.Tenant.String()).Error
	default:
		return nil
	}
}
