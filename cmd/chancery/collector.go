package main

import (
	"runtime/debug"
)

// gcPercent lets the heap grow to four times what lives before it is collected, where Go's default is twice. What
// lives is small and steady (pictures of tenants, caches), what a request leaves behind is garbage at once: at the
// default a sixth of the server's CPU went into looking at the same picture again and again. GOGC overrides it, and
// GOMEMLIMIT holds as ever.
const gcPercent = 300

// tuneCollector is for serve only. Reading the objects leaves several times of what stays of them, which settle gives back.
func (c *command) tuneCollector() (settle func()) {
	if c.env("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	return debug.FreeOSMemory
}
