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

// Before a rate is known, this many requests a second are prepared; more than any subject answers on a few cores.
const assumedRate = 40_000

// failures counts what was not a token, by what came instead.
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
	return errors.New("answers that were no token: " + strings.Join(lines, "; "))
}

// load is what one number of connections did.
type load struct {
	answers   int // tokens
	elapsed   time.Duration
	latencies []time.Duration // sorted
	failures  failures
	server    time.Duration // CPU time
	database  time.Duration
	known     bool    // whether the database's is
	others    float64 // the share of the machine that neither server, database nor client used
}

func (l load) rate() float64 {
	if l.elapsed == 0 {
		return 0
	}
	return float64(l.answers) / l.elapsed.Seconds()
}

// level prepares unique requests for the expected rate, with room, and sends them over so many
// connections. It ends when the time is over or the requests are: both are measured honestly.
func level(ctx context.Context, s *scene, t target, connections int, d time.Duration, expected float64) (load, error) {
	if expected == 0 {
		expected = assumedRate
	}
	requests, err := s.requests(int(expected*1.5*d.Seconds()) + connections)
	if err != nil {
		return load{}, err
	}
	before, err := t.used()
	if err != nil {
		return load{}, err
	}
	l, err := send(ctx, t.address, requests, connections, d)
	if err != nil {
		return l, err
	}
	after, err := t.used()
	l.server, l.database, l.known = after.server-before.server, after.database-before.database, t.database != nil
	ours := l.server + l.database + after.client - before.client
	l.others = max(0, float64(after.machine-before.machine-ours)/float64(l.elapsed)/float64(runtime.NumCPU()))
	return l, err
}

// usage is CPU time so far.
type usage struct{ server, database, client, machine time.Duration }

func (t target) used() (u usage, err error) {
	if u.server, u.database, err = t.cpu(); err != nil {
		return u, err
	}
	if u.client, err = cpuOf(os.Getpid(), false); err != nil {
		return u, err
	}
	u.machine, err = machineBusy()
	return u, err
}

func (t target) cpu() (server, database time.Duration, err error) {
	if server, err = t.process.cpu(); err != nil || t.database == nil {
		return server, 0, err
	}
	database, err = t.database()
	return server, database, err
}

// send is the closed loop. Each request is sent once.
func send(ctx context.Context, address string, requests [][]byte, connections int, d time.Duration) (load, error) {
	var next atomic.Int64
	var all sync.WaitGroup
	loops := make([]loop, connections)
	for i := range loops {
		if err := loops[i].dial(ctx, address); err != nil {
			return load{}, err
		}
		defer loops[i].close()
	}
	begun := time.Now()
	deadline := begun.Add(d)
	for i := range loops {
		all.Go(func() {
			for ctx.Err() == nil && time.Now().Before(deadline) {
				n := int(next.Add(1)) - 1
				if n >= len(requests) {
					return
				}
				loops[i].ask(requests[n])
			}
		})
	}
	all.Wait()
	l := load{elapsed: time.Since(begun)}
	for i := range loops {
		l.answers += len(loops[i].latencies)
		l.latencies = append(l.latencies, loops[i].latencies...)
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
