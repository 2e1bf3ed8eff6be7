package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/interaction"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Interactions keeps what waits for a person, and what was proved there.
type Interactions struct {
	store  *Store
	ledger Applier
}

var _ interaction.Store = (*Interactions)(nil)

// Interactions opens them.
func (s *Store) Interactions(ledger Applier) *Interactions {
	return &Interactions{store: s, ledger: ledger}
}

const (
	interactionColumns = `i.handle, i.user_uid, i.client_uid, i.client_id, i.resource_uid, i.sealed, i.acr_values, i.max_age, i.begun_at, i.ends_at, i.departed_at, i.session, ` +
		`i.finished_at, coalesce(i.idp_uid, ''), coalesce(i.version, 0), coalesce(i.acr, ''), coalesce(i.amr, ''), i.auth_time`

	ofTriple = `i.tenant_uid = $1 and i.user_uid = $2 and i.client_uid = $3 and i.resource_uid = $4 and i.ends_at > $5 `

	waitingInteractions = `select ` + interactionColumns + ` from interactions i where ` + ofTriple + `and i.finished_at is null order by i.begun_at desc`

	// What was proved is over with a mark of a revocation, and with any change of the user, the client or the IdP: one that
	// was disabled meanwhile, and is not any more, has to be proved to anew.
	countingInteractions = `select ` + interactionColumns + ` from interactions i where ` + ofTriple + `and i.finished_at is not null
and not exists (select 1 from revocations m where m.tenant_uid = i.tenant_uid and m.version > i.version
  and (m.kind = 'user' and m.uid = i.user_uid or m.kind = 'client' and m.uid = i.client_uid or m.kind = 'idp' and m.uid = i.idp_uid))
and not exists (select 1 from objects o where o.tenant_uid = i.tenant_uid and o.uid in (i.user_uid, i.client_uid, i.idp_uid)
  and (o.deleted_at is not null or o.updated_at >= i.finished_at))
order by i.finished_at desc`

	findInteraction = `select ` + interactionColumns + ` from interactions i where i.tenant_uid = $1 and i.handle = $2 and i.ends_at > $3 and i.finished_at is null`

	keepInteraction = `insert into interactions (tenant_uid, handle, user_uid, client_uid, client_id, resource_uid, sealed, acr_values, max_age, begun_at, ends_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

	// The newest stay; the one that comes is not among them yet.
	makeRoomForInteraction = `delete from interactions where tenant_uid = $1 and user_uid = $2 and client_uid = $3 and finished_at is null and handle not in (
select k.handle from interactions k where k.tenant_uid = $1 and k.user_uid = $2 and k.client_uid = $3 and k.finished_at is null and k.ends_at > $4
order by k.begun_at desc, k.handle limit $5)`

	departInteraction = `update interactions set departed_at = $4, session = $3 where tenant_uid = $1 and handle = $2 and finished_at is null and ends_at > $4`

	finishInteraction = `update interactions set finished_at = $3, ends_at = $4, idp_uid = $5, version = $6, acr = $7, amr = $8, auth_time = $9
where tenant_uid = $1 and handle = $2 and finished_at is null and ends_at > $3`
)

// Waiting implements interaction.Store.
func (n *Interactions) Waiting(ctx context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return n.list(ctx, waitingInteractions, t, now)
}

// Counting implements interaction.Store.
func (n *Interactions) Counting(ctx context.Context, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	return n.list(ctx, countingInteractions, t, now)
}

func (n *Interactions) list(ctx context.Context, query string, t interaction.Triple, now time.Time) ([]interaction.Interaction, error) {
	var found []interaction.Interaction
	err := n.store.readOf(ctx, t.Tenant, func(ctx context.Context, tx *sql.Tx) error {
		found = nil
		rows, err := tx.QueryContext(ctx, query, t.Tenant.String(), t.UserUID, t.ClientUID, t.ResourceUID, now.UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			i, err := scanInteraction(t.Tenant, rows.Scan)
			if err != nil {
				return err
			}
			found = append(found, i)
		}
		return rows.Err()
	})
	return found, err
}

// Find implements interaction.Store.
func (n *Interactions) Find(ctx context.Context, t tenant.UID, handle [32]byte, now time.Time) (interaction.Interaction, error) {
	var found interaction.Interaction
	err := n.store.readOf(ctx, t, func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = scanInteraction(t, tx.QueryRowContext(ctx, findInteraction, t.String(), handle[:], now.UnixMicro()).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return interaction.Interaction{}, interaction.ErrGone
	}
	return found, err
}

// Keep implements interaction.Store.
func (n *Interactions) Keep(ctx context.Context, i interaction.Interaction, most int, e audit.Event) error {
	if err := i.Tenant.Check(); err != nil {
		return err
	}
	if i.Handle == [32]byte{} || i.UserUID == "" || i.ClientUID == "" || i.ResourceUID == "" || len(i.Sealed) == 0 || !i.ExpiresAt.After(i.BegunAt) || most < 1 {
		return fmt.Errorf("%w: an interaction of nobody, for nothing, or for ever", errIncomplete)
	}
	var age *int64
	if i.MaxAge != nil {
		seconds := int64(*i.MaxAge / time.Second)
		age = &seconds
	}
	return n.change(ctx, i.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, makeRoomForInteraction, i.Tenant.String(), i.UserUID, i.ClientUID, i.BegunAt.UnixMicro(), most-1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, keepInteraction, i.Tenant.String(), i.Handle[:], i.UserUID, i.ClientUID, i.ClientID, i.ResourceUID, i.Sealed,
			strings.Join(i.ACRValues, " "), age, i.BegunAt.UnixMicro(), i.ExpiresAt.UnixMicro())
		return err
	})
}

// Depart implements interaction.Store.
func (n *Interactions) Depart(ctx context.Context, t tenant.UID, handle, before [32]byte, now time.Time) error {
	var session []byte
	if before != [32]byte{} {
		session = before[:]
	}
	return n.store.changeOf(ctx, t, func(ctx context.Context, tx *sql.Tx) error {
		return oneInteraction(tx.ExecContext(ctx, departInteraction, t.String(), handle[:], session, now.UnixMicro()))
	})
}

// Finish implements interaction.Store: the first wins, between replicas too.
func (n *Interactions) Finish(ctx context.Context, i interaction.Interaction, e audit.Event) error {
	if err := i.Tenant.Check(); err != nil {
		return err
	}
	if i.FinishedAt.IsZero() || i.ExpiresAt.Before(i.FinishedAt) || i.IdPUID == "" {
		return fmt.Errorf("%w: nothing was proved, or for ever", errIncomplete)
	}
	amr, err := json.Marshal(i.Proof.AMR)
	if err != nil {
		return err
	}
	var authTime *int64
	if !i.Proof.AuthTime.IsZero() {
		micros := i.Proof.AuthTime.UnixMicro()
		authTime = &micros
	}
	return n.change(ctx, i.Tenant, e, func(ctx context.Context, tx *sql.Tx) error {
		return oneInteraction(tx.ExecContext(ctx, finishInteraction, i.Tenant.String(), i.Handle[:], i.FinishedAt.UnixMicro(), i.ExpiresAt.UnixMicro(),
			i.IdPUID, i.Version, i.Proof.ACR, string(amr), authTime))
	})
}

func oneInteraction(done sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return firstOf(err, interaction.ErrGone)
	}
	return nil
}

func (n *Interactions) change(ctx context.Context, t tenant.UID, e audit.Event, write func(context.Context, *sql.Tx) error) error {
	_, err := n.ledger.Apply(ctx, ledger.Change{Tenant: t, Events: []audit.Event{e}, Write: func(ctx context.Context, tx ledger.Tx) error {
		conn, err := SQLTx(tx)
		if err != nil {
			return err
		}
		return write(ctx, conn)
	}})
	return withoutURL(err)
}

func scanInteraction(t tenant.UID, scan func(...any) error) (interaction.Interaction, error) {
	i := interaction.Interaction{Tenant: t}
	var handle, session []byte
	var acrValues, amr string
	var maxAge, departed, finished, authTime *int64
	var begun, ends int64
	err := scan(&handle, &i.UserUID, &i.ClientUID, &i.ClientID, &i.ResourceUID, &i.Sealed, &acrValues, &maxAge, &begun, &ends, &departed, &session,
		&finished, &i.IdPUID, &i.Version, &i.Proof.ACR, &amr, &authTime)
	if err != nil {
		return interaction.Interaction{}, err
	}
	if len(handle) != len(i.Handle) || len(session) != 0 && len(session) != len(i.Before) {
		return interaction.Interaction{}, errors.New("interactions: a digest of another length")
	}
	i.Handle = [32]byte(handle)
	copy(i.Before[:], session)
	i.ACRValues = strings.Fields(acrValues)
	if maxAge != nil {
		age := time.Duration(*maxAge) * time.Second
		i.MaxAge = &age
	}
	if amr != "" {
		if err := json.Unmarshal([]byte(amr), &i.Proof.AMR); err != nil {
			return interaction.Interaction{}, fmt.Errorf("interactions: %w", err)
		}
	}
	i.BegunAt, i.ExpiresAt, i.DepartedAt = fromMicros(begun), fromMicros(ends), fromMicrosPtr(departed)
	i.FinishedAt, i.Proof.AuthTime = fromMicrosPtr(finished), fromMicrosPtr(authTime)
	return i, nil
}

// sweepInteractions removes interactions, and challenges for passkeys, that have ended.
func (s *Store) sweepInteractions(ctx context.Context, db execer) (int64, error) {
	ended := "ends_at < " + s.clock()
	return s.sweepEnded(ctx, db, "chancery_sweep_interactions", map[string]string{"interactions": ended, "passkey_challenges": ended})
}
