package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/consent"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/refresh"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Consents keeps what people let clients do.
type Consents struct {
	store  *Store
	ledger Applier
}

var _ consent.Store = (*Consents)(nil)

// Consents opens them.
func (s *Store) Consents(ledger Applier) *Consents { return &Consents{store: s, ledger: ledger} }

// maxConsents bounds what is read of one person.
const maxConsents = 1000

// Of implements consent.Store.
func (c *Consents) Of(ctx context.Context, t tenant.UID, userUID, clientUID string) ([]consent.Consent, error) {
	if userUID == "" {
		return nil, fmt.Errorf("%w: consents of nobody", errIncomplete)
	}
	var found []consent.Consent
	err := c.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "select client_uid, client_id, resource_uid, scopes, meaning, given_at, used_at from consents "+
			"where tenant_uid = $1 and user_uid = $2 and ($3 = '' or client_uid = $3) order by given_at desc, client_uid, resource_uid limit $4",
			t.String(), userUID, clientUID, maxConsents)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one := consent.Consent{Tenant: t, UserUID: userUID}
			var scopes string
			var meaning []byte
			var given int64
			var used sql.NullInt64
			if err := rows.Scan(&one.ClientUID, &one.ClientID, &one.ResourceUID, &scopes, &meaning, &given, &used); err != nil {
				return err
			}
			if len(meaning) != len(one.Meaning) {
				return fmt.Errorf("consents: a meaning of %d bytes", len(meaning))
			}
			one.Scopes, one.Meaning, one.GivenAt = strings.Fields(scopes), [32]byte(meaning), time.UnixMicro(given).UTC()
			if used.Valid {
				one.UsedAt = time.UnixMicro(used.Int64).UTC()
			}
			found = append(found, one)
		}
		return rows.Err()
	})
	return found, err
}

// Give implements consent.Store.
func (c *Consents) Give(ctx context.Context, given []consent.Consent, e audit.Event) error {
	if err := e.Tenant.Check(); err != nil {
		return err
	}
	for _, one := range given {
		if one.Tenant != e.Tenant || !whole(one) {
			return fmt.Errorf("%w: a consent of nobody, to nothing, or of another tenant", errIncomplete)
		}
	}
	return c.change(ctx, e, nil, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range given {
			_, err := tx.ExecContext(ctx, "insert into consents (tenant_uid, user_uid, client_uid, client_id, resource_uid, scopes, meaning, given_at) values ($1, $2, $3, $4, $5, $6, $7, $8) "+
				"on conflict (tenant_uid, user_uid, client_uid, resource_uid) do update set client_id = excluded.client_id, scopes = excluded.scopes, meaning = excluded.meaning, given_at = excluded.given_at",
				one.Tenant.String(), one.UserUID, one.ClientUID, one.ClientID, one.ResourceUID, strings.Join(one.Scopes, " "), one.Meaning[:], one.GivenAt.UnixMicro())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Withdraw implements consent.Store.
func (c *Consents) Withdraw(ctx context.Context, t tenant.UID, userUID, clientUID, resourceUID string, e audit.Event) error {
	if err := t.Check(); err != nil {
		return err
	}
	if e.Tenant != t || userUID == "" || clientUID == "" {
		return fmt.Errorf("%w: a consent of nobody, or of another tenant", errIncomplete)
	}
	raise := []ledger.ChangedObject{{Kind: object.ChangedConsent, UID: object.ConsentUID(userUID, clientUID)}}
	return c.change(ctx, e, raise, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "delete from consents where tenant_uid = $1 and user_uid = $2 and client_uid = $3 and resource_uid = $4",
			t.String(), userUID, clientUID, resourceUID)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return firstOf(err, consent.ErrNone)
		}
		if _, err := c.store.endFamilies(ctx, tx, t, refresh.Choice{UserUID: userUID, ClientUID: clientUID}, endedByConsent, e.ID); err != nil {
			return err
		}
		return c.store.endTokensOf(ctx, tx, t, userUID, clientUID, e.ID)
	})
}

// endedByConsent is why families end with what their person took back.
const endedByConsent = "consent_withdrawn"

// Use implements consent.Store. What is there keeps all but the time.
func (c *Consents) Use(ctx context.Context, used []consent.Consent) error {
	if len(used) == 0 || slices.ContainsFunc(used, func(one consent.Consent) bool {
		return !whole(one) || one.UsedAt.IsZero() || one.Tenant != used[0].Tenant
	}) {
		return fmt.Errorf("%w: a consent of nobody, to nothing, or of another tenant", errIncomplete)
	}
	return c.store.changeOf(ctx, used[0].Tenant, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range used {
			_, err := tx.ExecContext(ctx, "insert into consents (tenant_uid, user_uid, client_uid, client_id, resource_uid, scopes, meaning, given_at, used_at) "+
				"values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (tenant_uid, user_uid, client_uid, resource_uid) do update set used_at = excluded.used_at",
				one.Tenant.String(), one.UserUID, one.ClientUID, one.ClientID, one.ResourceUID, strings.Join(one.Scopes, " "), make([]byte, len(one.Meaning)), one.GivenAt.UnixMicro(), one.UsedAt.UnixMicro())
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// whole tells a consent of somebody, to something.
func whole(one consent.Consent) bool {
	return one.UserUID != "" && one.ClientUID != "" && one.ClientID != "" && len(one.Scopes) > 0 && !one.GivenAt.IsZero() &&
		!slices.ContainsFunc(one.Scopes, func(s string) bool { return s == "" || strings.ContainsAny(s, " \t\n") })
}

func (c *Consents) change(ctx context.Context, e audit.Event, raise []ledger.ChangedObject, write func(context.Context, *sql.Tx) error) error {
	_, err := c.ledger.Apply(ctx, ledger.Change{Tenant: e.Tenant, Raise: raise, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		if err := write(ctx, conn); err != nil {
			return err
		}
		if c.store.dialect != Postgres || len(raise) == 0 {
			return nil
		}
		_, err = conn.ExecContext(ctx, "select pg_notify('"+channel+"', $1)", e.Tenant.String()) // heard when the transaction commits
		return err
	}})
	return withoutURL(err)
}

// firstOf is the first error that there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// changeOf runs statements that need no event in one transaction of one tenant.
func (s *Store) changeOf(ctx context.Context, t tenant.UID, write func(context.Context, *sql.Tx) error) error {
	if err := t.Check(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
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
