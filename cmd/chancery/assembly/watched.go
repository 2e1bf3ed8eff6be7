package assembly

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/oauth"
)

// counted counts what is asked about tokens.
type counted struct {
	broker.Introspection
	metrics *metrics.Metrics
}

// Introspect implements broker.Introspection.
func (c counted) Introspect(ctx context.Context, r introspect.Request) ([]byte, error) {
	body, err := c.Introspection.Introspect(ctx, r)
	result := "active"
	if string(body) == introspect.Inactive {
		result = "inactive"
	}
	c.metrics.Asked(metrics.Introspection, result, codeOf(err))
	return body, err
}

// Revoke implements broker.Introspection.
func (c counted) Revoke(ctx context.Context, r introspect.Request) error {
	err := c.Introspection.Revoke(ctx, r)
	c.metrics.Asked(metrics.Revocation, "done", codeOf(err))
	return err
}

func codeOf(err error) oauth.Code {
	if err == nil {
		return ""
	}
	return oauth.AsError(err).Code
}

// watched counts and traces the ledger's transactions.
func (s *Server) watched(j ledger.Journal) ledger.Journal { return watchedJournal{j, s} }

type watchedJournal struct {
	ledger.Journal
	server *Server
}

// Write implements ledger.Journal.
func (w watchedJournal) Write(ctx context.Context, b ledger.Batch) error {
	s, entries, settle := w.server, 0, b.Settle
	b.Settle = func(standing ledger.Standing) ledger.Page {
		page := settle(standing)
		entries = len(page.Rows)
		return page
	}
	began := s.Now()
	err := w.Journal.Write(ctx, b)
	ended := s.Now()
	s.metrics.Batch(entries, ended.Sub(began), err != nil)
	if s.traces != nil {
		s.traces.Batch(began, ended, entries, err != nil)
	}
	if err == nil && entries > 0 {
		s.auditLag.wrote(ended)
	}
	return err
}

// Change implements ledger.Journal.
func (w watchedJournal) Change(ctx context.Context, c ledger.Change, p ledger.Page) (int64, error) {
	version, err := w.Journal.Change(ctx, c, p)
	if err == nil && len(p.Rows) > 0 {
		w.server.auditLag.wrote(w.server.Now())
	}
	return version, err
}

// auditLag knows since when events of this process wait for a checkpoint.
type auditLag struct {
	now    func() time.Time
	mu     sync.Mutex
	before time.Time // the oldest event that waited when the last beat began; zero: none
	since  time.Time // the oldest one since
}

func (l *auditLag) wrote(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since.IsZero() {
		l.since = at
	}
}

func (l *auditLag) beat() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.before.IsZero() {
		l.before = l.since
	}
	l.since = time.Time{}
}

func (l *auditLag) proved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = time.Time{}
}

func (l *auditLag) lag() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.before
	if oldest.IsZero() {
		oldest = l.since
	}
	if oldest.IsZero() {
		return 0
	}
	return max(0, l.now().Sub(oldest))
}

// watchedCheckpoints sees when a checkpoint proves what this process wrote: its own, or another replica's.
type watchedCheckpoints struct {
	audit.Checkpoints
	lag *auditLag
}

// Beat implements audit.Checkpoints.
func (w watchedCheckpoints) Beat(ctx context.Context, writer string) (time.Time, *audit.SignedCheckpoint, []audit.Head, error) {
	w.lag.beat()
	now, newest, heads, err := w.Checkpoints.Beat(ctx, writer)
	if err == nil && newest != nil && proves(newest, heads, writer) {
		w.lag.proved()
	}
	return now, newest, heads, err
}

func proves(newest *audit.SignedCheckpoint, heads []audit.Head, writer string) bool {
	checkpoint, err := audit.ParseCheckpoint(newest.Body)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(heads, func(h audit.Head) bool { return h.Writer == writer })
	j := slices.IndexFunc(checkpoint.Heads, func(h audit.Head) bool { return h.Writer == writer })
	return i >= 0 && j >= 0 && checkpoint.Heads[j].Seq >= heads[i].Seq
}

// Add implements audit.Checkpoints.
func (w watchedCheckpoints) Add(ctx context.Context, c audit.SignedCheckpoint, sealed []string) (bool, error) {
	first, err := w.Checkpoints.Add(ctx, c, sealed)
	if err == nil && first {
		w.lag.proved()
	}
	return first, err
}
