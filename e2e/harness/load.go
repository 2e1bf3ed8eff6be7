package harness

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation/idptest"
)

// Shot is one request of a load and what came of it.
type Shot struct {
	AssertionID string
	Replica     int
	Started     time.Time
	Ended       time.Time
	Answer      Answer
	Err         error // nobody answered
}

// Load is a number of clients that redeem fresh assertions as fast as they can.
type Load struct {
	t       testing.TB
	world   *World
	cancel  context.CancelFunc
	workers sync.WaitGroup
	granted atomic.Int64

	mu    sync.Mutex
	shots []Shot
}

// StartLoad runs clients, spread over the replicas, until Stop. Each has a connection of its own. A request that
// nobody answered is sent again, to the next replica: with the same assertion, as a client would.
func (w *World) StartLoad(t testing.TB, clients int, options ...idptest.Option) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &Load{t: t, world: w, cancel: cancel}
	for i := range clients {
		l.workers.Go(func() { l.work(ctx, i, options) })
	}
	return l
}

func (l *Load) work(ctx context.Context, replica int, options []idptest.Option) {
	client := Clients(1)
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		var id string
		keep := func(d *idptest.Draft) { id, _ = d.Claims["jti"].(string) }
		assertion, err := l.world.IdP.IdP.IDJAG(idptest.Alice, append(slices.Clip(options), keep)...)
		if err != nil {
			l.t.Errorf("make an assertion: %v", err)
			return
		}
		for ctx.Err() == nil {
			replica++
			if l.shoot(ctx, client, replica%len(l.world.Replicas), id, assertion) {
				break
			}
		}
	}
}

// shoot reports whether somebody answered.
func (l *Load) shoot(ctx context.Context, client *http.Client, replica int, id, assertion string) bool {
	s := Shot{AssertionID: id, Replica: replica, Started: time.Now()}
	// Not with ctx: what is on its way when the load stops is answered and counted.
	s.Answer, s.Err = TrySend(context.WithoutCancel(ctx), client, l.world.Replicas[replica], l.world.NewCall(assertion))
	s.Ended = time.Now()
	if s.Err == nil && s.Answer.AccessToken != "" {
		l.granted.Add(1)
	}
	l.mu.Lock()
	l.shots = append(l.shots, s)
	l.mu.Unlock()
	if s.Err != nil {
		time.Sleep(5 * time.Millisecond) // nobody listens there at the moment
	}
	return s.Err == nil
}

// Granted counts the tokens so far.
func (l *Load) Granted() int { return int(l.granted.Load()) }

// Stop ends the load and returns all that was sent, in the order of the answers.
func (l *Load) Stop() []Shot {
	l.cancel()
	l.workers.Wait()
	return l.shots
}
