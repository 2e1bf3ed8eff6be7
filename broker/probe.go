package broker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// probe asks whether we are ready, once at a time: probes need no credential and hold no slot, so that whoever asks in a
// loop must not reach the database with each, nor the log.
type probe struct {
	mu   sync.Mutex
	last *asked // that runs now; nil: none
	said atomic.Int64
}

type asked struct {
	done chan struct{}
	err  error
}

var errNotAsked = errors.New("the check of readiness came to no end")

// ask joins the check that runs, or makes one. A caller who goes away does not end it for those who stay.
func (p *probe) ask(ctx context.Context, ready func(context.Context) error) error {
	p.mu.Lock()
	one := p.last
	if one == nil {
		one = &asked{done: make(chan struct{}), err: errNotAsked}
		p.last = one
		go p.run(context.WithoutCancel(ctx), one, ready)
	}
	p.mu.Unlock()
	select {
	case <-one.done:
		return one.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *probe) run(ctx context.Context, one *asked, ready func(context.Context) error) {
	defer func() {
		if recover() != nil { // not ready: err says that there was no end
			one.err = errNotAsked
		}
		p.mu.Lock()
		p.last = nil
		p.mu.Unlock()
		close(one.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, readyWithin) // a database that hangs is an answer too
	defer cancel()
	one.err = ready(ctx)
}

// tell says that we are not ready, once a second.
func (p *probe) tell(log *slog.Logger, now time.Time, err error) {
	if second := now.Unix(); p.said.Swap(second) != second {
		log.Warn("not ready", "error", err)
	}
}
