package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// target is a running server.
type target struct {
	name    string
	scene   *scene
	process *process
	db      *database // on PostgreSQL
	// database is the CPU time that the database used so far; nil where it has no process of its own.
	database func() (time.Duration, error)
	stock    map[string]*stock
	started  Started
	stop     func(context.Context) error
}

// begin starts a subject in a folder of its own.
func begin(ctx context.Context, o options, parent, name string) (*target, error) {
	folder, err := os.MkdirTemp(parent, strings.ReplaceAll(name, "+", "-")+".")
	if err != nil {
		return nil, err
	}
	s, err := newScene(folder, o)
	if err != nil {
		return nil, err
	}
	t := &target{name: name, scene: s, stock: map[string]*stock{}, started: Started{Subject: name}}
	switch name {
	case subjectPostgres:
		return t, t.onPostgres(ctx, o)
	case subjectSQLite:
		return t, t.onSQLite(ctx, o)
	case subjectTransit:
		return t, t.onTransit(ctx, o, 0)
	case subjectTransitSlow:
		return t, t.onTransit(ctx, o, addedDelay)
	case subjectKeycloak:
		return t, t.onKeycloak(ctx, o)
	default:
		t.process, err = startYardstick(ctx, s, name)
		t.stop = func(context.Context) error { return t.process.stop() }
		return t, err
	}
}

func (t *target) onSQLite(ctx context.Context, o options) error {
	file := filepath.Join(t.scene.folder, "chancery.db")
	if err := t.scene.configure("sqlite://"+file, ""); err != nil {
		return err
	}
	if err := t.startThrice(ctx, o); err != nil {
		return err
	}
	t.stop = func(ctx context.Context) error {
		return errors.Join(t.process.stop(), verifySQLite(ctx, file, t.scene.left))
	}
	return nil
}

func (t *target) onPostgres(ctx context.Context, o options) error {
	db, err := makeDatabase(ctx, o.postgres)
	if err != nil {
		return err
	}
	t.db, t.database = db, db.cpu()
	if t.scene.superuser, err = db.superuserURL(); err != nil {
		return errors.Join(err, db.drop(context.WithoutCancel(ctx)))
	}
	err = t.scene.configure(db.runtimeURL, db.ownerURL)
	if err == nil {
		err = t.startThrice(ctx, o)
	}
	if err != nil {
		return errors.Join(err, db.drop(context.WithoutCancel(ctx)))
	}
	t.stop = func(ctx context.Context) error {
		return errors.Join(t.process.stop(), db.verify(ctx, t.scene.left), db.drop(context.WithoutCancel(ctx)))
	}
	return nil
}

// startThrice starts the server with an empty database, which also makes the schema and the objects; again with the same
// files, which are read and compared; and with what the database holds, as a server does whose objects come through its
// API. The last is measured.
func (t *target) startThrice(ctx context.Context, o options) error {
	for _, ready := range []*float64{&t.started.FirstReadyMS, &t.started.FilesReadyMS} {
		p, took, err := startServer(ctx, o.binary, t.scene)
		if err != nil {
			return err
		}
		*ready = milliseconds(took)
		if err := p.stop(); err != nil {
			return err
		}
	}
	if err := t.scene.forgetFiles(); err != nil {
		return err
	}
	return t.start(ctx, o)
}

// start starts the server and notes how long that took and what it holds when idle.
func (t *target) start(ctx context.Context, o options) error {
	p, took, err := startServer(ctx, o.binary, t.scene)
	if err != nil {
		return err
	}
	t.process, t.started.ReadyMS = p, milliseconds(took)
	if err := pause(ctx, o.idle); err != nil {
		return errors.Join(err, p.stop())
	}
	t.started.IdleKiB, err = p.memory("VmRSS")
	return err
}

// again starts the server once more, with other settings in its environment.
func (t *target) again(ctx context.Context, o options, environment ...string) error {
	if err := t.process.stop(); err != nil {
		return err
	}
	t.scene.environment = environment
	var err error
	t.process, _, err = startServer(ctx, o.binary, t.scene)
	return err
}

// measurePaths starts every subject and asks one after the other: each path at each number of connections of all subjects
// that have it, so that what is compared was measured within seconds.
func measurePaths(ctx context.Context, o options, folder string, result *Result) (err error) {
	var running []*target
	defer func() {
		for _, t := range running {
			if peak, peakErr := t.process.memory("VmHWM"); peakErr == nil {
				t.started.PeakKiB = peak
			}
			result.Started = append(result.Started, t.started)
			if stopErr := t.stop(ctx); stopErr != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", t.name, stopErr))
			}
		}
	}()
	for _, name := range o.subjects {
		t, err := begin(ctx, o, folder, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		running = append(running, t)
	}
	for _, p := range paths() {
		if !slices.Contains(o.paths, p.name) {
			continue
		}
		if p.nonces {
			for _, t := range running {
				if slices.Contains(p.subjects, t.name) {
					if err := t.again(ctx, o, "CHANCERY_DPOP__NONCE=required"); err != nil {
						return fmt.Errorf("%s: %w", t.name, err)
					}
				}
			}
		}
		if err := measurePath(ctx, o, p, running, result); err != nil {
			return err
		}
	}
	return nil
}

func measurePath(ctx context.Context, o options, p path, running []*target, result *Result) error {
	for _, connections := range o.connections {
		loads := map[*target][]load{}
		for range o.rounds {
			for _, t := range running {
				if !slices.Contains(p.subjects, t.name) {
					continue
				}
				measured, err := t.measure(ctx, o, p, connections)
				if err != nil {
					return fmt.Errorf("%s, %s, %d connections: %w", t.name, p.name, connections, err)
				}
				loads[t] = append(loads[t], measured)
			}
		}
		for _, t := range running {
			if len(loads[t]) > 0 {
				result.Rows = append(result.Rows, median(loads[t]).row(p.name, t.name, connections))
			}
		}
	}
	return nil
}

// measure warms up and measures. What was answered while warming up counts as answered, not as measured.
func (t *target) measure(ctx context.Context, o options, p path, connections int) (load, error) {
	warm, err := t.level(ctx, p, connections, o.warmup, 0)
	if err != nil {
		return warm, err
	}
	end := o.record(ctx, t, p, connections)
	measured, err := t.level(ctx, p, connections, o.duration, 0)
	failed := measured.failures
	failed.add(warm.failures)
	return measured, errors.Join(err, failed.err(), end())
}

// median is the round in the middle.
func median(loads []load) load {
	sorted := slices.SortedFunc(slices.Values(loads), func(a, b load) int {
		if a.rate() < b.rate() {
			return -1
		}
		return 1
	})
	return sorted[len(sorted)/2]
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
