package main

import (
	"context"
	"io/fs"
	"path"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// The collector runs when the heap has grown by so much of what lives. That is small and steady (pictures of tenants,
// caches), and what a request leaves behind is garbage at once: at Go's default a sixth of the server's CPU went into
// looking at the same picture again and again. But where a great deal lives (a policy of 100,000 entries, 10,000 IdPs)
// three more of it are a waste: it gets gcRoom in all, and Go's default once that is less.
const (
	gcPercent = 300
	gcLeast   = 100
	gcRoom    = 192 << 20
	gcStep    = 10 // percent points: setting it stops the world for a moment
	gcEvery   = time.Second
)

// tuneCollector is for serve only. GOGC and GOMEMLIMIT override what it decides, each for itself. It returns the bound of
// the heap that it has set, 0 if none.
func (c *command) tuneCollector(system fs.FS) (bound int64) {
	if c.env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if c.env("GOMEMLIMIT") != "" {
		return 0
	}
	// The rest is for the binary, for buffers of the kernel, and for the child in which a policy is checked.
	if bound = memoryBound(system) / 4 * 3; bound > 0 {
		debug.SetMemoryLimit(bound)
	}
	return bound
}

// keepTuned follows what lives until the context ends.
func (c *command) keepTuned(ctx context.Context) {
	if c.env("GOGC") != "" {
		return
	}
	ticks := time.NewTicker(gcEvery)
	defer ticks.Stop()
	for now := gcPercent; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if want := percentFor(living()); max(want-now, now-want) >= gcStep {
			debug.SetGCPercent(want)
			now = want
		}
	}
}

// living is what the last collection found in use, in bytes.
func living() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

func percentFor(live uint64) int {
	return int(min(gcPercent, max(gcLeast, gcRoom*100/max(live, 1))))
}

// memoryBound is what the container or the unit may have in bytes, by its cgroup of version 2 or 1; 0 is no bound. Go
// asks the kernel for CPUs, and not for memory: without this the kernel's answer to garbage is to kill.
func memoryBound(system fs.FS) int64 {
	if system == nil {
		return 0
	}
	self, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(self)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		root, names := "sys/fs/cgroup", []string{"memory.max", "memory.high"}
		switch {
		case parts[0] == "0" && parts[1] == "":
		case parts[1] == "memory":
			root, names = "sys/fs/cgroup/memory", []string{"memory.limit_in_bytes"}
		default:
			continue
		}
		for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
			for _, name := range names {
				if n := boundIn(system, path.Join(root, at, name)); n > 0 && (least == 0 || n < least) {
					least = n
				}
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}

// noBound: cgroups of version 1 say so with the greatest number of whole pages.
const noBound = 1 << 60

func boundIn(system fs.FS, name string) int64 {
	text, err := fs.ReadFile(system, name)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n >= noBound { // "max"
		return 0
	}
	return n
}
