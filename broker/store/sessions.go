package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	sessions "github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Sessions keeps who is signed in.
type Sessions struct {
	store  *Store
	ledger Applier
}

var _ sessions.Store = (*Sessions)(nil)

// Sessions opens them.
func (s *Store) Sessions(ledger Applier) *Sessions { return &Sessions{store: s, ledger: ledger} }

// What a mark ended does not come back: a session below it is as good as gone, also where its row says nothing of it.
const (
	unmarked = `not exists (select 1 from revocations m where m.tenant_uid = s.tenant_uid and m.kind = 'user' and m.uid = s.user_uid and m.version > s.version)
and not exists (select 1 from revocations m where m.tenant_uid = s.tenant_uid and m.kind = 'idp' and m.uid = s.idp_uid and m.version > s.version)`

	selectSessions = `select s.handle, s.id, s.user_uid, s.idp_uid, s.issuer, s.upstream_subject, s.upstream_session, s.upstream_tenant, s.hint,
s.acr, s.amr, s.auth_time, s.started_at, s.seen_at, s.expires_at, s.version from sessions s where s.ended_at is null and ` + unmarked
)

// maxListed bounds one person's list.
const maxListed = 200

// Find implements session.Store.
func (k *Sessions) Find(ctx context.Context, t tenant.UID, handle [32]byte) (sessions.Session, error) {
	return k.one(ctx, t, " and s.tenant_uid = $1 and s.handle = $2", t.String(), handle[:])
}

// Follow implements session.Store.
func (k *Sessions) Follow(ctx context.Context, t tenant.UID, handle [32]byte) (sessions.Session, error) {
	return k.one(ctx, t, " and s.tenant_uid = $1 and s.id = (select o.id from sessions o where o.tenant_uid = $1 and o.handle = $2)", t.String(), handle[:])
}

func (k *Sessions) one(ctx context.Context, t tenant.UID, where string, args ...any) (sessions.Session, error) {
	found, err := k.query(ctx, t, selectSessions+where, args...)
	if err != nil {
		return sessions.Session{}, err
	}
	if len(found) != 1 {
		return sessions.Session{}, sessions.ErrGone
	}
	return found[0], nil
}

// List implements session.Store.
func (k *Sessions) List(ctx context.Context, t tenant.UID, userUID string) ([]sessions.Session, error) {
	return k.query(ctx, t, selectSessions+" and s.tenant_uid = $1 and s.user_uid = $2 order by s.seen_at desc, s.id desc limit $3",
		t.String(), userUID, maxListed)
}

func (k *Sessions) query(ctx context.Context, t tenant.UID, query string, args ...any) ([]sessions.Session, error) {
	var all []sessions.Session
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			found, err := readSession(rows, t)
			if err != nil {
				return err
			}
			all = append(all, found)
		}
		return rows.Err()
	})
	return all, err
}

func readSession(rows *sql.Rows, t tenant.UID) (sessions.Session, error) {
	s := sessions.Session{Tenant: t}
	var handle []byte
	var amr string
	var authTime, started, seen, expires int64
	if err := rows.Scan(&handle, &s.ID, &s.UserUID, &s.IdPUID, &s.Issuer, &s.Upstream.Subject, &s.Upstream.SessionID, &s.Upstream.Tenant,
		&s.Upstream.Hint, &s.Proof.ACR, &amr, &authTime, &started, &seen, &expires, &s.Version); err != nil {
		return s, err
	}
	if copy(s.Handle[:], handle) != len(s.Handle) || len(handle) != len(s.Handle) {
		return s, errors.New("sessions: a handle of another length")
	}
	if err := json.Unmarshal([]byte(amr), &s.Proof.AMR); err != nil {
		return s, fmt.Errorf("sessions: amr: %w", err)
	}
	if authTime != 0 {
		s.Proof.AuthTime = fromMicros(authTime)
	}
	s.StartedAt, s.SeenAt, s.ExpiresAt = fromMicros(started), fromMicros(seen), fromMicros(expires)
	return s, nil
}

// Start implements session.Store. In one transaction:
//
//  1. what is used up with the session is, or nothing else happens;
//  2. the previous session ends; if it goes on, what was bound to its handles is kept as long as the new one;
//  3. the row, unless a mark came above its version: changes of a tenant run one after the other, so that a mark is
//     either seen here or ends what it sees;
//  4. what the IdP said.
func (k *Sessions) Start(ctx context.Context, b sessions.Beginning) error {
	s := b.Session
	if err := s.Tenant.Check(); err != nil {
		return err
	}
	if s.Handle == [32]byte{} || s.ID == "" || s.UserUID == "" || s.IdPUID == "" || s.StartedAt.IsZero() || s.SeenAt.IsZero() || s.ExpiresAt.IsZero() || s.Version < 1 {
		return fmt.Errorf("%w: a session needs a handle, an id, a user, an IdP, its times and a version", errIncomplete)
	}
	events := []audit.Event{b.Event}
	if b.Ended != nil {
		events = append(events, *b.Ended)
	}
	return k.store.change(ctx, k.ledger, s.Tenant, events, func(ctx context.Context, tx *sql.Tx) error {
		if err := k.store.redeem(ctx, tx, b.Redemptions, b.Event.ID); err != nil {
			return err
		}
		if b.Previous != nil {
			if err := k.previous(ctx, tx, b); err != nil {
				return err
			}
		}
		if err := k.insert(ctx, tx, s); err != nil {
			return err
		}
		if b.Profile == nil {
			return nil
		}
		return saveProfile(ctx, tx, *b.Profile)
	})
}

