package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// target is a running server.
type target struct {
	address string
	process *process
	// database is the CPU time that the database used so far; nil where it has no process of its own.
	database func() (time.Duration, error)
}

// measure starts one subject and drives it at each number of connections.
func measure(ctx context.Context, o options, parent, name string) (Measured, error) {
	folder, err := os.MkdirTemp(parent, strings.ReplaceAll(name, "+", "-")+".")
	if err != nil {
		return Measured{}, err
	}
	s, err := newScene(folder, o)
	if err != nil {
		return Measured{}, err
	}
	switch name {
	case subjectPostgres:
		return onPostgres(ctx, o, s)
	case subjectSQLite:
		return onSQLite(ctx, o, s)
	default:
		return onYardstick(ctx, o, s, name)
	}
}

func onYardstick(ctx context.Context, o options, s *scene, name string) (m Measured, err error) {
	m.Subject = name
	started, err := startYardstick(ctx, s, name)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, started.stop()) }()
	_, err = drive(ctx, o, s, target{address: s.public, process: started}, &m)
	return m, err
}

func onSQLite(ctx context.Context, o options, s *scene) (m Measured, err error) {
	m.Subject = subjectSQLite
	file := filepath.Join(s.folder, "chancery.db")
	if err := s.configure("sqlite://"+file, ""); err != nil {
		return m, err
	}
	answers, err := serveAndDrive(ctx, o, s, nil, &m)
	if err != nil {
		return m, err
	}
	return m, verifySQLite(ctx, file, answers)
}

func onPostgres(ctx context.Context, o options, s *scene) (m Measured, err error) {
	m.Subject = subjectPostgres
	db, err := makeDatabase(ctx, o.postgres)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, db.drop(context.WithoutCancel(ctx))) }()
	if err := s.configure(db.runtimeURL, db.ownerURL); err != nil {
		return m, err
	}
	answers, err := serveAndDrive(ctx, o, s, db.cpu(), &m)
	if err != nil {
		return m, err
	}
	return m, db.verify(ctx, answers)
}

// serveAndDrive starts the server three times: with an empty database, which also makes the schema and the objects;
// again with the same files, which are read and compared; and with what the database holds, as a server does whose
// objects come through its API. The last is measured. It returns the number of tokens received.
func serveAndDrive(ctx context.Context, o options, s *scene, database func() (time.Duration, error), m *Measured) (tokens int, err error) {
	for _, ready := range []*float64{&m.FirstReadyMS, &m.FilesReadyMS} {
		p, took, err := startServer(ctx, o.binary, s)
		if err != nil {
			return 0, err
		}
		*ready = milliseconds(took)
		if err := p.stop(); err != nil {
			return 0, err
		}
	}
	if err := s.forgetFiles(); err != nil {
		return 0, err
	}
	server, took, err := startServer(ctx, o.binary, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	m.ReadyMS = milliseconds(took)
	if err := pause(ctx, o.idle); err != nil {
		return 0, err
	}
	if m.IdleKiB, err = server.memory("VmRSS"); err != nil {
		return 0, err
	}
	return drive(ctx, o, s, target{address: s.public, process: server, database: database}, m)
}

// drive measures each number of connections. What was answered while warming up counts as answered, not as measured.
func drive(ctx context.Context, o options, s *scene, t target, m *Measured) (tokens int, err error) {
	for _, connections := range o.connections {
		warm, err := level(ctx, s, t, connections, o.warmup, 0)
		tokens += warm.answers
		if err != nil {
			return tokens, err
		}
		measured, err := level(ctx, s, t, connections, o.duration, warm.rate())
		tokens += measured.answers
		if err != nil {
			return tokens, err
		}
		m.Levels = append(m.Levels, measured.level(connections))
		failed := measured.failures
		failed.add(warm.failures)
		if err := failed.err(); err != nil {
			return tokens, fmt.Errorf("%d connections: %w", connections, err)
		}
	}
	m.PeakKiB, err = t.process.memory("VmHWM")
	return tokens, err
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
