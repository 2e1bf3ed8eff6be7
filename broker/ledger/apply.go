package ledger

import (
	"context"
	"errors"

	"github.com/chancery-dev/chancery/broker/audit"
)

// runChange runs a change alone.
func (l *Ledger) runChange(w *waiter) {
	if w.left.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(w.ctx, changePatience)
	defer cancel()
	a := l.change(ctx, w)
	if errors.Is(a.err, ErrContended) {
		a = l.change(ctx, w)
	}
	w.answer(a)
}

func (l *Ledger) change(ctx context.Context, w *waiter) answer {
	var refusal error // what Write said, which is the caller's own
	c := *w.change
	c.Write = func(ctx context.Context, tx Tx) error {
		refusal = w.change.Write(ctx, tx)
		return refusal
	}
	var tried outcomes
	answers, err := tried.until(ctx, l, func() (audit.Head, []answer, error) {
		from := l.page.head
		rows, to := from.Append(w.records)
		refusal = nil
		version, err := l.config.Journal.Change(ctx, c, Page{Rows: rows, From: from, To: to})
		return to, []answer{{version: version}}, err
	})
	switch {
	case err == nil:
		return answers[0]
	case errors.Is(err, ErrContended):
		return answer{err: errors.Join(ErrUnavailable, err)}
	case refusal != nil:
		return answer{err: refusal}
	case errors.Is(err, ErrUnfit):
		return answer{err: err}
	default:
		l.config.Log.Error("a change cannot be written", "error", err)
		return answer{err: ErrUnavailable}
	}
}