func (k *Sessions) previous(ctx context.Context, tx *sql.Tx, b sessions.Beginning) error {
	s, reason := b.Session, sessions.EndedByAnother
	if b.Ended == nil {
		reason = sessions.EndedByRenewal
	}
	ended, err := returning(ctx, tx, "update sessions set ended_at = $3, end_reason = $4 where tenant_uid = $1 and handle = $2 and ended_at is null returning id",
		s.Tenant.String(), b.Previous[:], s.SeenAt.UnixMicro(), reason)
	if err != nil {
		return err
	}
	if b.Ended != nil {
		return k.store.endWithSessions(ctx, tx, s.Tenant, ended, b.Ended.ID)
	}
	// A session that goes on must be there to do so: of two that renew one, one wins; and one that has ended stays so.
	if len(ended) != 1 {
		return sessions.ErrGone
	}
	_, err = tx.ExecContext(ctx, "update sessions set keep_until = $3 where tenant_uid = $1 and id = $2 and keep_until < $3",
		s.Tenant.String(), s.ID, s.ExpiresAt.UnixMicro())
	return err
}

func (k *Sessions) insert(ctx context.Context, tx *sql.Tx, s sessions.Session) error {
	amr, err := json.Marshal(s.Proof.AMR)
	if err != nil {
		return err
	}
	authTime := int64(0)
	if !s.Proof.AuthTime.IsZero() {
		authTime = s.Proof.AuthTime.UnixMicro()
	}
	//nolint:gosec // texts of this package
	done, err := tx.ExecContext(ctx, `insert into sessions (tenant_uid, handle, id, user_uid, idp_uid, issuer, upstream_subject, upstream_session,
upstream_tenant, hint, acr, amr, auth_time, started_at, seen_at, expires_at, keep_until, version)
select t.uid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16, $17 from tenants t where t.uid = $1
and not exists (select 1 from revocations m where m.tenant_uid = $1 and m.kind = 'user' and m.uid = $4 and m.version > $17)
and not exists (select 1 from revocations m where m.tenant_uid = $1 and m.kind = 'idp' and m.uid = $5 and m.version > $17)
and `+k.store.unsuspended("t.spec"),
		s.Tenant.String(), s.Handle[:], s.ID, s.UserUID, s.IdPUID, s.Issuer, s.Upstream.Subject, s.Upstream.SessionID, s.Upstream.Tenant,
		s.Upstream.Hint, s.Proof.ACR, string(amr), authTime, s.StartedAt.UnixMicro(), s.SeenAt.UnixMicro(), s.ExpiresAt.UnixMicro(), s.Version)
	if err != nil {
		return err
	}
	if err := onlyOne(done, sessions.ErrMarked); err != nil {
		return err
	}
	return nil
}

// onlyOne wants exactly one row to have been touched.
func onlyOne(done sql.Result, otherwise error) error {
	n, err := done.RowsAffected()
	if err == nil && n != 1 {
		return otherwise
	}
	return err
}

// Touch implements session.Store.
func (k *Sessions) Touch(ctx context.Context, t tenant.UID, handle [32]byte, at time.Time) error {
	return k.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update sessions set seen_at = $3 where tenant_uid = $1 and handle = $2 and ended_at is null and seen_at < $3",
			t.String(), handle[:], at.UnixMicro())
		return err
	})
}

// unsuspended is the condition that a tenant's spec does not suspend it. Whoever has an older picture of it learns it here.
func (s *Store) unsuspended(spec string) string {
	if s.dialect == Postgres {
		return "coalesce((" + spec + ")::jsonb->>'status', '') <> '" + object.StatusSuspended + "'"
	}
	return "coalesce(json_extract(" + spec + ", '$.status'), '') <> '" + object.StatusSuspended + "'"
}

// redeem uses things up within a change: all of them, or the change does not happen.
func (s *Store) redeem(ctx context.Context, tx *sql.Tx, redemptions []ledger.Redemption, event string) error {
	statement := s.withClock("insert into redemptions (tenant_uid, space, key, entry, expires_at) " +
		"select v.tenant_uid, $2, $3, $4, $5 from tenant_versions v where v.tenant_uid = $1 and $6 > @now on conflict do nothing")
	for _, r := range redemptions {
		if err := r.Tenant.Check(); err != nil {
			return err
		}
		if r.Space == "" || r.Key == [32]byte{} || r.ExpiresAt.IsZero() {
			return fmt.Errorf("%w: a redemption without space, key or expiry", errIncomplete)
		}
		// As the ledger does it: what expired longer ago than half of the margin may have been swept.
		done, err := tx.ExecContext(ctx, statement, r.Tenant.String(), string(r.Space), r.Key[:], event, r.ExpiresAt.UnixMicro(),
			r.ExpiresAt.Add(ledger.Margin/2).UnixMicro())
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		if n != 1 {
			return &ledger.Conflict{Lost: r}
		}
	}
	return nil
}

// change runs a change of one tenant with its events. What write answers comes back as it is.
func (s *Store) change(ctx context.Context, applier Applier, t tenant.UID, events []audit.Event, write func(context.Context, *sql.Tx) error) error {
	_, err := applier.Apply(ctx, ledger.Change{Tenant: t, Events: events, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		return write(ctx, conn)
	}})
	return withoutURL(err)
}

// writeOf writes what no event tells of, of one tenant, in one transaction.
func (s *Store) writeOf(ctx context.Context, t tenant.UID, write func(context.Context, *sql.Tx) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }() // says so when it is committed
	if s.dialect == Postgres {
		if _, err := tx.ExecContext(ctx, nameTenantPostgres, t.String()); err != nil {
			return withoutURL(err)
		}
	}
	if err := write(ctx, tx); err != nil {
		return withoutURL(err)
	}
	return withoutURL(tx.Commit())
}
