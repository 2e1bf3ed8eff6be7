package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connect"
)

// Connects keeps links that agents were given, and people who are under way to connect an account.
type Connects struct {
	store  *Store
	ledger Applier
}

var _ connect.Store = (*Connects)(nil)

// Connects opens them.
func (s *Store) Connects(ledger Applier) *Connects { return &Connects{store: s, ledger: ledger} }

const (
	linkColumns = "handle, user_uid, client_uid, client_id, client_name, provider_uid, scopes, account, trace, sealed, begun_at, ends_at"

	waitingConnectLinks = "select " + linkColumns + " from connect_links where tenant_uid = $1 and user_uid = $2 and client_uid = $3 and provider_uid = $4 and ends_at > $5 " +
		"order by begun_at desc"

	findConnectLink = "select " + linkColumns + " from connect_links where tenant_uid = $1 and handle = $2"

	keepConnectLink = "insert into connect_links (tenant_uid, " + linkColumns + ", goes_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"

	// The newest stay; the one that comes is not among them yet.
	makeRoomForConnectLink = `delete from connect_links where tenant_uid = $1 and user_uid = $2 and client_uid = $3 and ends_at > $4 and handle not in (
select k.handle from connect_links k where k.tenant_uid = $1 and k.user_uid = $2 and k.client_uid = $3 and k.ends_at > $4 order by k.begun_at desc, k.handle limit $5)`

	tripColumns = "handle, stage, user_uid, browser, version, provider_uid, link, client_uid, client_id, client_name, account, sealed, begun_at, ends_at"

	findConnectTrip = "select " + tripColumns + " from connect_trips where tenant_uid = $1 and stage = $2 and handle = $3"

	keepConnectTrip = "insert into connect_trips (tenant_uid, " + tripColumns + ", goes_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"

	otherTrips = ` where tenant_uid = $1 and user_uid = $2 and stage = $3 and ends_at > $4 and handle not in (
select k.handle from connect_trips k where k.tenant_uid = $1 and k.user_uid = $2 and k.stage = $3 and k.ends_at > $4 order by k.begun_at desc, k.handle limit $5)`

	makeRoomForDeparted = "delete from connect_trips" + otherTrips
	makeRoomForArrived  = "update connect_trips set ends_at = $4" + otherTrips

	takeConnectTrip = "delete from connect_trips where tenant_uid = $1 and handle = $2"

	endedConnectTrips = "select " + tripColumns + " from connect_trips where tenant_uid = $1 and stage = 'arrived' and ends_at <= $2 order by ends_at limit $3"
)

// How long rows stay after their end: a link, so that it is told that its time is over; a trip, until what it brought is given
// back.
const (
	linkStays = time.Hour
	tripStays = 24 * time.Hour
)

// WaitingLinks implements connect.Store.
func (c *Connects) WaitingLinks(ctx context.Context, o connect.Order, now time.Time) ([]connect.Link, error) {
	return c.links(ctx, o.Tenant, waitingConnectLinks, o.Tenant, o.UserUID, o.ClientUID, o.ProviderUID, now.UnixMicro())
}

// FindLink implements connect.Store.
func (c *Connects) FindLink(ctx context.Context, tenantUID string, handle [32]byte) (connect.Link, error) {
	found, err := c.links(ctx, tenantUID, findConnectLink, tenantUID, handle[:])
	if err != nil {
		return connect.Link{}, err
	}
	if len(found) != 1 {
		return connect.Link{}, connect.ErrGone
	}
	return found[0], nil
}

// KeepLink implements connect.Store.
func (c *Connects) KeepLink(ctx context.Context, l connect.Link, most int) error {
	t, err := tenant.ParseUID(l.Tenant)
	if err != nil {
		return err
	}
	if l.Handle == [32]byte{} || l.UserUID == "" || l.ClientUID == "" || l.ProviderUID == "" || len(l.Sealed) == 0 || !l.ExpiresAt.After(l.BegunAt) || most < 1 {
		return fmt.Errorf("%w: a link of nobody, for nothing, or for ever", errIncomplete)
	}
	scopes, err := scopeList(l.Scopes)
	if err != nil {
		return err
	}
	return c.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, makeRoomForConnectLink, l.Tenant, l.UserUID, l.ClientUID, l.BegunAt.UnixMicro(), most-1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, keepConnectLink, l.Tenant, l.Handle[:], l.UserUID, l.ClientUID, l.ClientID, l.ClientName, l.ProviderUID, scopes, l.Account, l.Trace, l.Sealed,
			l.BegunAt.UnixMicro(), l.ExpiresAt.UnixMicro(), l.ExpiresAt.Add(linkStays).UnixMicro())
		return err
	})
}

