package broker_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// hall takes large forms at /large, and tells how long they are.
type hall struct {
	away []oauth.Code
	got  atomic.Int64
}

func (h *hall) Routes() []authorize.Route {
	return []authorize.Route{{Path: "/large", Abroad: true, Program: true, MaxBody: 1 << 20, Post: func(_ context.Context, v authorize.Visit) (authorize.Reply, error) {
		h.got.Store(int64(len(v.Raw)))
		return authorize.Reply{Status: http.StatusNoContent}, nil
	}}}
}

func (h *hall) TurnAway(_ authorize.Visit, err error) {
	h.away = append(h.away, oauth.AsError(err).Code)
}

// TestLargeForms: they are read whole up to their bound, and so many at a time; what is small needs no place among them.
func TestLargeForms(t *testing.T) {
	people := &hall{}
	h := newHouse(t, func(c *broker.Config) { c.People, c.InFlight = people, 1000 })
	send := func(body io.Reader) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://auth.acme.com/large", body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, length := range []int{0, 1, oauth.MaxBody - 1, oauth.MaxBody, oauth.MaxBody + 1, 1 << 20} {
		if w := send(strings.NewReader(strings.Repeat("a", length))); w.Code != http.StatusNoContent || people.got.Load() != int64(length) {
			t.Errorf("%d bytes: %d, read %d", length, w.Code, people.got.Load())
		}
	}
	wantRefusal(t, send(strings.NewReader(strings.Repeat("a", 1<<20+1))), http.StatusRequestEntityTooLarge, "invalid_request", oauth.CodeBodyTooLarge)

	// Sixty-four senders stop in the middle of theirs.
	var writers []*io.PipeWriter
	answers := make(chan int, 64)
	for range 64 {
		r, w := io.Pipe()
		writers = append(writers, w)
		go func() { answers <- send(r).Code }()
		if _, err := w.Write(make([]byte, oauth.MaxBody+1)); err != nil { // read: it has its place
			t.Fatal(err)
		}
	}
	wantRefusal(t, send(strings.NewReader(strings.Repeat("a", 1<<17))), http.StatusServiceUnavailable, "temporarily_unavailable", oauth.CodeOverloaded)
	if w := send(strings.NewReader("a=b")); w.Code != http.StatusNoContent {
		t.Errorf("a small one: %d", w.Code)
	}
	for _, w := range writers {
		_ = w.Close()
	}
	for range writers {
		if code := <-answers; code != http.StatusNoContent {
			t.Errorf("a slow one: %d", code)
		}
	}
	if w := send(strings.NewReader(strings.Repeat("a", 1<<17))); w.Code != http.StatusNoContent {
		t.Errorf("after them: %d", w.Code)
	}
	if len(people.away) != 2 {
		t.Errorf("recorded %v", people.away)
	}
}
