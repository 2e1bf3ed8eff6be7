package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
)

// Journal is what the ledger's one writer writes to. Its methods are for that one goroutine.
func (s *Store) Journal() ledger.Journal {
	if s.dialect == Postgres {
		return &postgresJournal{Store: s}
	}
	return &sqliteJournal{Store: s}
}

func (s *Store) startWriter(ctx context.Context, writer string) (audit.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	var anchor audit.Digest // zero before the first checkpoint
	var hash []byte
	err := s.read.QueryRowContext(ctx, "select hash from audit_checkpoints order by number desc limit 1").Scan(&hash)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return audit.Head{}, withoutURL(err)
	case len(hash) != sha256.Size:
		return audit.Head{}, errors.New("the newest checkpoint has no hash")
	default:
		copy(anchor[:], hash)
	}
	head := audit.Head{Writer: writer, Link: audit.FirstLink(anchor, writer)}
	_, err = s.write.ExecContext(ctx, s.withClock("insert into audit_writers (id, anchor, started_at, seq, link, seen_at) "+
		"values ($1, $2, @now, 0, $3, @now)"), writer, anchor[:], head.Link[:])
	if err != nil {
		return audit.Head{}, withoutURL(err)
	}
	return head, nil
}

func (s *Store) writerHead(ctx context.Context, writer string) (audit.Head, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	head := audit.Head{Writer: writer}
	var link []byte
	// From the connection that writes: the truth is what a commit left behind.
	row := s.write.QueryRowContext(ctx, "select seq, link, sealed_at is not null from audit_writers where id = $1", writer)
	if err := row.Scan(&head.Seq, &link, &head.Sealed); err != nil {
		return audit.Head{}, withoutURL(err)
	}
	if len(link) != sha256.Size {
		return audit.Head{}, fmt.Errorf("writer %s has no link", writer)
	}
	copy(head.Link[:], link)
	return head, nil
}

// policiesJSON is how a decision's policies rest.
func policiesJSON(policies []audit.PolicyRef) (string, error) {
	if policies == nil {
		policies = []audit.PolicyRef{}
	}
	b, err := json.Marshal(policies)
	return string(b), err
}
