package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc (USER_HZ, 100 on every Linux that Go runs on).
const tick = 10 * time.Millisecond

const (
	readyWithin = 30 * time.Second
	stopWithin  = 20 * time.Second
)

// process is a server that we started, or that a script started for us.
type process struct {
	command  *exec.Cmd
	log      bytes.Buffer
	done     chan error
	profiles string // where it shows its profiles, if it was built for that
	group    int    // what a script started: a group of processes, instead of a command
}

func start(ctx context.Context, environment []string, path string, args ...string) (*process, error) {
	p := &process{command: exec.CommandContext(ctx, path, args...), done: make(chan error, 1)} //nolint:gosec // it is this program, or the binary that it was told to measure
	p.command.Env = append(os.Environ(), environment...)
	p.command.Stdout, p.command.Stderr = &p.log, &p.log
	p.command.Cancel = func() error { return p.command.Process.Signal(syscall.SIGTERM) }
	p.command.WaitDelay = stopWithin
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.command.Wait() }()
	return p, nil
}

// stop asks it to drain. A server that does not end well is an error.
func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.done:
		if err != nil {
			return fmt.Errorf("%s ended badly: %w\n%s", filepath.Base(p.command.Path), err, tail(p.log.String()))
		}
		return nil
	case <-time.After(stopWithin):
		_ = p.command.Process.Kill()
		return fmt.Errorf("%s did not drain within %s", filepath.Base(p.command.Path), stopWithin)
	}
}

// ready polls until the path answers 200.
func (p *process) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		if answersOK(ctx, client, url) {
			return nil
		}
		select {
		case err := <-p.done:
			return fmt.Errorf("%s ended before it was ready: %w\n%s", filepath.Base(p.command.Path), err, tail(p.log.String()))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", filepath.Base(p.command.Path), ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

func answersOK(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

func tail(log string) string {
	const shown = 2000
	return log[max(0, len(log)-shown):]
}

func (p *process) cpu() (used time.Duration, err error) {
	for _, pid := range p.pids() {
		one, err := cpuOf(pid, false)
		if err != nil {
			return 0, err
		}
		used += one
	}
	return used, nil
}

// pids are the processes that the server is.
func (p *process) pids() []int {
	if p.group == 0 {
		return []int{p.command.Process.Pid}
	}
	return pidsWhere(func(fields []string) bool { return fields[2] == strconv.Itoa(p.group) }) // pgrp (proc(5))
}

// pidsWhere finds processes by their stat.
func pidsWhere(wanted func(fields []string) bool) []int {
	var found []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if fields, err := stat(pid); err == nil && wanted(fields) { // else gone since
			found = append(found, pid)
		}
	}
	return found
}

// cpuOf is the CPU time that a process used, with that of its children that have ended if reaped.
func cpuOf(pid int, reaped bool) (time.Duration, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	wanted := fields[11:13] // utime stime, then cutime cstime (proc(5))
	if reaped {
		wanted = fields[11:15]
	}
	var used time.Duration
	for _, f := range wanted {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		used += time.Duration(n) * tick
	}
	return used, nil
}

// stat are the fields of /proc/PID/stat from the third on: the second is a name in parentheses, with anything in it.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// memory reads a size from /proc/PID/status, in KiB, of all processes together.
func (p *process) memory(name string) (sum int, err error) {
	for _, pid := range p.pids() {
		n, err := statusOf(pid, name)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func statusOf(pid int, name string) (int, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, name+":"); found {
			return strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		}
	}
	return 0, fmt.Errorf("/proc does not say %s", name)
}

// machineBusy is the CPU time that everything on this machine used so far (proc(5)): user, nice, system, irq, softirq, steal.
func machineBusy() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var used time.Duration
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, err
		}
		used += time.Duration(n) * tick
	}
	return used, nil
}
