package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Before a rate is known, so many requests a second are prepared. If a server answers more, its round is shorter.
const assumedRate = 15_000

// failures counts what was no good answer, by what came instead.
type failures map[string]int

func (f *failures) add(other failures) {
	if *f == nil {
		*f = failures{}
	}
	for what, n := range other {
		(*f)[what] += n
	}
}

func (f failures) err() error {
	if len(f) == 0 {
		return nil
	}
	lines := make([]string, 0, len(f))
	for _, what := range slices.Sorted(maps.Keys(f)) {
		lines = append(lines, fmt.Sprintf("%d × %s", f[what], what))
	}
	return errors.New("not what was asked for: " + strings.Join(lines, "; "))
}

// round is what is sent, and for how long.
type round struct {
	requests    [][]byte
	fixed       bool // they may be sent again
	connections int
	within      time.Duration
	good        func(body []byte) bool
	keep        bool          // the bodies of answers
	impatience  time.Duration // how long who is told to come back later stays away; 0 where nobody should be told
	deadline    time.Time     // set by send
}

// load is what one round did.
type load struct {
	answers   int // good ones
	shed      int // told to come back later
	elapsed   time.Duration
	latencies []time.Duration // sorted
	kept      [][]byte
	failures  failures
	server    time.Duration // CPU time
	database  time.Duration
	known     bool    // whether the database's is
	others    float64 // the share of the machine that neither server, database nor client used
	rss       int     // of the server afterwards, in KiB
	vault     int     // calls of what seals; -1 where it is the keyring
}

func (l load) rate() float64 {
	if l.elapsed == 0 {
		return 0
	}
	return float64(l.answers) / l.elapsed.Seconds()
}

// cpu is the time that server and database used for an answer, in microseconds.
func (l load) cpu() float64 {
	return float64((l.server + l.database).Microseconds()) / float64(max(1, l.answers))
}

// stock is what was prepared for a path and not sent yet.
type stock struct {
	requests [][]byte
	at       time.Time
	rate     float64 // of the last round, 0 before it
}

// fresh is how long a prepared request may wait: a DPoP proof is believed for a minute.
const fresh = 15 * time.Second

// level prepares requests for the expected rate, with room, and sends them over so many connections. It ends when the
// time is over or the requests are: both are measured honestly.
func (t *target) level(ctx context.Context, p path, connections int, d, impatience time.Duration) (load, error) {
	s := t.stock[p.name]
	if s == nil {
		s = &stock{}
		t.stock[p.name] = s
	}
	expected := s.rate * 1.5
	if expected == 0 {
		expected = assumedRate
	}
	wanted := int(expected*d.Seconds()) + connections
	if time.Since(s.at) > fresh {
		s.requests = nil
	}
	if len(s.requests) == 0 || !p.fixed && len(s.requests) < wanted {
		var err error
		if s.requests, err = p.prepare(ctx, t.scene, wanted); err != nil {
			return load{}, err
		}
		s.at = time.Now()
	}
	before, err := t.used()
	if err != nil {
		return load{}, err
	}
	calls := 0
	if t.scene.vault != nil {
		calls = t.scene.vault.calls()
	}
	l, err := send(ctx, t.scene.public, round{
		requests: s.requests, fixed: p.fixed, connections: connections, within: d, good: p.good, impatience: impatience,
	})
	t.scene.left.add(l.answers, p.leaves)
	if err != nil {
		return l, err
	}
	if !p.fixed {
		s.requests = s.requests[min(len(s.requests), l.answers+total(l.failures)+connections):]
	}
	s.rate = l.rate()
	if l.vault = -1; t.scene.vault != nil {
		l.vault = t.scene.vault.calls() - calls
	}
	after, err := t.used()
	if err != nil {
		return l, err
	}
	l.server, l.database, l.known = after.server-before.server, after.database-before.database, t.database != nil
	ours := l.server + l.database + after.client - before.client
	l.others = max(0, float64(after.machine-before.machine-ours)/float64(l.elapsed)/float64(runtime.NumCPU()))
	l.rss, err = t.process.memory("VmRSS")
	return l, err
}

// usage is CPU time so far.
type usage struct{ server, database, client, machine time.Duration }

func (t *target) used() (u usage, err error) {
	if u.server, err = t.process.cpu(); err != nil {
		return u, err
	}
	if t.database != nil {
		if u.database, err = t.database(); err != nil {
			return u, err
		}
	}
	if u.client, err = cpuOf(os.Getpid(), false); err != nil {
		return u, err
	}
	u.machine, err = machineBusy()
	return u, err
}

// send is the closed loop. Unless requests are fixed, each is sent once.
func send(ctx context.Context, address string, r round) (load, error) {
	var next atomic.Int64
	var all sync.WaitGroup
	loops := make([]loop, r.connections)
	for i := range loops {
		if err := loops[i].dial(ctx, address); err != nil {
			return load{}, err
		}
		defer loops[i].close()
	}
	begun := time.Now()
	r.deadline = begun.Add(r.within)
	for i := range loops {
		all.Go(func() {
			for ctx.Err() == nil && time.Now().Before(r.deadline) {
				n := int(next.Add(1)) - 1
				if r.fixed {
					n %= len(r.requests)
				}
				if n >= len(r.requests) {
					return
				}
				loops[i].ask(r.requests[n], r)
			}
		})
	}
	all.Wait()
	l := load{elapsed: time.Since(begun)}
	for i := range loops {
		l.answers += len(loops[i].latencies)
		l.shed += loops[i].shed
		l.latencies = append(l.latencies, loops[i].latencies...)
		l.kept = append(l.kept, loops[i].kept...)
		if len(loops[i].failures) > 0 {
			l.failures.add(loops[i].failures)
		}
	}
	slices.Sort(l.latencies)
	return l, ctx.Err()
}

// quantile of sorted latencies.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
