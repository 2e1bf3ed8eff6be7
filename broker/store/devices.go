package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/code"
	"github.com/chancery-dev/chancery/broker/device"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Devices keeps the requests of devices. What a device does leaves no event until it is answered or refused; what a person
// says to it goes through the ledger.
type Devices struct {
	store  *Store
	ledger Applier
}

var _ device.Store = (*Devices)(nil)

// Devices opens them.
func (s *Store) Devices(ledger Applier) *Devices { return &Devices{store: s, ledger: ledger} }

const deviceColumns = "d.handle, d.user_code, d.client_uid, d.client_id, d.parameters, d.jkt, d.state, d.wait, d.asked_at, d.created_at, d.expires_at, " +
	"d.answered_at, d.user_uid, d.idp_uid, d.version, d.granted"

// deviceRevoked is whether a mark ended what was approved, or the person took it back.
const deviceRevoked = `(exists (select 1 from revocations m where m.tenant_uid = d.tenant_uid and m.version > d.version
and ((m.kind = 'client' and m.uid = d.client_uid) or (m.kind = 'user' and m.uid = d.user_uid) or (m.kind = 'idp' and m.uid = d.idp_uid)))
or ` + consentTakenBack + `d.tenant_uid and m.version > d.version and m.uid = d.user_uid || ' ' || d.client_uid))`

// Begin implements device.Store.
func (v *Devices) Begin(ctx context.Context, t tenant.UID, a device.Authorization, most int) error {
	if err := t.Check(); err != nil {
		return err
	}
	if a.Handle == (device.Handle{}) || a.UserCode == [sha256.Size]byte{} || a.ClientUID == "" || a.ExpiresAt.IsZero() || a.CreatedAt.IsZero() || most < 1 {
		return fmt.Errorf("%w: a device's request needs its codes, a client, times and a bound", errIncomplete)
	}
	return v.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		var waiting int
		// No more are counted than are needed; two that come at once may both be the last.
		err := tx.QueryRowContext(ctx, "select count(*) from (select 1 from device_authorizations where tenant_uid = $1 and client_uid = $2 "+
			"and state = 'waiting' and expires_at > $3 limit $4) waiting", t.String(), a.ClientUID, a.CreatedAt.UnixMicro(), most).Scan(&waiting)
		if err != nil {
			return err
		}
		if waiting >= most {
			return device.ErrFull
		}
		done, err := tx.ExecContext(ctx, "insert into device_authorizations (tenant_uid, handle, user_code, client_uid, client_id, parameters, jkt, state, "+
			"wait, created_at, expires_at, user_uid, idp_uid, version, granted) values ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9, $10, '', '', 0, '') "+
			"on conflict do nothing",
			t.String(), a.Handle[:], a.UserCode[:], a.ClientUID, a.ClientID, a.Parameters, a.Thumbprint, a.Wait.Microseconds(),
			a.CreatedAt.UnixMicro(), a.ExpiresAt.UnixMicro())
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err == nil && n != 1 {
			return device.ErrTaken
		}
		return err
	})
}

// ByCode implements device.Store.
func (v *Devices) ByCode(ctx context.Context, t tenant.UID, codes [][sha256.Size]byte, now time.Time) (device.Authorization, error) {
	var found device.Authorization
	err := v.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range codes {
			asked, err := readDevice(tx.QueryRowContext(ctx, "select "+deviceColumns+", false from device_authorizations d "+
				"where d.tenant_uid = $1 and d.user_code = $2 and d.state = 'waiting' and d.expires_at > $3", t.String(), one[:], now.UnixMicro()))
			if errors.Is(err, device.ErrUnknown) {
				continue
			}
			found = asked.Authorization
			return err
		}
		return device.ErrUnknown
	})
	return found, err
}

