package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Families reads families of refresh tokens, and ends them. They begin and move in
// batches of the journal.
type Families struct {
	store  *Store
	ledger Applier
}

// Families opens them.
func (s *Store) Families(ledger Applier) *Families { return &Families{store: s, ledger: ledger} }

// markedFamily is what marks end of a family f: what was given before a version of its tenant.
const markedFamily = `exists (select 1 from revocations m where m.tenant_uid = f.tenant_uid and m.version > f.version
and (m.kind = 'client' and m.uid = f.client_uid or m.kind = 'user' and m.uid = f.user_uid or m.kind = 'idp' and m.uid = f.idp_uid))`

const familyRow = `f.id, f.origin, f.user_uid, f.client_uid, f.idp_uid, f.issuer, f.session, f.offline, f.resources, f.identity, f.acr, f.amr, f.auth_time,
f.jkt, f.version, f.generation, f.began_at, f.rotated_at, f.idle_until, f.expires_at, f.ended_at, f.ended_why, ` + markedFamily

// Family reads one, refresh.ErrUnknown if there is none.
func (k *Families) Family(ctx context.Context, t tenant.UID, id string) (refresh.Family, error) {
	found, err := k.query(ctx, t, "f.id = $2", id)
	if err == nil && len(found) == 0 {
		err = refresh.ErrUnknown
	}
	if err != nil {
		return refresh.Family{}, err
	}
	return found[0], nil
}

// consentTakenBack is a version of the tenant at which a person took back what he let a client do. Such versions are known
// for changesKept, which is longer than a code or a device's approval lives.
const consentTakenBack = `exists (select 1 from tenant_changes m where m.kind = '` + object.ChangedConsent + `' and m.tenant_uid = `

// TakenBack tells whether something was revoked since it was given: by a mark on who gave it, has it or vouched for him, or
// by the person's own word.
func (k *Families) TakenBack(ctx context.Context, t tenant.UID, g refresh.Given) (bool, error) {
	if err := t.Check(); err != nil {
		return false, err
	}
	if g.UserUID == "" || g.ClientUID == "" || g.IdPUID == "" || g.Version < 1 {
		return false, fmt.Errorf("%w: something given needs who gave it, who has it, an IdP and a version", errIncomplete)
	}
	query := "select exists (select 1 from revocations m where m.tenant_uid = $1 and m.version > $2 and " +
		"(m.kind = 'client' and m.uid = $3 or m.kind = 'user' and m.uid = $4 or m.kind = 'idp' and m.uid = $5)) or " +
		consentTakenBack + "$1 and m.version > $2 and m.uid = $6)"
	var taken bool
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, query, t.String(), g.Version, g.ClientUID, g.UserUID, g.IdPUID, object.ConsentUID(g.UserUID, g.ClientUID)).Scan(&taken)
	})
	return taken, err
}

// OfUser reads those of a person that are alive, the newest first.
func (k *Families) OfUser(ctx context.Context, t tenant.UID, user string) ([]refresh.Family, error) {
	all, err := k.query(ctx, t, "f.user_uid = $2 and f.ended_at is null order by f.began_at desc, f.id desc limit 1000", user)
	if err != nil {
		return nil, err
	}
	alive := all[:0]
	for _, f := range all {
		if f.End == nil && f.Now.Before(f.Until()) {
			alive = append(alive, f)
		}
	}
	return alive, nil
}