// KeepTrip implements connect.Store.
func (c *Connects) KeepTrip(ctx context.Context, trip connect.Trip, most int) error {
	t, err := tenant.ParseUID(trip.Tenant)
	if err != nil {
		return err
	}
	if trip.Handle == [32]byte{} || trip.UserUID == "" || trip.Browser == [32]byte{} || trip.ProviderUID == "" || len(trip.Sealed) == 0 ||
		!trip.ExpiresAt.After(trip.BegunAt) || most < 1 {
		return fmt.Errorf("%w: a trip of nobody, to nowhere, or for ever", errIncomplete)
	}
	makeRoom := makeRoomForDeparted
	if trip.Stage == connect.Arrived {
		makeRoom = makeRoomForArrived
	}
	var link []byte
	if trip.Link != [32]byte{} {
		link = trip.Link[:]
	}
	return c.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, makeRoom, trip.Tenant, trip.UserUID, string(trip.Stage), trip.BegunAt.UnixMicro(), most-1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, keepConnectTrip, trip.Tenant, trip.Handle[:], string(trip.Stage), trip.UserUID, trip.Browser[:], trip.Version, trip.ProviderUID, link,
			trip.ClientUID, trip.ClientID, trip.ClientName, trip.Account, trip.Sealed, trip.BegunAt.UnixMicro(), trip.ExpiresAt.UnixMicro(), trip.ExpiresAt.Add(tripStays).UnixMicro())
		return err
	})
}

// FindTrip implements connect.Store.
func (c *Connects) FindTrip(ctx context.Context, tenantUID string, stage connect.Stage, handle [32]byte) (connect.Trip, error) {
	found, err := c.trips(ctx, tenantUID, findConnectTrip, tenantUID, string(stage), handle[:])
	if err != nil {
		return connect.Trip{}, err
	}
	if len(found) != 1 {
		return connect.Trip{}, connect.ErrGone
	}
	return found[0], nil
}

// TakeTrip implements connect.Store: the first wins, between replicas too.
func (c *Connects) TakeTrip(ctx context.Context, tenantUID string, handle [32]byte) error {
	t, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return err
	}
	return c.store.writeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, takeConnectTrip, tenantUID, handle[:])
		if err != nil {
			return err
		}
		return onlyOne(done, connect.ErrGone)
	})
}

// EndedTrips implements connect.Store.
func (c *Connects) EndedTrips(ctx context.Context, tenantUID string, before time.Time, limit int) ([]connect.Trip, error) {
	return c.trips(ctx, tenantUID, endedConnectTrips, tenantUID, before.UnixMicro(), limit)
}

func (c *Connects) links(ctx context.Context, tenantUID, query string, args ...any) ([]connect.Link, error) {
	return rowsOf(ctx, c.store, tenantUID, scanConnectLink, query, args...)
}

func (c *Connects) trips(ctx context.Context, tenantUID, query string, args ...any) ([]connect.Trip, error) {
	return rowsOf(ctx, c.store, tenantUID, scanConnectTrip, query, args...)
}

func rowsOf[T any](ctx context.Context, s *Store, tenantUID string, scan func(string, func(...any) error) (T, error), query string, args ...any) ([]T, error) {
	t, err := tenant.ParseUID(tenantUID)
	if err != nil {
		return nil, err
	}
	var all []T
	err = s.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		all = nil
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			one, err := scan(tenantUID, rows.Scan)
			if err != nil {
				return err
			}
			all = append(all, one)
		}
		return rows.Err()
	})
	return all, err
}

var errDigest = errors.New("connect: a digest of another length")

func scanConnectLink(tenantUID string, scan func(...any) error) (connect.Link, error) {
	l := connect.Link{Order: connect.Order{Tenant: tenantUID}}
	var handle []byte
	var scopes string
	var begun, ends int64
	if err := scan(&handle, &l.UserUID, &l.ClientUID, &l.ClientID, &l.ClientName, &l.ProviderUID, &scopes, &l.Account, &l.Trace, &l.Sealed, &begun, &ends); err != nil {
		return l, err
	}
	if len(handle) != len(l.Handle) {
		return l, errDigest
	}
	if err := json.Unmarshal([]byte(scopes), &l.Scopes); err != nil {
		return l, fmt.Errorf("connect: scopes: %w", err)
	}
	l.Handle, l.BegunAt, l.ExpiresAt = [32]byte(handle), fromMicros(begun), fromMicros(ends)
	return l, nil
}

func scanConnectTrip(tenantUID string, scan func(...any) error) (connect.Trip, error) {
	t := connect.Trip{Tenant: tenantUID}
	var handle, browser, link []byte
	var begun, ends int64
	if err := scan(&handle, &t.Stage, &t.UserUID, &browser, &t.Version, &t.ProviderUID, &link, &t.ClientUID, &t.ClientID, &t.ClientName, &t.Account, &t.Sealed, &begun, &ends); err != nil {
		return t, err
	}
	if len(handle) != len(t.Handle) || len(browser) != len(t.Browser) || len(link) != 0 && len(link) != len(t.Link) {
		return t, errDigest
	}
	t.Handle, t.Browser = [32]byte(handle), [32]byte(browser)
	copy(t.Link[:], link)
	t.BegunAt, t.ExpiresAt = fromMicros(begun), fromMicros(ends)
	return t, nil
}

// sweepConnects removes links and trips that have ended for long.
func (s *Store) sweepConnects(ctx context.Context, db execer) (int64, error) {
	gone := "goes_at < " + s.clock()
	return s.sweepEnded(ctx, db, "chancery_sweep_connect", map[string]string{"connect_links": gone, "connect_trips": gone})
}
