//go:build linux

package confine

import (
	"bufio"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Available reports whether Process can do what it says.
func Available() error { return nil }

// Confined is a process that is limited.
type Confined struct{ mapped, most uint64 }

// openFiles is what a child may hold: its pipes, and what the runtime polls them with.
const openFiles = 16

// Process sets the kernel's limits on this process. RLIMIT_DATA counts what is mapped writable, so the address space that
// Go only reserves does not matter; what it has mapped already is added to what may be used.
func Process(l Limits) (*Confined, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	mapped, err := writable()
	if err != nil {
		return nil, err
	}
	c := &Confined{mapped: mapped, most: mapped + uint64(max(l.Memory, l.Most))} //nolint:gosec // checked to be positive
	seconds := uint64(math.Ceil(l.CPU.Seconds()))
	for _, limit := range []struct {
		resource  int
		now, most uint64
	}{
		{syscall.RLIMIT_DATA, mapped + uint64(l.Memory), c.most}, //nolint:gosec // checked to be positive
		{syscall.RLIMIT_CPU, seconds, seconds},
		{syscall.RLIMIT_CORE, 0, 0},
		{syscall.RLIMIT_FSIZE, 0, 0},
		{syscall.RLIMIT_NOFILE, openFiles, openFiles},
	} {
		if err := syscall.Setrlimit(limit.resource, &syscall.Rlimit{Cur: limit.now, Max: limit.most}); err != nil {
			return nil, fmt.Errorf("set limit %d: %w", limit.resource, err)
		}
	}
	// Only the group counts: a thread's own priority would leave the others as they are.
	if l.Nice > 0 && syscall.Getpgrp() == syscall.Getpid() {
		if err := syscall.Setpriority(syscall.PRIO_PGRP, 0, l.Nice); err != nil {
			return nil, fmt.Errorf("lower the priority: %w", err)
		}
	}
	return c, nil
}

// Allow changes what may be mapped, up to Limits.Most.
func (c *Confined) Allow(memory int64) error {
	now := min(c.mapped+uint64(max(memory, 0)), c.most)
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: now, Max: c.most}); err != nil {
		return fmt.Errorf("set the memory limit: %w", err)
	}
	return nil
}

// Spent is the processor time that this process has used.
func Spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return math.MaxInt64 // not known: all of it
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Apart makes a child lead a process group of its own: a signal that a terminal sends to ours is not for it.
func Apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// writable is how much this process has mapped writable (proc_pid_status(5), VmData).
func writable() (uint64, error) {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read own memory: %w", err)
	}
	defer status.Close() //nolint:errcheck // opened to read
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		value, ok := strings.CutPrefix(lines.Text(), "VmData:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read own memory: %w", err)
		}
		return kib << 10, nil
	}
	return 0, errors.New("read own memory: no VmData")
}
