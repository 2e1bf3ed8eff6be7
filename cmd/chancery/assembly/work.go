package assembly

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
)

// pollEvery is how often the versions are read: what is applied on one replica is in force on the others by then.
const pollEvery = 500 * time.Millisecond

// startWork runs what goes on beside requests: pictures are kept current, keys rotated, what has expired is swept.
func (s *Server) startWork(ctx context.Context) {
	ctx, s.stopWork = context.WithCancel(context.WithoutCancel(ctx))
	s.work.Go(func() {
		ticks := time.NewTicker(pollEvery)
		defer ticks.Stop()
		s.source.Run(ctx, ticks.C, s.store.Listen(ctx))
	})
	s.work.Go(func() { s.rings.Run(ctx) })
	s.work.Go(func() { s.sweep(ctx) })
	s.work.Go(func() { s.watchCaptures(ctx) })
	s.work.Go(func() { s.watchStaleness(ctx) })
	s.work.Go(func() { s.watchMetadata(ctx) })
	s.work.Go(func() { s.tellReplica(ctx) })
	s.work.Go(func() { s.askDrafts(ctx) })
	s.work.Go(func() { s.watchServiceProviders(ctx) })
	s.work.Go(func() { s.watchConnections(ctx) })
	s.work.Go(func() { s.watchEndings(ctx) })
	s.work.Go(func() { s.watchWebhooks(ctx) })
	s.work.Go(func() { s.watchConnects(ctx) })
	s.work.Go(func() { s.watchStock(ctx) })
	s.work.Go(func() { s.watchKeyring(ctx) })
}

// watchClock: while the clocks disagree the replica is not ready (threat F13). A database that cannot be asked is not ready
// for that reason already.
func (s *Server) watchClock(err error) {
	apart := errors.Is(err, errClocks)
	if err != nil {
		s.Log.Error("clock", "error", err)
	}
	if was := s.clockOff.Swap(apart); was && !apart {
		s.Log.Info("the clocks agree again")
	}
}

// retention: where a token comes from is told as long as its decision is, and never shorter than a token may live.
func retention(decisions time.Duration) store.Retention {
	return store.Retention{Decisions: decisions, Tokens: max(decisions, store.MinTokens)}
}

func (s *Server) sweep(ctx context.Context) {
	ticks := time.NewTicker(sweepEvery)
	defer ticks.Stop()
	for {
		if _, err := s.store.Sweep(ctx, retention(s.Config.Decisions.Retain)); err != nil && ctx.Err() == nil {
			s.Log.Error("what has expired could not be swept", "error", err)
		}
		if err := s.sweepClients(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("registrations that nobody uses could not be swept", "error", err)
		}
		if err := s.checkClock(ctx); ctx.Err() == nil {
			s.watchClock(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}
