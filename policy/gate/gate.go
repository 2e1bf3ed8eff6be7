// Package gate checks a policy before it is published, in a child process with hard
// limits on memory and time: that it compiles, what a reader would say of it
// (policy/lint), its tests and how much of it they evaluate, what it costs to evaluate
// on requests that there were, and, by way of its caller, what it would have changed.
//
// Compiling Rego is work that its author controls: a module of a page can make the
// type checker unfold something endless, and neither a deadline nor a recover stops
// that. Here it costs the child its life and the policy its publication. What passed
// once may be compiled in process from then on.
//
// The child is this same binary with the hidden argument "policy-gate"; cmd calls Main
// there. It inherits no environment, reads one policy on standard input and writes one
// report on standard output. The package imports policy, policy/lint and policy/confine, nothing else of
// Chancery.
package gate

import (
	"bytes"
	"cmp"
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
	Budget time.Duration `json:"budget"` // of one evaluation
}

// Check is Examine of nothing but the policy: it compiles it, reads it (policy/lint), runs its tests and evaluates it once
// for each action. The error says that it may not be published.
func Check(ctx context.Context, exe string, src policy.Source) error {
	_, err := Examine(ctx, exe, Request{Source: src})
	return err
}

// Examine checks a policy in a child made of the binary exe. The error says that it may not be published: it is a
// policy.CompileErrors, a *TestsFailed, a *Findings, a *CoverageLow, a *TooManyFlips, or ErrTime or policy.ErrMemory when the
// policy is at fault. The report holds what was found out before, and whatever there is to say of a policy that passed.
func Examine(ctx context.Context, exe string, r Request) (Report, error) {
	report, err := examineAs(ctx, exe, Argument, r)
	if err != nil {
		return report, err
	}
	return report, r.replay(ctx, &report)
}

func examineAs(ctx context.Context, exe, argument string, r Request) (Report, error) {
	text, err := json.Marshal(r.Source)
	if err != nil {
		return Report{}, fmt.Errorf("policy check: %w", err)
	}
	inputs, count := r.inputs()
	size := len(text) >> 20
	l := limits{Memory: Memory + MemoryPerMiB*int64(size), Time: Time + TimePerMiB*time.Duration(size), Budget: cmp.Or(r.Budget, policy.DefaultBudget)}
	if count > 0 {
		l.Time += inputsTime
	}
	header, err := json.Marshal(l)
	if err != nil {
		return Report{}, fmt.Errorf("policy check: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()

	stdout, stderr := &limited{room: maxReport}, &limited{room: maxReport}
	child := exec.CommandContext(ctx, exe, argument) //nolint:gosec // the caller names its own binary
	child.Env = []string{"GOTRACEBACK=none"}
	child.Dir = "/"
	child.SysProcAttr = confine.Apart()
	child.Stdin = io.MultiReader(bytes.NewReader(header), strings.NewReader("\n"), bytes.NewReader(text), strings.NewReader("\n"), bytes.NewReader(inputs))
	child.Stdout, child.Stderr = stdout, stderr
	child.WaitDelay = time.Second
	runErr := child.Run()

	var found Report
	if runErr == nil && json.Unmarshal(stdout.buf.Bytes(), &found) == nil && found.Done {
		return found, found.err(r)
	}
	return Report{}, death(ctx, runErr, stderr.buf.String())
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
