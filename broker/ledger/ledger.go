package ledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
)

// Bounds of the one writer.
const (
	defaultQueue = 4096
	maxBatch     = 512
	// patience bounds one batch with its retries: a database that hangs is answered with
	// ErrUnavailable before a client gives up (threat F4).
	patience = 2500 * time.Millisecond
	// changePatience bounds one change, which may write many rows.
	changePatience = 5 * time.Second
)

// Config says what a ledger writes to. Nothing in it may be absent but the numbers.
type Config struct {
	Journal     Journal
	Checkpoints audit.Checkpoints
	Signer      audit.Signer
	// Every is the time between checkpoints; 0 means 10 s.
	Every time.Duration
	// Queue bounds the entries that wait; 0 means 4096. What does not fit is refused at once.
	Queue int
	Now   func() time.Time
	Log   *slog.Logger
}

// Ledger is the process's one writer.
type Ledger struct {
	config     Config
	checkpoint *audit.Checkpointer

	gate    sync.RWMutex // held for reading while something is put into the queue
	closing bool
	queue   chan *waiter

	page     page // the writer's own
	writer   atomic.Pointer[string]
	stop     chan struct{}
	stopped  sync.WaitGroup
	finished chan struct{} // the writer has drained the queue
}

// New starts the writer. It does not wait for the database: what is committed
// while the database cannot be reached is answered with ErrUnavailable.
func New(c Config) (*Ledger, error) {
	if c.Journal == nil || c.Checkpoints == nil || c.Signer == nil || c.Now == nil || c.Log == nil {
		return nil, errors.New("a ledger needs a journal, checkpoints, a signer, a clock and a log")
	}
	if c.Queue == 0 {
		c.Queue = defaultQueue
	}
	checkpoint, err := audit.NewCheckpointer(c.Checkpoints, c.Signer, c.Every)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		config:     c,
		checkpoint: checkpoint,
		queue:      make(chan *waiter, c.Queue),
		stop:       make(chan struct{}),
		finished:   make(chan struct{}),
	}
	l.stopped.Go(l.write)
	l.stopped.Go(l.beat)
	return l, nil
}

// Commit records an entry, or says why not: *Conflict, ErrStale, ErrUnavailable, ErrUnfit or the
// context's error. Unless it returns nil nothing may be issued. After the context's error or
// ErrUnavailable the facts may have been recorded nevertheless, as when the answer to a commit is
// lost for good; the log then tells of a token that nobody received, never the other way round.
func (l *Ledger) Commit(ctx context.Context, e Entry) error {
	if err := e.check(); err != nil {
		return err
	}
	w := &waiter{entry: e.versioned(), record: audit.NewRecord(e.Event), done: make(chan answer, 1)}
	return l.submit(ctx, w).err
}

// Apply makes a change and records its events in the same transaction. It returns the tenant's new
// version, 0 if it was not raised; what Change.Write returned, as it is; or an error of Commit.
func (l *Ledger) Apply(ctx context.Context, c Change) (int64, error) {
	if err := c.check(); err != nil {
		return 0, err
	}
	records := make([]audit.Record, len(c.Events))
	for i, e := range c.Events {
		records[i] = audit.NewRecord(e)
	}
	w := &waiter{change: &c, records: records, ctx: context.WithoutCancel(ctx), done: make(chan answer, 1)}
	a := l.submit(ctx, w)
	return a.version, a.err
}

// submit queues and waits.
func (l *Ledger) submit(ctx context.Context, w *waiter) answer {
	if err := ctx.Err(); err != nil {
		return answer{err: err}
	}
	if !l.enqueue(w) {
		return answer{err: ErrUnavailable}
	}
	select {
	case a := <-w.done:
		return a
	case <-ctx.Done():
		w.left.Store(true) // if the writer has not begun with it, it never will
		return answer{err: ctx.Err()}
	}
}

// enqueue never waits: a full queue sheds.
func (l *Ledger) enqueue(w *waiter) bool {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if l.closing {
		return false
	}
	select {
	case l.queue <- w:
		return true
	default:
		return false
	}
}

// Writer is the id under which the process writes now, empty before the database was first reached.
func (l *Ledger) Writer() string {
	if id := l.writer.Load(); id != nil {
		return *id
	}
	return ""
}

// Close commits what is queued, seals the writer and writes a last checkpoint.
func (l *Ledger) Close(ctx context.Context) error {
	l.gate.Lock()
	first := !l.closing
	if first {
		l.closing = true
		close(l.queue)
		close(l.stop)
	}
	l.gate.Unlock()
	select {
	case <-l.finished:
	case <-ctx.Done():
		return ctx.Err()
	}
	l.stopped.Wait()
	if id := l.Writer(); first && id != "" {
		return l.checkpoint.Finish(ctx, id)
	}
	return nil
}

// beat keeps the writer alive in the eyes of the other replicas and writes checkpoints.
func (l *Ledger) beat() {
	ticker := time.NewTicker(l.checkpoint.Every())
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if err := l.checkpoint.Beat(ctx, l.Writer()); err != nil {
			l.config.Log.Warn("no checkpoint was written", "error", err)
		}
		cancel()
	}
}

// Queued is how many wait, for metrics.
func (l *Ledger) Queued() int { return len(l.queue) }
