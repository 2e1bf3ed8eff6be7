package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// postgresJournal writes a batch in two round trips, each a pipeline of prepared statements:
//
//	begin · locks · versions and clock · claims
//	take back · events · decisions · tokens · head · commit
//
// or in one, where nothing stands against it (journal_clear.go).
type postgresJournal struct {
	*Store
	wary int // batches that still go the two trips
}

// The versions are read by a statement of their own: under read committed its
// snapshot is taken after the locks were granted.
const (
	lockSharedPostgres = `select pg_advisory_xact_lock_shared(hashtextextended('chancery/tenant/' || t, 0)) from unnest($1::text[]) t`

	standingPostgres = `select '', ` + clockPostgres + ` union all
select tenant_uid, version from tenant_versions where tenant_uid = any($1::text[])`

	claimPostgres = insertClaimsPostgres + ` returning tenant_uid, space, key`
)

func (j *postgresJournal) Start(ctx context.Context, writer string) (audit.Head, error) {
	return j.startWriter(ctx, writer)
}

func (j *postgresJournal) Head(ctx context.Context, writer string) (audit.Head, error) {
	return j.writerHead(ctx, writer)
}

// Write implements ledger.Journal.
func (j *postgresJournal) Write(ctx context.Context, b ledger.Batch) error {
	conn, err := j.journal.Acquire(ctx)
	if err != nil {
		return withoutURL(err)
	}
	defer conn.Release()
	err = j.trips(ctx, conn, b)
	if err != nil {
		j.abandon(conn)
	}
	return err
}

// trips writes in one trip or in two.
func (j *postgresJournal) trips(ctx context.Context, conn *pgxpool.Conn, b ledger.Batch) error {
	assumed, possible := assume(b)
	switch {
	case j.wary > 0:
		j.wary--
	case possible:
		page := b.Settle(assumed)
		if err := writeClear(ctx, conn, b, page); !errors.Is(err, errNotClear) {
			return classify(err, true)
		}
		j.wary = cautious
		if err := rollback(ctx, conn); err != nil { // nothing, not even a statement's preparation, runs before it
			return classify(err, false)
		}
	}
	standing, err := claim(ctx, conn, b)
	if err != nil {
		return err
	}
	page := b.Settle(standing)
	if len(page.Rows) == 0 { // every entry is stale: nothing of theirs stays
		return rollback(ctx, conn)
	}
	return classify(finish(ctx, conn, &pgx.Batch{}, page), true)
}

