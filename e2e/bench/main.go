// Command bench measures the grant: an ID-JAG in, an access token out, through the
// real binary as its own process, on PostgreSQL and on SQLite. Beside it, by the same
// client in the same run, two yardsticks: a bare form post through the router, and one
// signature verified and one made. The ratios between them mean something on any
// machine; the figures alone do not.
//
// The loop is closed: each connection asks again when it was answered. Every answer is
// checked, every failure is counted, and what the database holds afterwards must agree
// with what the client was told.
//
// It depends on no room of the service: it uses the command, the configuration file
// and the endpoints, as everybody does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postgresURL names the superuser's URL of a cluster that was started for measuring.
const postgresURL = "CHANCERY_TEST_POSTGRES_URL"

// The subjects that are measured.
const (
	subjectEcho     = "echo"
	subjectSign     = "verify+sign"
	subjectSQLite   = "sqlite"
	subjectPostgres = "postgres"
)

var allSubjects = []string{subjectEcho, subjectSign, subjectSQLite, subjectPostgres}

type options struct {
	duration    time.Duration
	warmup      time.Duration
	idle        time.Duration
	connections []int
	subjects    []string
	out         string
	binary      string
	users       int
	entries     int
	postgres    string
}

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

func parse(args []string) (options, error) {
	var o options
	var connections, subjects string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "how long each number of connections is measured")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "how long each number of connections runs before it is measured")
	flags.DurationVar(&o.idle, "idle", 5*time.Second, "how long after readiness idle memory is read")
	flags.StringVar(&connections, "connections", "1,8,32,128", "numbers of connections")
	flags.StringVar(&subjects, "subjects", strings.Join(allSubjects, ","), "what is measured")
	flags.StringVar(&o.out, "out", "build/bench", "folder of the results")
	flags.StringVar(&o.binary, "binary", "", "a built chancery; empty builds it into a temporary folder")
	flags.IntVar(&o.users, "users", 200, "users who take turns")
	flags.IntVar(&o.entries, "entries", 10_000, "entries of the group policy")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	for part := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-connections: %q is no number of connections", part)
		}
		o.connections = append(o.connections, n)
	}
	o.subjects = strings.Split(subjects, ",")
	for _, s := range o.subjects {
		if !slices.Contains(allSubjects, s) {
			return o, fmt.Errorf("-subjects: %q is none of %s", s, strings.Join(allSubjects, ", "))
		}
	}
	if o.duration <= 0 || o.warmup <= 0 || o.users < 1 || o.entries < o.users {
		return o, errors.New("durations and users must be positive, and entries at least as many as users")
	}
	o.postgres = os.Getenv(postgresURL)
	if o.postgres == "" && slices.Contains(o.subjects, subjectPostgres) {
		return o, fmt.Errorf("%s names no cluster: run `make bench`, or leave %s out of -subjects", postgresURL, subjectPostgres)
	}
	return o, nil
}

// run measures one subject after the other, so that none disturbs another.
func run(ctx context.Context, o options) (err error) {
	folder, err := os.MkdirTemp("", "chancery-bench.")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if o.binary == "" {
		if o.binary, err = build(ctx, folder); err != nil {
			return err
		}
	}
	result := Result{Machine: thisMachine(), Duration: o.duration.Seconds(), Users: o.users, Entries: o.entries}
	var failures []error
	for _, name := range o.subjects {
		measured, err := measure(ctx, o, folder, name)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", name, err))
		}
		if len(measured.Levels) > 0 {
			result.Subjects = append(result.Subjects, measured)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(failures, result.write(os.Stdout, o.out))...)
}
