package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// statements are prepared once for each connection of the readers' pool, instead of at every request: SQLite spends more on
// reading a long statement than on answering it. PostgreSQL's driver does it by itself. Only constants belong here: what is
// kept is never forgotten.
type statements struct {
	mu   sync.Mutex
	kept map[string]*sql.Stmt
}

// prepared gives the statement for a text that may say @now.
func (s *Store) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	s.statements.mu.Lock()
	defer s.statements.mu.Unlock()
	if found, ok := s.statements.kept[text]; ok {
		return found, nil
	}
	made, err := s.read.PrepareContext(ctx, s.withClock(text)) //nolint:sqlclosecheck // it is kept until the store closes
	if err != nil {
		return nil, err
	}
	if s.statements.kept == nil {
		s.statements.kept = map[string]*sql.Stmt{}
	}
	s.statements.kept[text] = made
	return made, nil
}

func (s *Store) closeStatements() error {
	s.statements.mu.Lock()
	defer s.statements.mu.Unlock()
	var errs []error
	for _, one := range s.statements.kept {
		errs = append(errs, one.Close())
	}
	s.statements.kept = nil
	return errors.Join(errs...)
}
