package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// deadAfter: a writer that has not been seen for so long is sealed by another.
const deadAfter = 60 * time.Second

// Checkpoints keeps audit.Checkpoints.
func (s *Store) Checkpoints() audit.Checkpoints { return checkpoints{s} }

type checkpoints struct{ *Store }

// Beat implements audit.Checkpoints.
func (c checkpoints) Beat(ctx context.Context, writer string) (time.Time, *audit.SignedCheckpoint, []audit.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	fail := func(err error) (time.Time, *audit.SignedCheckpoint, []audit.Head, error) {
		return time.Time{}, nil, nil, withoutURL(err)
	}
	if err := c.alive(ctx, writer); err != nil {
		return fail(err)
	}
	var micros int64
	if err := c.read.QueryRowContext(ctx, "select "+c.clock()).Scan(&micros); err != nil {
		return fail(err)
	}
	// Before the heads: what these say is then no older than what the newest checkpoint says.
	newest, err := c.newest(ctx)
	if err != nil {
		return fail(err)
	}
	heads, err := c.heads(ctx)
	if err != nil {
		return fail(err)
	}
	return time.UnixMicro(micros).UTC(), newest, heads, nil
}

// alive marks the writer as seen and seals the dead. The row's lock orders sealing against a commit
// under way: whoever comes second sees what the first did.
func (c checkpoints) alive(ctx context.Context, writer string) error {
	if writer != "" {
		_, err := c.write.ExecContext(ctx, c.withClock("update audit_writers set seen_at = @now where id = $1 and sealed_at is null"), writer)
		if err != nil {
			return err
		}
	}
	_, err := c.write.ExecContext(ctx, c.withClock("update audit_writers set sealed_at = @now "+
		"where sealed_in is null and sealed_at is null and id <> $1 and seen_at < @now - $2"), writer, deadAfter.Microseconds())
	return err
}

func (c checkpoints) newest(ctx context.Context) (*audit.SignedCheckpoint, error) {
	row := c.read.QueryRowContext(ctx, "select number, at, body, hash, kid, signature from audit_checkpoints order by number desc limit 1")
	checkpoint, err := scanCheckpoint(row)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // before the first there is none, and that is no error
	}
	return checkpoint, err
}

func scanCheckpoint(row interface{ Scan(...any) error }) (*audit.SignedCheckpoint, error) {
	var c audit.SignedCheckpoint
	var at int64
	var body string
	var hash []byte
	if err := row.Scan(&c.Number, &at, &body, &hash, &c.KeyID, &c.Signature); err != nil {
		return nil, err
	}
	c.At, c.Body = time.UnixMicro(at).UTC(), []byte(body)
	c.Hash = sha256.Sum256(c.Body)
	if string(c.Hash[:]) != string(hash) {
		return nil, fmt.Errorf("checkpoint %d was changed in the database", c.Number)
	}
	return &c, nil
}

// heads are those of all writers that no checkpoint has named sealed.
func (c checkpoints) heads(ctx context.Context) ([]audit.Head, error) {
	rows, err := c.read.QueryContext(ctx,
		"select id, seq, link, sealed_at is not null from audit_writers where sealed_in is null order by id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var heads []audit.Head
	for rows.Next() {
		var h audit.Head
		var link []byte
		if err := rows.Scan(&h.Writer, &h.Seq, &link, &h.Sealed); err != nil {
			return nil, err
		}
		if len(link) != sha256.Size {
			return nil, fmt.Errorf("writer %s has no link", h.Writer)
		}
		copy(h.Link[:], link)
		heads = append(heads, h)
	}
	return heads, withoutURL(rows.Err())
}

// Seal implements audit.Checkpoints.
func (c checkpoints) Seal(ctx context.Context, writer string) error {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	_, err := c.write.ExecContext(ctx, c.withClock("update audit_writers set sealed_at = @now where id = $1 and sealed_at is null"), writer)
	return withoutURL(err)
}

// Add implements audit.Checkpoints.
func (c checkpoints) Add(ctx context.Context, signed audit.SignedCheckpoint, sealed []string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	tx, err := c.write.BeginTx(ctx, nil)
	if err != nil {
		return false, withoutURL(err)
	}
	defer func() { _ = tx.Rollback() }()
	done, err := tx.ExecContext(ctx, "insert into audit_checkpoints (number, at, body, hash, kid, signature) "+
		"values ($1, $2, $3, $4, $5, $6) on conflict do nothing",
		signed.Number, signed.At.UnixMicro(), string(signed.Body), signed.Hash[:], signed.KeyID, signed.Signature)
	if err != nil {
		return false, withoutURL(err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	for _, writer := range sealed {
		_, err := tx.ExecContext(ctx, "update audit_writers set sealed_in = $1 where id = $2 and sealed_in is null", signed.Number, writer)
		if err != nil {
			return false, withoutURL(err)
		}
	}
	return true, withoutURL(tx.Commit())
}
