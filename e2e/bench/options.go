package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// postgresURL names the superuser's URL of a cluster that was started for measuring.
const postgresURL = "CHANCERY_TEST_POSTGRES_URL"

// The subjects that are measured.
const (
	subjectEcho     = "echo"
	subjectSign     = "verify+sign"
	subjectPing     = "ping"
	subjectSQLite   = "sqlite"
	subjectPostgres = "postgres"
	// On PostgreSQL, with what is stored sealed by the double of a Vault, which answers at once, or after a delay.
	subjectTransit     = "transit"
	subjectTransitSlow = "transit+5ms"
	subjectKeycloak    = "keycloak"
)

// longest is how long a level may take: what was prepared for it must not grow too old (RFC 9449 §11.1: a proof does).
const longest = 30 * time.Second

type options struct {
	duration    time.Duration
	warmup      time.Duration
	idle        time.Duration
	rounds      int
	connections []int
	subjects    []string
	paths       []string
	overload    bool
	scale       map[string]int
	out         string
	binary      string
	profile     bool
	users       int
	entries     int
	template    string
	policies    bool
	postgres    string
}

func parse(args []string) (options, error) {
	var o options
	var connections, subjects, paths, scale string
	var keycloak, full bool
	standard := []string{subjectEcho, subjectSign, subjectPing, subjectSQLite, subjectPostgres, subjectTransit, subjectTransitSlow}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.DurationVar(&o.duration, "duration", time.Second, "how long each number of connections is measured, at most 30s")
	flags.DurationVar(&o.warmup, "warmup", 250*time.Millisecond, "how long each number of connections runs before it is measured")
	flags.DurationVar(&o.idle, "idle", 5*time.Second, "how long after readiness idle memory is read")
	flags.IntVar(&o.rounds, "rounds", 1, "how often each is measured; the round with the median rate counts")
	flags.StringVar(&connections, "connections", "1,8,32,128", "numbers of connections")
	flags.StringVar(&subjects, "subjects", strings.Join(standard, ","), "what is measured")
	flags.BoolVar(&keycloak, "keycloak", false, "measure a Keycloak too (deploy/ci/keycloak.sh starts it, on the same PostgreSQL)")
	flags.StringVar(&paths, "paths", strings.Join(pathNames(), ","), "what is asked; empty for none")
	flags.BoolVar(&o.overload, "overload", true, "measure more connections than the server takes")
	flags.BoolVar(&o.policies, "policies", true, "measure what policy takes of a grant")
	flags.StringVar(&scale, "scale", "idps=1000,clients=10000,entries=20000,audit=100000,connections=100000", "how many of what the large server has; empty for none")
	flags.BoolVar(&full, "full", false, "the whole: 3 rounds of 3s, 10,000 IdPs, 1,000,000 clients, 100,000 entries, 10,000,000 audit events, 1,000,000 connections; takes an hour")
	flags.StringVar(&o.out, "out", "build/bench", "folder of the results")
	flags.StringVar(&o.binary, "binary", "", "a built chancery; empty builds it into a temporary folder")
	flags.BoolVar(&o.profile, "profile", false, "write a CPU profile of each path at each number of connections, into -out; -binary must then be one of -profile too")
	flags.IntVar(&o.users, "users", 200, "users who take turns")
	flags.IntVar(&o.entries, "entries", 10_000, "entries of the group policy")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if full {
		o.duration, o.warmup, o.rounds = 3*time.Second, time.Second, 3
		scale = "idps=10000,clients=1000000,entries=100000,audit=10000000,connections=1000000"
	}
	if keycloak {
		standard = append(standard, subjectKeycloak)
		subjects += "," + subjectKeycloak
	}
	o.template = templateGroups
	o.postgres = os.Getenv(postgresURL)
	var errs [4]error
	o.connections, errs[0] = numbers(connections)
	o.subjects, errs[1] = listed("-subjects", subjects, standard)
	o.paths, errs[2] = listed("-paths", paths, pathNames())
	o.scale, errs[3] = sizes(scale)
	return o, errors.Join(append(errs[:], o.validate())...)
}

func (o options) validate() error {
	switch {
	case o.duration <= 0 || o.duration > longest || o.warmup <= 0 || o.warmup > longest:
		return fmt.Errorf("-duration and -warmup must be positive and at most %s", longest)
	case o.users < 1 || o.entries < o.users || o.rounds < 1:
		return errors.New("users and rounds must be positive, and entries at least as many as users")
	case o.postgres == "" && (slices.Contains(o.subjects, subjectPostgres) || slices.ContainsFunc(o.subjects, isTransit) || slices.Contains(o.subjects, subjectKeycloak) || o.overload || len(o.scale) > 0):
		return fmt.Errorf("%s names no cluster: run `make bench`, or leave %s out of -subjects, with -overload=false -scale ''", postgresURL, subjectPostgres)
	}
	return nil
}

func numbers(text string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-connections: %q is no number of connections", part)
		}
		list = append(list, n)
	}
	return list, nil
}

func listed(name, text string, known []string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	list := strings.Split(text, ",")
	for _, one := range list {
		if !slices.Contains(known, one) {
			return nil, fmt.Errorf("%s: %q is none of %s", name, one, strings.Join(known, ", "))
		}
	}
	return list, nil
}

func sizes(text string) (map[string]int, error) {
	if text == "" {
		return nil, nil
	}
	known := slices.Sorted(maps.Keys(dimensions))
	list := map[string]int{}
	for part := range strings.SplitSeq(text, ",") {
		name, count, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || !slices.Contains(known, name) {
			return nil, fmt.Errorf("-scale: %q is none of %s with a number", part, strings.Join(known, ", "))
		}
		list[name] = n
	}
	return list, nil
}