func (k *Families) query(ctx context.Context, t tenant.UID, where string, args ...any) ([]refresh.Family, error) {
	var all []refresh.Family
	query := "select " + familyRow + ", " + k.store.clock() + " from refresh_families f where f.tenant_uid = $1 and " + where //nolint:gosec // texts of this file
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, append([]any{t.String()}, args...)...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			one, err := readFamily(rows, t)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

func readFamily(rows *sql.Rows, t tenant.UID) (refresh.Family, error) {
	f := refresh.Family{Family: ledger.Family{Tenant: t}}
	var session []byte
	var resources, identity, amr string
	var authTime, endedAt sql.NullInt64
	var why sql.NullString
	var began, rotated, idle, expires, now int64
	var marked bool
	if err := rows.Scan(&f.ID, &f.Origin, &f.UserUID, &f.ClientUID, &f.IdPUID, &f.Issuer, &session, &f.Offline, &resources, &identity, &f.ACR, &amr, &authTime,
		&f.Thumbprint, &f.Version, &f.Generation, &began, &rotated, &idle, &expires, &endedAt, &why, &marked, &now); err != nil {
		return f, err
	}
	if len(session) != len(f.Session) {
		return f, fmt.Errorf("family %s has no session", f.ID)
	}
	copy(f.Session[:], session)
	for _, list := range []struct {
		text string
		into any
	}{{resources, &f.Resources}, {identity, &f.Identity}, {amr, &f.AMR}} {
		if err := json.Unmarshal([]byte(list.text), list.into); err != nil {
			return f, fmt.Errorf("family %s does not read: %w", f.ID, err)
		}
	}
	if authTime.Valid {
		f.AuthTime = fromMicros(authTime.Int64)
	}
	f.BeganAt, f.RotatedAt, f.IdleUntil = fromMicros(began), fromMicros(rotated), fromMicros(idle)
	f.ExpiresAt, f.Now = fromMicros(expires), fromMicros(now)
	switch {
	case endedAt.Valid:
		f.End = &refresh.End{Why: why.String, At: fromMicros(endedAt.Int64)}
	case marked:
		f.End = &refresh.End{Why: refresh.Revoked}
	}
	return f, nil
}

// End ends the families that one of the choices is about, and what tokens came with them, and tells how many families
// were alive. It may be called where nothing is left to end: the event tells of it all the same.
func (k *Families) End(ctx context.Context, t tenant.UID, which refresh.Choice, why string, e audit.Event) (int64, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	if err := which.Validate(); err != nil {
		return 0, err
	}
	if why == "" || e.ID == "" {
		return 0, fmt.Errorf("%w: an end needs a reason and an event", errIncomplete)
	}
	var ended int64
	_, err := k.ledger.Apply(ctx, ledger.Change{
		Tenant: t,
		Events: []audit.Event{e},
		Write: func(ctx context.Context, tx ledger.Tx) error {
			conn, err := SQLTx(tx)
			if err != nil {
				return err
			}
			ended, err = k.store.endFamilies(ctx, conn, t, which, why, e.ID)
			return err
		},
	})
	return ended, err
}

// endFamilies is End within a change of somebody else, on whose transaction PostgreSQL sees the tenant.
func (s *Store) endFamilies(ctx context.Context, tx *sql.Tx, t tenant.UID, which refresh.Choice, why, event string) (int64, error) {
	condition, args := choose(which)
	args = append([]any{t.String(), why}, args...)
	// The families first: a rotation that was under way in another replica has committed its token then, or never will.
	return s.endReturned(ctx, tx, t, event, "update refresh_families set ended_at = "+s.clock()+", ended_why = $2 "+
		"where tenant_uid = $1 and ended_at is null and "+condition+" returning origin", args...)
}

// endWithSessions ends what was granted within sessions, and no longer, when they end: no refresh commits after that. A
// session that went on under other handles has granted things under each of them.
func (s *Store) endWithSessions(ctx context.Context, tx *sql.Tx, t tenant.UID, sessions []string, event string) error {
	for _, id := range sessions {
		_, err := s.endReturned(ctx, tx, t, event, "update refresh_families set ended_at = "+s.clock()+", ended_why = $2 where tenant_uid = $1 "+
			"and ended_at is null and not offline and session in (select handle from sessions where tenant_uid = $1 and id = $3) returning origin",
			t.String(), ledger.EndedBySession, id)
		if err != nil {
			return err
		}
	}
	return nil
}

// endReturned ends families by a statement that returns their origins, and then the tokens that came of these.
func (s *Store) endReturned(ctx context.Context, tx *sql.Tx, t tenant.UID, event, statement string, args ...any) (int64, error) {
	if err := s.holdTenant(ctx, tx, t); err != nil {
		return 0, err
	}
	origins, err := returning(ctx, tx, statement, args...)
	if err != nil {
		return 0, err
	}
	for _, origin := range origins {
		if err := s.endTokens(ctx, tx, t, origin, event); err != nil {
			return 0, err
		}
	}
	return int64(len(origins)), nil
}

// endTokensOf ends the tokens that a client has for a person by his own word, whatever became of the families they came
// with: a client that does not refresh has none.
func (s *Store) endTokensOf(ctx context.Context, tx *sql.Tx, t tenant.UID, userUID, clientUID, event string) error {
	longest := object.MaxTokenLifetime + ledger.Margin
	origins, err := returning(ctx, tx, "select distinct t.origin from issued_tokens t where t.tenant_uid = $1 and t.subject = $2 and t.client_uid = $3 "+
		"and t.origin is not null and t.expires_at > "+s.begun()+" and t.issued_at > "+s.begun()+" - $4", t.String(), userUID, clientUID, longest.Microseconds())
	if err != nil {
		return err
	}
	for _, origin := range origins {
		if err := s.endTokens(ctx, tx, t, origin, event); err != nil {
			return err
		}
	}
	return nil
}

// returning runs a statement that returns one text a row.
func returning(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]string, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var origins []string
	for rows.Next() {
		var origin string
		if err := rows.Scan(&origin); err != nil {
			return nil, err
		}
		origins = append(origins, origin)
	}
	return origins, rows.Err()
}

