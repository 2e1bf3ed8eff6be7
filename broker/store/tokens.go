package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Tokens reads what was issued and keeps what was revoked. Rows of tokens are
// written by the journal.
type Tokens struct {
	store  *Store
	ledger Applier
}

var _ lifecycle.Tokens = (*Tokens)(nil)

// Tokens opens the records of tokens.
func (s *Store) Tokens(ledger Applier) *Tokens { return &Tokens{store: s, ledger: ledger} }

// What ends a token t (of issued_tokens), on both engines. A row of an older
// binary has no version: every mark ends it.
const (
	ownRevocation = `r.tenant_uid = t.tenant_uid and r.space = 'revoked_token' and r.key = `

	revokedByMark = `(exists (select 1 from revocations m where m.tenant_uid = t.tenant_uid and m.kind = 'client' and m.uid = t.client_uid and m.version > coalesce(t.version, 0))
or exists (select 1 from revocations m where m.tenant_uid = t.tenant_uid and m.kind = 'user' and m.uid = t.subject and m.version > coalesce(t.version, 0))
or exists (select 1 from revocations m where m.tenant_uid = t.tenant_uid and m.kind = 'idp' and m.uid = t.idp_uid and m.version > coalesce(t.version, 0)))`

	// The first mark that ended the token, as one text.
	firstMark = `(select m.kind || ' ' || m.uid || ' ' || m.at || ' ' || m.event from revocations m
where m.tenant_uid = t.tenant_uid and m.version > coalesce(t.version, 0)
and (m.kind = 'client' and m.uid = t.client_uid or m.kind = 'user' and m.uid = t.subject or m.kind = 'idp' and m.uid = t.idp_uid)
order by m.version limit 1)`

	issuedColumns = `t.jti, t.issued_at, t.expires_at, t.kid, t.grant_type, t.client_uid, t.subject, t.idp_uid, t.resource_uid, t.audience,
t.scope, t.jkt, t.decision_id, t.trace, coalesce(t.version, 0)`
)

// revocationKey is ledger.RevocationKey of t.jti in SQL.
func (s *Store) revocationKey() string {
	if s.dialect == Postgres {
		return `(convert_to(t.jti, 'UTF8') || '\x0000'::bytea)`
	}
	return `cast(t.jti || x'0000' as blob)`
}

// issued selects records together with what ended them.
func (s *Store) issued() string {
	return "select " + issuedColumns + ", (select r.entry from redemptions r where " + ownRevocation + s.revocationKey() + "), " + firstMark +
		", (select k.revoked_at from signing_keys k where k.tenant_uid = t.tenant_uid and k.kid = t.kid and k.state = 'revoked') from issued_tokens t "
}

// ofHolder is the column that names a kind of holder.
func ofHolder(k lifecycle.Kind) (string, error) {
	switch k {
	case lifecycle.Client:
		return "t.client_uid", nil
	case lifecycle.User:
		return "t.subject", nil
	case lifecycle.IdP:
		return "t.idp_uid", nil
	case lifecycle.Token, lifecycle.Key:
	}
	return "", lifecycle.ErrHolder
}

// nearly is how far a token's iat, in whole seconds, may be from the time in its id.
const nearly = 10 * time.Second

// Find implements lifecycle.Tokens. The id's own time bounds the partitions that are read.
func (k *Tokens) Find(ctx context.Context, t tenant.UID, jti string) (lifecycle.Issued, error) {
	if err := t.Check(); err != nil {
		return lifecycle.Issued{}, err
	}
	made, ok := id.Time(id.Token, jti)
	if !ok {
		return lifecycle.Issued{}, lifecycle.ErrUnknown
	}
	found, err := k.query(ctx, t, k.store.issued()+"where t.tenant_uid = $1 and t.jti = $2 and t.issued_at between $3 and $4",
		t.String(), jti, made.Add(-nearly).UnixMicro(), made.Add(nearly).UnixMicro())
	if err == nil && len(found) == 0 {
		err = lifecycle.ErrUnknown
	}
	if err != nil {
		return lifecycle.Issued{}, err
	}
	return found[0], nil
}

