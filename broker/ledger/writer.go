package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/id"
)

// page is where the writer is in its book.
type page struct {
	head   audit.Head
	unsure bool // the head in the database may be another one
}

// write is the one writer: whatever is queued is the batch.
func (l *Ledger) write() {
	defer close(l.finished)
	l.prepare()
	var next *waiter
	batch := make([]*waiter, 0, maxBatch)
	for {
		first, more := next, true
		if next = nil; first == nil {
			if first, more = <-l.queue; !more {
				return
			}
		}
		if first.change != nil {
			l.runChange(first)
			continue
		}
		batch = append(batch[:0], first)
		for len(batch) < maxBatch && next == nil {
			w := l.poll()
			switch {
			case w == nil:
			case w.change != nil:
				next = w // alone, after this batch
			default:
				batch = append(batch, w)
			}
			if w == nil {
				break
			}
		}
		batch = slices.DeleteFunc(batch, func(w *waiter) bool { return w.left.Load() })
		if len(batch) > 0 && l.commit(batch) != nil {
			l.shed()
		}
	}
}

// poll takes what is there, or nothing.
func (l *Ledger) poll() *waiter {
	select {
	case w := <-l.queue: // nil once closed and empty
		return w
	default:
		return nil
	}
}

// prepare starts the writer's chain before the first entry needs it.
func (l *Ledger) prepare() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.begin(ctx); err != nil {
		l.config.Log.Warn("the ledger cannot be written yet", "error", err)
	}
}

// shed answers those who queued up behind a database that does not answer, so
// that nobody waits longer than one batch does.
func (l *Ledger) shed() {
	for range len(l.queue) {
		w := l.poll()
		if w == nil {
			return
		}
		w.answer(answer{err: ErrUnavailable})
	}
}

// commit writes a batch and answers each of its waiters. It returns an error if
// the database cannot be written.
func (l *Ledger) commit(batch []*waiter) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answers, err := l.attempt(ctx, batch)
	if errors.Is(err, ErrContended) {
		answers, err = l.attempt(ctx, batch)
	}
	if (errors.Is(err, ErrContended) || errors.Is(err, ErrUnfit)) && len(batch) > 1 {
		return l.oneByOne(batch)
	}
	for i, w := range batch {
		switch {
		case err == nil:
			w.answer(answers[i])
		case errors.Is(err, ErrUnfit):
			w.answer(answer{err: err})
		default:
			w.answer(answer{err: ErrUnavailable})
		}
	}
	if err == nil || errors.Is(err, ErrUnfit) {
		return nil
	}
	l.config.Log.Error("the ledger cannot be written", "error", err, "entries", len(batch))
	if errors.Is(err, ErrContended) {
		return nil // this entry's misfortune; the database is there
	}
	return err
}

// oneByOne lets a poisonous entry fail alone.
func (l *Ledger) oneByOne(batch []*waiter) error {
	for i := range batch {
		if err := l.commit(batch[i : i+1]); err != nil {
			for _, w := range batch[i+1:] {
				w.answer(answer{err: ErrUnavailable})
			}
			return err
		}
	}
	return nil
}

// attempt writes the batch until the database says that it is committed or that it is not.
func (l *Ledger) attempt(ctx context.Context, batch []*waiter) ([]answer, error) {
	s := newSheet(batch)
	pictures := s.pictures()
	var tried outcomes
	return tried.until(ctx, l, func() (audit.Head, []answer, error) {
		from, to := l.page.head, audit.Head{}
		err := l.config.Journal.Write(ctx, Batch{
			Head: from, Pictures: pictures, Claims: s.claims, Families: s.families,
			Settle: func(standing Standing) Page {
				page := s.settle(from, standing)
				to = page.To
				return page
			},
		})
		return to, slices.Clone(s.answers), err
	})
}

// outcomes are the attempts whose answer was lost, by the heads they would have left.
type outcomes []struct {
	head    audit.Head
	answers []answer
}

// maxAttempts bounds how often one batch is written while its outcome stays unknown.
const maxAttempts = 4

// until runs write until its outcome is known. The head is what tells: it moves in
// the transaction and nobody else moves it, so a head that an attempt would have
// left proves that this attempt committed, and an older one that none did yet. One
// that is still under way cannot commit beside the next: both begin at one head.
func (tried outcomes) until(ctx context.Context, l *Ledger, write func() (audit.Head, []answer, error)) ([]answer, error) {
	var err error
	for range maxAttempts {
		if l.page.unsure {
			head, err := l.config.Journal.Head(ctx, l.page.head.Writer)
			if err != nil {
				return nil, err
			}
			l.page = page{head: head}
			for _, t := range tried {
				if t.head.Seq == head.Seq && t.head.Link == head.Link {
					return t.answers, nil
				}
			}
		}
		if err := l.begin(ctx); err != nil {
			return nil, err
		}
		var to audit.Head
		var answers []answer
		to, answers, err = write()
		switch {
		case err == nil:
			l.page.head = to
			return answers, nil
		case errors.Is(err, ErrUnknown):
			l.page.unsure = true
			if to.Seq > l.page.head.Seq { // else it left no mark, and doing it again does no harm
				tried = append(tried, struct {
					head    audit.Head
					answers []answer
				}{to, answers})
			}
		case errors.Is(err, ErrHead):
			l.page.unsure = true
		default:
			return nil, err
		}
	}
	return nil, err
}

// begin makes a new chain if there is none, or if another replica took this
// process for dead and sealed the one there was.
func (l *Ledger) begin(ctx context.Context) error {
	if l.page.unsure || (l.page.head.Writer != "" && !l.page.head.Sealed) {
		return nil
	}
	writer := id.New(id.Writer, l.config.Now())
	head, err := l.config.Journal.Start(ctx, writer)
	if err != nil {
		return err
	}
	l.page = page{head: head}
	l.writer.Store(&writer)
	return nil
}
