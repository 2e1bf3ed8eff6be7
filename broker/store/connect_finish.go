package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
)

const (
	endConnectTrip = "delete from connect_trips where tenant_uid = $1 and handle = $2 and stage = 'arrived' and user_uid = $3 and ends_at > $4"

	endConnectLink = "delete from connect_links where tenant_uid = $1 and handle = $2 and user_uid = $3 and ends_at > $4"

	// Whoever was ended since he departed, or is disabled, connects nothing any more, nor does anybody for a client that was.
	stillThere = `select exists (select 1 from objects o where o.tenant_uid = $1 and o.uid = $2 and o.kind = 'User' and o.deleted_at is null
  and not @disabled)
and exists (select 1 from objects o where o.tenant_uid = $1 and o.uid = $5 and o.kind = 'Provider' and o.deleted_at is null)
and not exists (select 1 from revocations m where m.tenant_uid = $1 and m.version > $4 and (m.kind = 'user' and m.uid = $2 or m.kind = 'client' and m.uid = $3))`
)

// Finish implements connect.Store.
func (c *Connects) Finish(ctx context.Context, m connect.Made, s connection.Stored) error {
	if err := s.Validate(); err != nil {
		return err
	}
	scopes, err := scopeList(s.Scopes)
	if err != nil {
		return err
	}
	return c.finish(ctx, m, s.Ref, connection.ErrTaken, createConnection, s.Tenant, s.ID, string(s.Owner.Kind), s.Owner.UID, s.Provider, s.Account.ID, s.Account.Label, scopes,
		string(s.Status), s.Reason, s.Version, s.Blob, s.KeyID, s.SealedAt.UnixMicro(), microsPtr(s.ExpiresAt), microsPtr(s.RefreshAt),
		s.CreatedAt.UnixMicro(), s.UpdatedAt.UnixMicro())
}

// FinishAgain implements connect.Store.
func (c *Connects) FinishAgain(ctx context.Context, m connect.Made, ref connection.Ref, from int64, s connection.Successor) error {
	if err := errors.Join(ref.Validate(), s.Validate()); err != nil {
		return err
	}
	scopes, err := scopeList(s.Scopes)
	if err != nil {
		return err
	}
	return c.finish(ctx, m, ref, connection.ErrMoved, replaceConnection, ref.Tenant, ref.ID, from, from+1, s.Blob, s.KeyID, s.SealedAt.UnixMicro(), scopes,
		microsPtr(s.ExpiresAt), microsPtr(s.RefreshAt), m.Account.Label, s.SealedAt.UnixMicro())
}

// finish ends the trip and its link and runs one statement that must touch one row, with the event.
func (c *Connects) finish(ctx context.Context, m connect.Made, ref connection.Ref, otherwise error, statement string, args ...any) error {
	t, err := tenant.ParseUID(m.Trip.Tenant)
	if err != nil {
		return err
	}
	if ref.Tenant != m.Trip.Tenant || ref.Owner != (connection.Owner{Kind: connection.User, UID: m.Trip.UserUID}) || ref.Provider != m.Trip.ProviderUID || m.Connection != ref.ID {
		return errors.New("connect: the connection is not the trip's")
	}
	trip, at := m.Trip, m.At.UnixMicro()
	return c.store.change(ctx, c.ledger, t, []audit.Event{madeEvent(t, m)}, func(ctx context.Context, tx *sql.Tx) error {
		var there bool
		if err := tx.QueryRowContext(ctx, c.store.withDisabled(stillThere), trip.Tenant, trip.UserUID, trip.ClientUID, trip.Version, trip.ProviderUID).Scan(&there); err != nil {
			return err
		}
		if !there {
			return connect.ErrEnded
		}
		if err := oneGoes(ctx, tx, endConnectTrip, trip.Tenant, trip.Handle[:], trip.UserUID, at); err != nil {
			return err
		}
		if trip.Link != [32]byte{} {
			if err := oneGoes(ctx, tx, endConnectLink, trip.Tenant, trip.Link[:], trip.UserUID, at); err != nil {
				return err
			}
		}
		done, err := tx.ExecContext(ctx, c.store.withClock(statement), args...)
		if err != nil {
			return err
		}
		return onlyOne(done, otherwise)
	})
}

func oneGoes(ctx context.Context, tx *sql.Tx, statement string, args ...any) error {
	done, err := tx.ExecContext(ctx, statement, args...)
	if err != nil {
		return err
	}
	return onlyOne(done, connect.ErrGone)
}

// madeEvent says who connected what, and for which client if one had asked.
func madeEvent(t tenant.UID, m connect.Made) audit.Event {
	e := audit.Event{
		ID: id.New(id.Event, m.At), At: m.At, Tenant: t, Trace: m.Trace, Type: audit.TypeConnectionCreated, Outcome: audit.Changed,
		Principal: audit.Principal{Kind: "user", ID: m.Trip.UserUID}, OnBehalf: m.Trip.UserUID, Client: m.Trip.ClientName, Remote: m.Remote,
		Scope: strings.Join(m.Scopes, " "),
		Detail: map[string]string{
			"connection": m.Connection, "provider": m.Provider, "provider_uid": m.Trip.ProviderUID, "account": m.Account.Label,
		},
	}
	if m.Again {
		e.Detail["again"] = "true"
	}
	if m.Trip.ClientUID != "" {
		e.Detail["client_uid"] = m.Trip.ClientUID
	}
	return e
}

const ownedConnections = "select " + connectionColumns + ", null from connections where tenant_uid = $1 and owner_kind = $2 and owner_uid = $3 " +
	"and status <> 'revoked' order by provider_uid, id limit $4"

// Owned lists what an owner connected anywhere and has not ended: nothing sealed.
func (c *Connections) Owned(ctx context.Context, t tenant.UID, owner connection.Owner) ([]connection.Connection, error) {
	found, err := c.query(ctx, t.String(), ownedConnections, t.String(), string(owner.Kind), owner.UID, maxConnections)
	return known(found), err
}