// abandon leaves no transaction behind, or no connection. After a lost one the others of the pool
// are most likely lost too: the next to be asked for is a new one.
func (j *postgresJournal) abandon(conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() {
		j.journal.Reset()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if rollback(ctx, conn) != nil {
		_ = conn.Conn().Close(ctx)
	}
}

func rollback(ctx context.Context, conn *pgxpool.Conn) error {
	_, err := conn.Exec(ctx, "rollback")
	return err
}

// claim is the first trip.
func claim(ctx context.Context, conn *pgxpool.Conn, b ledger.Batch) (ledger.Standing, error) {
	standing := ledger.Standing{Versions: map[tenant.UID]int64{}, Fresh: make([]bool, len(b.Claims))}
	var tenants []string
	for i, p := range b.Pictures {
		if i == 0 || b.Pictures[i-1].Tenant != p.Tenant {
			tenants = append(tenants, p.Tenant.String())
		}
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level read committed")
	batch.Queue(lockSharedPostgres, tenants)
	batch.Queue(standingPostgres, tenants).Query(func(rows pgx.Rows) error {
		return readStanding(rows, &standing)
	})
	if len(b.Claims) > 0 {
		batch.Queue(claimPostgres, claimColumns(b.Claims)...).Query(func(rows pgx.Rows) error {
			return readFresh(rows, b.Claims, standing.Fresh)
		})
	}
	if len(b.Families) > 0 {
		standing.Families = make([]ledger.FamilyStanding, len(b.Families))
		batch.Queue(nameTenantsPostgres, tenantNames(tenants))
		batch.Queue(holdFamiliesPostgres, familyColumns(b.Families)[:2]...).Query(func(rows pgx.Rows) error {
			return readFamilies(rows, standing.Families)
		})
	}
	// Nothing was committed yet, so a lost connection is no riddle.
	return standing, classify(conn.SendBatch(ctx, batch).Close(), false)
}

func readStanding(rows pgx.Rows, standing *ledger.Standing) error {
	for rows.Next() {
		var uid string
		var number int64
		if err := rows.Scan(&uid, &number); err != nil {
			return err
		}
		if uid == "" {
			standing.Now = time.UnixMicro(number)
			continue
		}
		owner, err := tenant.ParseUID(uid)
		if err != nil {
			return err
		}
		standing.Versions[owner] = number
	}
	return rows.Err()
}

// readFresh walks along the claims: rows come back in the order of insertion.
func readFresh(rows pgx.Rows, claims []ledger.Claim, fresh []bool) error {
	i := 0
	for rows.Next() {
		var uid, space string
		var key []byte
		if err := rows.Scan(&uid, &space, &key); err != nil {
			return err
		}
		for i < len(claims) && !isClaim(&claims[i], uid, space, key) {
			i++
		}
		if i == len(claims) {
			return errors.New("a redemption was inserted that nobody asked for")
		}
		fresh[i] = true
		i++
	}
	return rows.Err()
}

func isClaim(c *ledger.Claim, uid, space string, key []byte) bool {
	return string(c.Key[:]) == string(key) && string(c.Space) == space && c.Tenant.String() == uid
}

// finish queues the rest of the transaction and sends it. The error is the driver's.
func finish(ctx context.Context, conn *pgxpool.Conn, batch *pgx.Batch, p ledger.Page) error {
	if err := queuePage(batch, p); err != nil {
		return err
	}
	var tag pgconn.CommandTag
	batch.Queue("commit").Exec(func(t pgconn.CommandTag) error {
		tag = t
		return nil
	})
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if tag.String() != "COMMIT" {
		return fmt.Errorf("the commit ended in %s", tag)
	}
	return nil
}

// queuePage queues what follows the claims, up to the commit.
func queuePage(batch *pgx.Batch, p ledger.Page) error {
	if len(p.Remove) > 0 {
		batch.Queue(removeClaimsPostgres, claimColumns(p.Remove)[:3]...)
	}
	if len(p.Insert) > 0 {
		batch.Queue(insertClaimsPostgres, claimColumns(p.Insert)...)
	}
	batch.Queue(insertEventsPostgres, eventColumns(p.From.Writer, p.Rows)...)
	if len(p.Decisions) > 0 {
		columns, err := decisionColumns(p.Decisions)
		if err != nil {
			return err
		}
		batch.Queue(insertDecisionsPostgres, columns...)
	}
	without, of := byOrigin(p.Tokens)
	if len(without) > 0 {
		batch.Queue(insertTokensPostgres, tokenColumns(without)...)
	}
	if len(of) > 0 {
		batch.Queue(insertOriginTokensPostgres, originColumns(of)...)
	}
	if err := queueFamilies(batch, p); err != nil {
		return err
	}
	batch.Queue(moveHeadPostgres, p.From.Writer, p.To.Seq, p.To.Link[:], p.From.Seq, p.From.Link[:])
	return nil
}

const divisionByZero = "22012"

// classify tells a journal's errors apart. committing: the commit was on its way.
func classify(err error, committing bool) error {
	if err == nil {
		return nil
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.Severity == "FATAL" || refused.Severity == "PANIC" {
		// pgconn.SafeToRetry is no witness: it says so of a commit whose answer was cut off, too.
		if committing {
			return fmt.Errorf("%w: %w", ledger.ErrUnknown, withoutURL(err))
		}
		return withoutURL(err)
	}
	switch refused.Code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock not available
		return fmt.Errorf("%w (%s)", ledger.ErrContended, refused.Code)
	case divisionByZero: // moveHeadPostgres
		return ledger.ErrHead
	}
	switch refused.Code[:2] {
	case "22", "23", "54": // bad value, constraint, a limit of the program
		return fmt.Errorf("%w (%s)", ledger.ErrUnfit, refused.Code)
	}
	// Code and condition only: messages quote values.
	return fmt.Errorf("the database refused (%s %s)", refused.Code, refused.Routine)
}
