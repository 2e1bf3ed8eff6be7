package store_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
)

// BenchmarkCommit reports entries a second and the process's own CPU for each.
// What it says of PostgreSQL means something only on a durable cluster
// (deploy/ci/postgres.sh run --durable).
func BenchmarkCommit(b *testing.B) {
	for engine, url := range map[string]func(b *testing.B) string{
		"sqlite":   func(b *testing.B) string { return "sqlite://" + filepath.Join(b.TempDir(), "chancery.db") },
		"postgres": func(b *testing.B) string { return postgresDatabase(b) },
	} {
		for _, waiters := range []int{1, 8, 32, 128} {
			b.Run(engine+"/"+strconv.Itoa(waiters), func(b *testing.B) {
				benchmarkCommit(b, openStore(b, url(b)), waiters)
			})
		}
	}
}

func benchmarkCommit(b *testing.B, s *store.Store, waiters int) {
	l := openLedger(b, s, s.Journal())
	if err := l.Commit(b.Context(), issue("warm")); err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	var all sync.WaitGroup
	before := cpu(b)
	took := make([]time.Duration, b.N+waiters+1)
	b.ResetTimer()
	for range waiters {
		all.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				e := issue(fmt.Sprint(i))
				begun := time.Now()
				err := l.Commit(b.Context(), e)
				took[i] = time.Since(begun)
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	took = took[1 : b.N+1]
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/entry")
}

func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