// Answer implements device.Store: of several answers the first counts, between replicas too.
func (v *Devices) Answer(ctx context.Context, t tenant.UID, h device.Handle, to device.State, a device.Answer, e audit.Event) error {
	if err := t.Check(); err != nil {
		return err
	}
	approved := to == device.Approved
	if a.At.IsZero() || a.UserUID == "" || a.Version < 1 || approved != (a.Granted != nil) || !approved && to != device.Denied {
		return fmt.Errorf("%w: an answer needs a person, a time, a version, and what it lets", errIncomplete)
	}
	var granted []byte
	if approved {
		var err error
		if granted, err = json.Marshal(a.Granted); err != nil {
			return fmt.Errorf("write an approval: %w", err)
		}
	}
	_, err := v.ledger.Apply(ctx, ledger.Change{Tenant: t, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		done, err := conn.ExecContext(ctx, "update device_authorizations set state = $3, answered_at = $4, user_uid = $5, idp_uid = $6, version = $7, granted = $8 "+
			"where tenant_uid = $1 and handle = $2 and state = 'waiting' and expires_at > $4",
			t.String(), h[:], string(to), a.At.UnixMicro(), a.UserUID, a.IdPUID, a.Version, string(granted))
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err == nil && n != 1 {
			return device.ErrUnknown
		}
		return err
	}})
	return withoutURL(err)
}

// Ask implements device.Store.
func (v *Devices) Ask(ctx context.Context, t tenant.UID, h device.Handle, now time.Time, p *device.Pace) (device.Asked, error) {
	query := "select " + deviceColumns + ", " + deviceRevoked + " from device_authorizations d where d.tenant_uid = $1 and d.handle = $2"
	var asked device.Asked
	read := func(ctx context.Context, tx *sql.Tx) (err error) {
		asked, err = readDevice(tx.QueryRowContext(ctx, query, t.String(), h[:]))
		return err
	}
	err := v.store.readOf(ctx, t, read)
	if err != nil || p == nil || asked.State != device.Waiting || !asked.Alive(now) {
		return asked, err
	}
	// It waits, so the question is noted, where the row is read again: two at once are one after the other.
	if v.store.dialect == Postgres {
		query += " for update of d"
	}
	err = v.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		if err := read(ctx, tx); err != nil || asked.State != device.Waiting {
			return err
		}
		early, wait := p.Next(asked.Authorization, now)
		_, err := tx.ExecContext(ctx, "update device_authorizations set asked_at = $3, wait = $4 where tenant_uid = $1 and handle = $2",
			t.String(), h[:], now.UnixMicro(), wait.Microseconds())
		asked.Early, asked.Wait, asked.AskedAt = early, wait, now
		return err
	})
	return asked, err
}

func readDevice(row *sql.Row) (device.Asked, error) {
	var found device.Asked
	var handle, userCode []byte
	var state, granted string
	var wait, created, expires int64
	var askedAt, answered sql.NullInt64
	err := row.Scan(&handle, &userCode, &found.ClientUID, &found.ClientID, &found.Parameters, &found.Thumbprint, &state, &wait, &askedAt, &created, &expires,
		&answered, &found.UserUID, &found.IdPUID, &found.Version, &granted, &found.Revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return device.Asked{}, device.ErrUnknown
	}
	if err != nil {
		return device.Asked{}, err
	}
	if len(handle) != len(found.Handle) || len(userCode) != len(found.UserCode) {
		return device.Asked{}, errors.New("device_authorizations: a digest of another size")
	}
	found.Handle, found.UserCode, found.State = device.Handle(handle), [sha256.Size]byte(userCode), device.State(state)
	found.Wait, found.CreatedAt, found.ExpiresAt = time.Duration(wait)*time.Microsecond, fromMicros(created), fromMicros(expires)
	if askedAt.Valid {
		found.AskedAt = fromMicros(askedAt.Int64)
	}
	if answered.Valid {
		found.At = fromMicros(answered.Int64)
	}
	if found.State == device.Approved {
		found.Granted = &code.Grant{}
		decoder := json.NewDecoder(strings.NewReader(granted))
		decoder.DisallowUnknownFields() // what a newer binary let is not read as less
		if err := decoder.Decode(found.Granted); err != nil {
			return device.Asked{}, fmt.Errorf("device_authorizations: an approval does not read: %w", err)
		}
	}
	return found, nil
}

// sweepDevices removes requests that ended an hour ago and more: until then a device that asks again is told that it came too
// late.
func (s *Store) sweepDevices(ctx context.Context, db execer) (int64, error) {
	return s.sweepEnded(ctx, db, "chancery_sweep_devices", map[string]string{"device_authorizations": "expires_at < " + s.clock() + " - 3600 * 1000000"})
}
