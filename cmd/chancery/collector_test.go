package main

import (
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestRoomIsBounded: small heaps get room, of great ones no second and third copy is kept.
func TestRoomIsBounded(t *testing.T) {
	for live, want := range map[uint64]int{0: 300, 1 << 20: 300, 40 << 20: 300, 64 << 20: 300, 96 << 20: 200, 128 << 20: 150, 192 << 20: 100, 1 << 30: 100, math.MaxUint64: 100} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB live: %d %%, want %d", live>>20, got, want)
		}
	}
}

func TestCollectorIsTuned(t *testing.T) {
	before := debug.SetGCPercent(100)
	bound := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetGCPercent(before); debug.SetMemoryLimit(bound) })
	for name, test := range map[string]struct {
		environ []string
		files   fstest.MapFS
		percent int
		limit   int64
	}{
		"no bound":                {nil, nil, 300, math.MaxInt64},
		"a container":             {nil, cgroup("0::/\n", "sys/fs/cgroup/memory.max", "536870912\n"), 300, 402653184},
		"GOMEMLIMIT is said":      {[]string{"GOMEMLIMIT=1GiB"}, cgroup("0::/\n", "sys/fs/cgroup/memory.max", "536870912\n"), 300, math.MaxInt64},
		"GOGC is said":            {[]string{"GOGC=50"}, cgroup("0::/\n", "sys/fs/cgroup/memory.max", "536870912\n"), 100, 402653184},
		"both are":                {[]string{"GOGC=50", "GOMEMLIMIT=1GiB"}, nil, 100, math.MaxInt64},
		"a bound of no container": {nil, cgroup("0::/\n", "sys/fs/cgroup/memory.max", "max\n"), 300, math.MaxInt64},
	} {
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		c := &command{environ: test.environ}
		if c.tuneCollector(test.files); debug.SetMemoryLimit(-1) != test.limit {
			t.Errorf("%s: limit %d, want %d", name, debug.SetMemoryLimit(-1), test.limit)
		}
		if got := debug.SetGCPercent(100); got != test.percent {
			t.Errorf("%s: %d %%, want %d", name, got, test.percent)
		}
	}
}

func cgroup(self string, files ...string) fstest.MapFS {
	all := fstest.MapFS{"proc/self/cgroup": {Data: []byte(self)}}
	for pair := range slices.Chunk(files, 2) { // name and text
		all[pair[0]] = &fstest.MapFile{Data: []byte(strings.Join(pair[1:], ""))}
	}
	return all
}

func TestMemoryBound(t *testing.T) {
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"not Linux":                      {nil, 0},
		"version 2, a unit":              {cgroup("0::/system.slice/chancery.service\n", "sys/fs/cgroup/system.slice/chancery.service/memory.max", "1073741824\n"), 1 << 30},
		"the least on the way up counts": {cgroup("0::/a/b\n", "sys/fs/cgroup/a/b/memory.max", "max\n", "sys/fs/cgroup/a/memory.max", "268435456\n", "sys/fs/cgroup/memory.max", "536870912\n"), 256 << 20},
		"memory.high slows before":       {cgroup("0::/a\n", "sys/fs/cgroup/a/memory.max", "1073741824\n", "sys/fs/cgroup/a/memory.high", "536870912\n"), 512 << 20},
		"version 1, a container":         {cgroup("5:cpu:/x\n4:memory:/docker/abc\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"), 256 << 20},
		"version 1, none":                {cgroup("4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"), 0},
		"a path that leads out":          {cgroup("0::/../../x\n", "sys/fs/cgroup/memory.max", "268435456\n"), 256 << 20},
		"no number":                      {cgroup("0::/\n", "sys/fs/cgroup/memory.max", "much\n"), 0},
		"nothing at all":                 {cgroup("0::/\n", "sys/fs/cgroup/memory.max", "0\n"), 0},
	} {
		if got := memoryBound(test.files); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}
