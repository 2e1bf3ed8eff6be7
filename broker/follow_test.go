package broker_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/trace"
)

// follower notes what it is told of requests.
type follower struct {
	mu       sync.Mutex
	requests []trace.Request
	statuses []int
	refuse   bool
}

func (f *follower) Request(ctx context.Context, r trace.Request) (context.Context, trace.Answered) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	if f.refuse {
		return ctx, nil
	}
	return ctx, func(status int) { f.statuses = append(f.statuses, status) }
}

// TestFollow: a request is told of by its route; only the connection says whether it is a proxy's.
func TestFollow(t *testing.T) {
	for name, test := range map[string]struct {
		remote, forwarded string
		trusted           bool
	}{
		"a proxy":                        {"192.0.2.7:1234", "203.0.113.9", true},
		"a proxy, mapped":                {"[::ffff:192.0.2.7]:1234", "203.0.113.9", true},
		"a stranger":                     {"203.0.113.9:1234", "", false},
		"a stranger who names a proxy":   {"203.0.113.9:1234", "192.0.2.7", false},
		"an address that cannot be read": {"pipe", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &follower{}
			h := newHouse(t, func(c *broker.Config) { c.Traces, c.TrustedProxies = f, []string{"192.0.2.0/24"} })
			w := h.post(t, func(r *http.Request) {
				r.RemoteAddr = test.remote
				r.Header.Set("Traceparent", "x")
				if test.forwarded != "" {
					r.Header.Set("X-Forwarded-For", test.forwarded)
				}
			})
			if len(f.requests) != 1 || len(f.statuses) != 1 || f.statuses[0] != w.Code {
				t.Fatalf("%+v %v, answered %d", f.requests, f.statuses, w.Code)
			}
			r := f.requests[0]
			if r.Trusted != test.trusted || r.Route != "/token" || r.Method != http.MethodPost || len(r.Parent) != 1 || r.Trace != w.Header().Get("Chancery-Trace") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestFollowLeavesOut: probes are not told of, and a request that is not traced is answered as any other.
func TestFollowLeavesOut(t *testing.T) {
	f := &follower{refuse: true}
	h := newHouse(t, func(c *broker.Config) { c.Traces = f })
	for _, path := range []string{"/livez", "/readyz"} {
		h.get(t, path)
	}
	if len(f.requests) != 0 {
		t.Errorf("%+v", f.requests)
	}
	if w := h.get(t, "/nowhere"); w.Code != http.StatusNotFound || len(f.requests) != 1 || f.requests[0].Route != "" {
		t.Errorf("%d %+v", w.Code, f.requests)
	}
}
