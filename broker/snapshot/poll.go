package snapshot

import (
	"context"
	"time"
)

// Run looks for new versions at each tick and at each hint until the context
// ends. The ticks are the truth, every half second; hints only hasten it.
func (s *Source) Run(ctx context.Context, tick <-chan time.Time, hints <-chan struct{}) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-hints:
		}
		err := s.Poll(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			// Nothing can be granted meanwhile: the ledger needs the same database.
			s.config.Log.Warn("versions cannot be read", "error", err)
		}
		failing = err != nil
	}
}

// Poll reads all versions once and builds what has moved, so that no request has
// to wait for it.
func (s *Source) Poll(ctx context.Context) error {
	versions, err := s.config.Versions.Versions(ctx)
	if err != nil {
		return err
	}
	var moved []*entry
	s.byUID.Range(func(_, found any) bool {
		if e, ok := found.(*entry); ok {
			e.want(versions[e.uid])
			moved = append(moved, e)
		}
		return true
	})
	for _, e := range moved {
		t := e.picture.Load()
		if t != nil && s.isFresh(e, t) {
			continue
		}
		if _, err := s.current(ctx, e); err != nil && ctx.Err() != nil { // why else was said where it failed
			return ctx.Err()
		}
	}
	return nil
}
