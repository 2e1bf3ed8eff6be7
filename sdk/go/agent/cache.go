package agent

import (
	"context"
	"time"

	"golang.org/x/oauth2"
)

const (
	maxTokens    = 1024             // remembered at a time
	fetchTimeout = 30 * time.Second // of both legs together
	maxEarly     = 30 * time.Second // before its end a token is not used any more
)

// entry is a token, or the request for it that runs.
type entry struct {
	token   *oauth2.Token
	usable  time.Time     // until when
	running chan struct{} // closed when the request ended
	err     error
}

// shared gives a remembered token, or joins the one request for it. The request outlives
// the caller that began it: others may wait for it.
func (a *Agent) shared(ctx context.Context, w want) (*oauth2.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	e := a.cache[w.key()]
	if e != nil && e.token != nil && a.now().Before(e.usable) {
		defer a.mu.Unlock()
		return e.own(), nil
	}
	if e == nil || e.token != nil { // none, or one that ended
		e = &entry{running: make(chan struct{})}
		a.makeRoom()
		a.cache[w.key()] = e
		go a.run(context.WithoutCancel(ctx), w, e)
	}
	a.mu.Unlock()
	select {
	case <-e.running:
		return e.own(), e.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// own is a copy, so that what a caller does to it stays his.
func (e *entry) own() *oauth2.Token {
	if e.token == nil {
		return nil
	}
	token := *e.token
	return &token
}

// run settles an entry. What it writes is read only after running is closed, or under
// the lock.
func (a *Agent) run(ctx context.Context, w want, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	token, err := a.fetch(ctx, w)
	a.mu.Lock()
	defer a.mu.Unlock()
	e.token, e.err = token, err
	if err == nil && !token.Expiry.IsZero() {
		// Shortly before its end it may end on the way: a tenth of its life, at most 30 s.
		left := token.Expiry.Sub(a.now())
		e.usable = token.Expiry.Add(-min(maxEarly, left/10))
	}
	if (err != nil || token.Expiry.IsZero()) && a.cache[w.key()] == e {
		delete(a.cache, w.key()) // the next caller asks again
	}
	close(e.running)
}

// makeRoom forgets tokens that ended, and one that has not when there are too many.
func (a *Agent) makeRoom() {
	if len(a.cache) < maxTokens {
		return
	}
	now := a.now()
	for key, e := range a.cache {
		if e.token != nil && !now.Before(e.usable) {
			delete(a.cache, key)
		}
	}
	for key, e := range a.cache {
		if len(a.cache) < maxTokens {
			return
		}
		if e.token != nil {
			delete(a.cache, key)
		}
	}
}

// Forget drops a token that a resource refused, so that the next call gets another.
func (a *Agent) Forget(t *oauth2.Token) {
	if t == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, e := range a.cache {
		if e.token != nil && e.token.AccessToken == t.AccessToken {
			delete(a.cache, key)
		}
	}
}
