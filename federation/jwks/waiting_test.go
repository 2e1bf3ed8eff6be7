package jwks_test

import (
	"context"
	"errors"
	"testing"

	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// TestWaiting: who waits for a fetch is told of, with what came of the wait; who is served from memory is not.
func TestWaiting(t *testing.T) {
	var ended []error
	h := newHouse(t, jwks.WithWaiting(func(context.Context) func(error) { return func(err error) { ended = append(ended, err) } }))
	h.publish(t, "a")
	h.want(t, "a", nil)
	h.settled(t)
	if len(ended) != 1 || ended[0] != nil {
		t.Fatalf("the first request: %v", ended)
	}
	h.want(t, "a", nil)
	h.want(t, "unknown", jwks.ErrUnknownKey) // asked less than RefetchAfter ago: nothing to wait for
	if len(ended) != 1 {
		t.Errorf("%v", ended)
	}

	h.web.gate = make(chan struct{})
	h.clock.advance(jwks.RefetchAfter)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Keys(ctx, "tenant", source(), "unknown"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if len(ended) != 2 || !errors.Is(ended[1], context.Canceled) {
		t.Errorf("who gave up: %v", ended)
	}
	h.web.put(keysURL, page{err: &fetch.Error{Kind: fetch.ErrTimeout}})
	close(h.web.gate)
}
