package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// clock is moved by the test alone.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(start.UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.at.Load()) }
func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

func limiter(t testing.TB, text string, size int, c *clock) *Limiter[string] {
	t.Helper()
	r, err := ParseRate(text)
	if err != nil {
		t.Fatal(err)
	}
	l, err := New[string](r, size, c.now)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// taken is how many of n requests get through.
func taken(l *Limiter[string], key string, n int) int {
	got := 0
	for range n {
		if _, ok := l.Take(key); ok {
			got++
		}
	}
	return got
}

func TestTake(t *testing.T) {
	c := newClock()
	l := limiter(t, "10/s burst 20", 4, c)
	if got := taken(l, "a", 100); got != 20 {
		t.Errorf("%d at once, want the burst", got)
	}
	if got := taken(l, "b", 100); got != 20 {
		t.Errorf("%d for another key", got)
	}
	c.pass(500 * time.Millisecond)
	if got := taken(l, "a", 100); got != 5 {
		t.Errorf("%d after half a second, want 5", got)
	}
	c.pass(time.Hour)
	if got := taken(l, "a", 100); got != 20 {
		t.Errorf("%d after an hour, want no more than the burst", got)
	}
	if l.Refused() != 80+80+95+80 {
		t.Errorf("%d refused", l.Refused())
	}
}

// TestWait: who comes back when he was told to gets through, and asking in between costs him nothing.
func TestWait(t *testing.T) {
	for text, most := range map[string]time.Duration{"10/s burst 1": 100 * time.Millisecond, "6/m burst 1": 10 * time.Second, "1/h burst 1": time.Hour} {
		t.Run(text, func(t *testing.T) {
			c := newClock()
			l := limiter(t, text, 4, c)
			taken(l, "a", 1)
			wait, ok := l.Take("a")
			if ok || wait <= 0 || wait > most {
				t.Fatalf("wait %s, want at most %s", wait, most)
			}
			taken(l, "a", 1000)
			c.pass(wait - time.Microsecond)
			if _, ok := l.Take("a"); ok {
				t.Error("too early, and served")
			}
			c.pass(2 * time.Microsecond)
			if _, ok := l.Take("a"); !ok {
				t.Error("on time, and turned away")
			}
		})
	}
}

func TestClockThatGoesBack(t *testing.T) {
	c := newClock()
	l := limiter(t, "1/s burst 3", 4, c)
	taken(l, "a", 3)
	c.pass(-time.Hour)
	if got := taken(l, "a", 10); got != 0 {
		t.Errorf("%d for free", got)
	}
	c.pass(time.Second)
	if got := taken(l, "a", 10); got != 1 {
		t.Errorf("%d a second later, want 1", got)
	}
}

// Whatever is sent, no more keys are kept than was said; the one that asked last is kept.
func TestMemoryIsBounded(t *testing.T) {
	c := newClock()
	l := limiter(t, "1/h burst 1", 100, c)
	taken(l, "known", 1)
	for i := range 10_000 {
		l.Take(string(rune('A'+i%26)) + time.Duration(i).String())
		if taken(l, "known", 1) != 0 {
			t.Fatal("who keeps asking was forgotten")
		}
	}
	if l.Len() != 100 {
		t.Errorf("%d keys are kept", l.Len())
	}
}

func TestTogether(t *testing.T) {
	c := newClock()
	l := limiter(t, "100/s burst 50", 4, c)
	var all sync.WaitGroup
	var got atomic.Int64
	for range 64 {
		all.Go(func() { got.Add(int64(taken(l, "a", 100))) })
	}
	all.Wait()
	if got.Load() != 50 || l.Refused() != 6350 {
		t.Errorf("%d were taken of a bucket of 50, %d refused", got.Load(), l.Refused())
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	good := Rate{Count: 1, Per: time.Second, Burst: 1}
	clock := newClock().now
	if _, err := New[string](good, 1, clock); err != nil {
		t.Fatal(err)
	}
	if _, err := New[string](Rate{}, 1, clock); err == nil {
		t.Error("without a rate")
	}
	if _, err := New[string](good, 0, clock); err == nil {
		t.Error("without memory")
	}
	if _, err := New[string](good, 1, nil); err == nil {
		t.Error("without a clock")
	}
}

func TestAddress(t *testing.T) {
	for _, same := range [][]string{
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::", "2001:0DB8::1"},
		{"fe80::1%eth0", "fe80::2%eth1"},
		{"", "no address", "192.0.2.1:80", "[2001:db8::1]", "192.0.2.01"},
	} {
		for _, text := range same {
			if Address(text) != Address(same[0]) {
				t.Errorf("%q and %q have two keys", text, same[0])
			}
		}
	}
	for _, pair := range [][2]string{
		{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8:0:1::1"}, {"192.0.2.1", ""}, {"::1", ""}, {"0.0.0.0", ""}, {"::", "0.0.0.0"},
	} {
		if Address(pair[0]) == Address(pair[1]) {
			t.Errorf("%q and %q have one key", pair[0], pair[1])
		}
	}
}

func BenchmarkTake(b *testing.B) {
	r := Rate{Count: 1000, Per: time.Second, Burst: 1000}
	l, err := New[string](r, 1<<16, newClock().now)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l.Take("192.0.2.1")
	}
}
