// Command bench measures what Chancery answers, through the real binary as its own
// process, on PostgreSQL and on SQLite: every grant, introspection, revocation and the
// public documents, at several numbers of connections; then what happens beyond them,
// and with a great many objects. Beside it, by the same client in the same run, three
// yardsticks: a bare form post through the router, one signature verified and one made,
// and a bare ping; and, if it is asked for, a Keycloak. The ratios between them mean
// something on any machine; the figures alone do not.
//
// The loop is closed: each connection asks again when it was answered. Every answer is
// checked, every failure is counted, and what the database holds afterwards must agree
// with what the client was told.
//
// It depends on no room of the service: it uses the command, the configuration file
// and the endpoints, as everybody does. Only the great many objects are written past
// them, as copies of rows that the server wrote.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == yardstickCommand {
		exit(serveYardstick(os.Args[2:]))
	}
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = run(ctx, o)
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures one thing after the other, so that none disturbs another. What failed is said at the end, beside what was
// measured.
func run(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "chancery-bench.")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.binary == "" {
		if o.binary, err = build(ctx, folder, o.profile); err != nil {
			return err
		}
	}
	result := Result{
		Machine: thisMachine(), Begun: time.Now().UTC().Truncate(time.Second), Duration: o.duration.Seconds(), Rounds: o.rounds,
		Users: o.users, Entries: o.entries,
	}
	if at, err := os.Stat(o.binary); err == nil {
		result.BinaryKiB = int(at.Size() >> 10)
	}
	var failures []error
	for _, part := range []struct {
		name    string
		wanted  bool
		measure func(context.Context, options, string, *Result) error
	}{
		{"paths", len(o.paths) > 0, measurePaths},
		{"policies", o.policies, measurePolicies},
		{"overload", o.overload, measureOverload},
		{"scale", len(o.scale) > 0, measureScale},
	} {
		if !part.wanted || ctx.Err() != nil {
			continue
		}
		if err := part.measure(ctx, o, folder, &result); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	return errors.Join(append(failures, result.write(os.Stdout, o.out))...)
}