func (s *Store) endTokens(ctx context.Context, tx *sql.Tx, t tenant.UID, origin, event string) error {
	query := endTokensSQLite
	args := []any{t.String(), origin, event, ledger.Margin.Microseconds()}
	if s.dialect == Postgres {
		query = endTokensPostgres
		args = []any{[]string{t.String()}, []string{origin}, []string{event}, ledger.Margin.Microseconds()}
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

// choose is a choice as a condition, with its arguments from $3 on.
func choose(c refresh.Choice) (string, []any) {
	switch {
	case c.Family != "":
		return "id = $3", []any{c.Family}
	case c.ClientUID != "":
		return "user_uid = $3 and client_uid = $4", []any{c.UserUID, c.ClientUID}
	default:
		return "user_uid = $3", []any{c.UserUID}
	}
}

// CountFamilies tells how many families of a holder were alive when the tenant's version became below, or are, if below is
// 0: that a mark at that version ended, and no earlier one.
func (k *Tokens) CountFamilies(ctx context.Context, t tenant.UID, h lifecycle.Holder, below int64) (int64, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	column, err := familyHolder(h.Kind)
	if err != nil {
		return 0, err
	}
	if below <= 0 {
		below = 1<<63 - 1
	}
	query := "select count(*) from refresh_families f where f.tenant_uid = $1 and " + column + " = $2 and f.ended_at is null " +
		"and f.idle_until > " + k.store.begun() + " and f.version < $3 and not exists (select 1 from revocations m " +
		"where m.tenant_uid = f.tenant_uid and m.version > f.version and m.version < $3 and (m.kind = 'client' and m.uid = f.client_uid " +
		"or m.kind = 'user' and m.uid = f.user_uid or m.kind = 'idp' and m.uid = f.idp_uid))"
	var n int64
	err = k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, query, t.String(), h.UID, below).Scan(&n)
	})
	return n, err
}

func familyHolder(k lifecycle.Kind) (string, error) {
	switch k {
	case lifecycle.Client:
		return "f.client_uid", nil
	case lifecycle.User:
		return "f.user_uid", nil
	case lifecycle.IdP:
		return "f.idp_uid", nil
	case lifecycle.Token, lifecycle.Key:
	}
	return "", lifecycle.ErrHolder
}

// sweepFamilies removes what nobody can use any more, a day later.
func (s *Store) sweepFamilies(ctx context.Context, db execer) (int64, error) {
	return s.sweepEnded(ctx, db, "chancery_sweep_families", map[string]string{"refresh_families": "idle_until < " + s.clock() + " - 86400000000"})
}
