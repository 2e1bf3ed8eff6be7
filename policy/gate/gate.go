// Package gate checks a policy before it is published, in a child process with hard
// limits on memory and time.
//
// Compiling Rego is work that its author controls: a module of a page can make the
// type checker unfold something endless, and neither a deadline nor a recover stops
// that. Here it costs the child its life and the policy its publication. What passed
// once may be compiled in process from then on.
//
// The child is this same binary with the hidden argument "policy-gate"; cmd calls Main
// there. It inherits no environment, reads one policy on standard input and writes one
// report on standard output. The package imports policy and nothing else of Chancery.
package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/confine"
)

// Argument is the hidden argument that makes the binary the child.
const Argument = "policy-gate"

// The limits on the child.
const (
	// Memory bounds what the child may allocate, in bytes, for a policy with little
	// data; every MiB of the policy adds MemoryPerMiB.
	Memory       = 256 << 20
	MemoryPerMiB = 48 << 20
	// Time bounds its life likewise. It counts from the start of the process.
	Time       = 2 * time.Second
	TimePerMiB = 2 * time.Second

	maxReport = 1 << 20
)

// ErrTime is a check that did not end in time.
var ErrTime = errors.New("policy check: the time limit is reached")

// TestsFailed is a policy whose tests member does not pass.
type TestsFailed struct {
	Results []policy.TestResult // those that failed
}

func (e *TestsFailed) Error() string {
	lines := make([]string, len(e.Results))
	for i, r := range e.Results {
		lines[i] = fmt.Sprintf("%s:%d: %s: %s", r.File, r.Row, r.Name, r.Message)
	}
	return "policy tests failed: " + strings.Join(lines, "; ")
}

// limits is the first thing that the child reads, from its parent.
type limits struct {
	Memory int64         `json:"memory"`
	Time   time.Duration `json:"time"`
}

// report is what the child answers.
type report struct {
	Done    bool                 `json:"done"` // the checks ran to their end
	Refused policy.CompileErrors `json:"refused,omitempty"`
	Failed  []policy.TestResult  `json:"failed,omitempty"`
	Slow    string               `json:"slow,omitempty"`
}

// Check compiles src, runs its tests and evaluates it once for each action, in a
// child made of the binary exe. The error is a policy.CompileErrors, a *TestsFailed,
// ErrTime or policy.ErrMemory when the policy is at fault.
func Check(ctx context.Context, exe string, src policy.Source) error {
	return check(ctx, exe, Argument, src)
}

func check(ctx context.Context, exe, argument string, src policy.Source) error {
	text, err := json.Marshal(src)
	if err != nil {
		return fmt.Errorf("policy check: %w", err)
	}
	size := len(text) >> 20
	l := limits{Memory: Memory + MemoryPerMiB*int64(size), Time: Time + TimePerMiB*time.Duration(size)}
	header, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("policy check: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()

	stdout, stderr := &limited{room: maxReport}, &limited{room: maxReport}
	child := exec.CommandContext(ctx, exe, argument) //nolint:gosec // the caller names its own binary
	child.Env = []string{"GOTRACEBACK=none"}
	child.Dir = "/"
	child.Stdin = io.MultiReader(bytes.NewReader(header), strings.NewReader("\n"), bytes.NewReader(text))
	child.Stdout, child.Stderr = stdout, stderr
	child.WaitDelay = time.Second
	runErr := child.Run()

	var r report
	if runErr == nil && json.Unmarshal(stdout.buf.Bytes(), &r) == nil && r.Done {
		return r.err()
	}
	return death(ctx, runErr, stderr.buf.String())
}

func (r report) err() error {
	switch {
	case len(r.Refused) > 0:
		return r.Refused
	case len(r.Failed) > 0:
		return &TestsFailed{Results: r.Failed}
	case r.Slow != "":
		return fmt.Errorf("%w: %s", ErrTime, r.Slow)
	}
	return nil
}

// death says why a child gave no report. Whatever it was, the policy is not published.
func death(ctx context.Context, err error, stderr string) error {
	if confine.OutOfMemory(stderr) {
		return fmt.Errorf("policy check: %w", policy.ErrMemory)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && (ctx.Err() != nil || exit.ExitCode() == exitLate || exit.ExitCode() < 0) {
		return ErrTime
	}
	if err == nil {
		err = errors.New("no report")
	}
	return fmt.Errorf("policy check: %w", err)
}

// limited keeps the first bytes written to it.
type limited struct {
	buf  bytes.Buffer
	room int
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.room)
	l.room -= keep
	l.buf.Write(p[:keep])
	return len(p), nil
}