// List implements lifecycle.Tokens.
func (k *Tokens) List(ctx context.Context, t tenant.UID, f lifecycle.Filter) ([]lifecycle.Issued, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if f.Limit < 1 || f.Since.IsZero() {
		return nil, fmt.Errorf("%w: a list of tokens needs a beginning and an end", errIncomplete)
	}
	args := []any{t.String(), f.Since.UnixMicro()}
	where := []string{"t.tenant_uid = $1 and t.issued_at >= $2"}
	and := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where = append(where, condition)
	}
	if f.Holder != (lifecycle.Holder{}) {
		column, err := ofHolder(f.Holder.Kind)
		if err != nil {
			return nil, err
		}
		and(column+" = ?", f.Holder.UID)
	}
	if f.After.ID != "" {
		and("(t.issued_at, t.jti) < (?, ?)", f.After.IssuedAt.UnixMicro(), f.After.ID)
	}
	if f.LiveOnly {
		where = append(where, "t.expires_at > "+k.store.begun(), "not "+k.store.ended())
	}
	and("true order by t.issued_at desc, t.jti desc limit ?", f.Limit)
	return k.query(ctx, t, k.store.issued()+"where "+strings.Join(where, " and "), args...)
}

// ended is whether anything ended t.
func (s *Store) ended() string {
	return "(exists (select 1 from redemptions r where " + ownRevocation + s.revocationKey() + ") or " + revokedByMark +
		" or exists (select 1 from signing_keys k where k.tenant_uid = t.tenant_uid and k.kid = t.kid and k.state = 'revoked'))"
}

func (k *Tokens) query(ctx context.Context, t tenant.UID, query string, args ...any) ([]lifecycle.Issued, error) {
	var all []lifecycle.Issued
	err := k.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			one, err := readIssued(rows, t)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

func readIssued(rows *sql.Rows, t tenant.UID) (lifecycle.Issued, error) {
	found := lifecycle.Issued{IssuedToken: ledger.IssuedToken{Tenant: t}}
	i := &found.IssuedToken
	var issued, expires int64
	var entry, mark sql.NullString
	var keyRevoked sql.NullInt64
	if err := rows.Scan(&i.ID, &issued, &expires, &i.KeyID, &i.GrantType, &i.ClientUID, &i.Subject, &i.IdPUID, &i.ResourceID, &i.Audience,
		&i.Scope, &i.Thumbprint, &i.DecisionID, &i.Trace, &i.Version, &entry, &mark, &keyRevoked); err != nil {
		return found, err
	}
	i.IssuedAt, i.ExpiresAt = fromMicros(issued), fromMicros(expires)
	var err error
	switch {
	case entry.Valid:
		at, _ := id.Time(id.Event, entry.String)
		found.End = &lifecycle.End{By: lifecycle.Token, UID: i.ID, At: at.UTC(), Event: entry.String}
	case mark.Valid:
		found.End, err = readMark(mark.String)
	case keyRevoked.Valid:
		found.End = &lifecycle.End{By: lifecycle.Key, UID: i.KeyID, At: fromMicros(keyRevoked.Int64)}
	}
	return found, err
}

// readMark reads firstMark.
func readMark(text string) (*lifecycle.End, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 4 {
		return nil, errors.New("a mark does not read")
	}
	at, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("a mark does not read: %w", err)
	}
	return &lifecycle.End{By: lifecycle.Kind(parts[0]), UID: parts[1], At: fromMicros(at), Event: parts[3]}, nil
}

// readOf runs reads of one tenant in one transaction, without gorm.
func (s *Store) readOf(ctx context.Context, t tenant.UID, read func(context.Context, *sql.Tx) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if s.dialect == Postgres {
		if _, err := tx.ExecContext(ctx, nameTenantPostgres, t.String()); err != nil {
			return withoutURL(err)
		}
	}
	return withoutURL(read(ctx, tx))
}
