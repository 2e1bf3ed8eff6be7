package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/passkey"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Passkeys keeps people's passkeys, and the challenges that wait for one.
type Passkeys struct {
	store  *Store
	ledger Applier
}

var _ passkey.Store = (*Passkeys)(nil)

// Passkeys opens them.
func (s *Store) Passkeys(ledger Applier) *Passkeys { return &Passkeys{store: s, ledger: ledger} }

const (
	selectOwnKeys = `select id, credential, public_key, sign_count, backup_eligible, transports, name, created_at, used_at
from passkeys where tenant_uid = $1 and user_uid = $2 order by created_at, id`

	addPasskey = `insert into passkeys (tenant_uid, credential, id, user_uid, public_key, sign_count, backup_eligible, transports, name, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing`

	usePasskey = `update passkeys set sign_count = $5, used_at = $6 where tenant_uid = $1 and user_uid = $2 and credential = $3 and sign_count = $4`

	removePasskey = `delete from passkeys where tenant_uid = $1 and user_uid = $2 and id = $3`

	expectPasskey = `insert into passkey_challenges (tenant_uid, handle, purpose, user_uid, session, ends_at) values ($1, $2, $3, $4, $5, $6)`

	takePasskeyChallenge = `delete from passkey_challenges where tenant_uid = $1 and handle = $2 and ends_at > $3 returning purpose, user_uid, session, ends_at`
)

// List implements passkey.Store.
func (p *Passkeys) List(ctx context.Context, t tenant.UID, userUID string) ([]passkey.Credential, error) {
	var all []passkey.Credential
	err := p.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		all = nil
		rows, err := tx.QueryContext(ctx, selectOwnKeys, t.String(), userUID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c := passkey.Credential{Tenant: t, UserUID: userUID}
			var count, eligible, created int64
			var used *int64
			var transports string
			if err := rows.Scan(&c.ID, &c.Credential, &c.PublicKey, &count, &eligible, &transports, &c.Name, &created, &used); err != nil {
				return err
			}
			if count < 0 || count > math.MaxUint32 {
				return errors.New("passkeys: a counter out of its range")
			}
			c.SignCount, c.BackupEligible = uint32(count), eligible == 1
			c.Transports, c.CreatedAt, c.UsedAt = strings.Fields(transports), fromMicros(created), fromMicrosPtr(used)
			all = append(all, c)
		}
		return rows.Err()
	})
	return all, err
}

// Add implements passkey.Store.
func (p *Passkeys) Add(ctx context.Context, c passkey.Credential, most int, e audit.Event) error {
	if err := c.Tenant.Check(); err != nil {
		return err
	}
	if c.UserUID == "" || c.ID == "" || len(c.Credential) == 0 || len(c.PublicKey) == 0 || c.CreatedAt.IsZero() {
		return fmt.Errorf("%w: a passkey of nobody, or without a key", errIncomplete)
	}
	eligible := 0
	if c.BackupEligible {
		eligible = 1
	}
	return p.change(ctx, c.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		var has int
		if err := tx.QueryRowContext(ctx, "select count(*) from passkeys where tenant_uid = $1 and user_uid = $2", c.Tenant.String(), c.UserUID).Scan(&has); err != nil {
			return err
		}
		if has >= most {
			return passkey.ErrFull
		}
		return onePasskey(passkey.ErrTaken)(tx.ExecContext(ctx, addPasskey, c.Tenant.String(), c.Credential, c.ID, c.UserUID, c.PublicKey,
			int64(c.SignCount), eligible, strings.Join(c.Transports, " "), c.Name, c.CreatedAt.UnixMicro()))
	})
}

// Use implements passkey.Store.
func (p *Passkeys) Use(ctx context.Context, c passkey.Credential, from uint32, e audit.Event) error {
	if err := c.Tenant.Check(); err != nil {
		return err
	}
	return p.change(ctx, c.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		return onePasskey(passkey.ErrGone)(tx.ExecContext(ctx, usePasskey, c.Tenant.String(), c.UserUID, c.Credential, int64(from), int64(c.SignCount), c.UsedAt.UnixMicro()))
	})
}

// Remove implements passkey.Store.
func (p *Passkeys) Remove(ctx context.Context, t tenant.UID, userUID, id string, e audit.Event) error {
	if err := t.Check(); err != nil {
		return err
	}
	return p.change(ctx, t, e, func(ctx context.Context, tx *sql.Tx) error {
		return onePasskey(passkey.ErrGone)(tx.ExecContext(ctx, removePasskey, t.String(), userUID, id))
	})
}

// Expect implements passkey.Store.
func (p *Passkeys) Expect(ctx context.Context, c passkey.Challenge) error {
	if err := c.Tenant.Check(); err != nil {
		return err
	}
	if c.Handle == [32]byte{} || c.Session == [32]byte{} || c.UserUID == "" || c.ExpiresAt.IsZero() {
		return fmt.Errorf("%w: a challenge for nobody, or for ever", errIncomplete)
	}
	return p.store.changeOf(ctx, c.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		// One a session and purpose: pages that are opened again and again fill nothing.
		if _, err := tx.ExecContext(ctx, "delete from passkey_challenges where tenant_uid = $1 and user_uid = $2 and session = $3 and purpose = $4",
			c.Tenant.String(), c.UserUID, c.Session[:], string(c.Purpose)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, expectPasskey, c.Tenant.String(), c.Handle[:], string(c.Purpose), c.UserUID, c.Session[:], c.ExpiresAt.UnixMicro())
		return err
	})
}

// Take implements passkey.Store.
func (p *Passkeys) Take(ctx context.Context, t tenant.UID, handle [32]byte, now time.Time) (passkey.Challenge, error) {
	c := passkey.Challenge{Handle: handle, Tenant: t}
	var session []byte
	var purpose string
	var ends int64
	err := p.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, takePasskeyChallenge, t.String(), handle[:], now.UnixMicro()).Scan(&purpose, &c.UserUID, &session, &ends)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return passkey.Challenge{}, passkey.ErrGone
	case err != nil:
		return passkey.Challenge{}, err
	case len(session) != len(c.Session):
		return passkey.Challenge{}, errors.New("passkey_challenges: a digest of another length")
	}
	c.Purpose, c.Session, c.ExpiresAt = passkey.Purpose(purpose), [32]byte(session), fromMicros(ends)
	return c, nil
}

// onePasskey wants a statement to have touched one row.
func onePasskey(otherwise error) func(sql.Result, error) error {
	return func(done sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return firstOf(err, otherwise)
		}
		return nil
	}
}

func (p *Passkeys) change(ctx context.Context, t tenant.UID, e audit.Event, write func(context.Context, *sql.Tx) error) error {
	_, err := p.ledger.Apply(ctx, ledger.Change{Tenant: t, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		return write(ctx, conn)
	}})
	return withoutURL(err)
}
