package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

// Rewrapper seals what rests under another key with the newest, while everything goes on.
type Rewrapper struct {
	Store  Store
	Sealer vault.Sealer
	Alert  func(context.Context, Alert)
	Now    func() time.Time
}

// Progress is how far a rewrap is.
type Progress struct {
	KeyID     string // the newest
	Rewrapped int64
	Moved     int64  // replaced by somebody else meanwhile, with the newest key
	Failed    int64  // they stay as they are
	Left      int64  // at the beginning, less what was tried
	After     string // where to go on
}

// maxAway is after how many rows in a row without an answer the store or the sealer is taken to be away.
const maxAway = 5

// MaxBatch bounds how many rows are read at a time.
const MaxBatch = 1000

// Run goes through a tenant's connections, batch by batch, and tells of each batch. A row that does not open stays and
// stops no other. Whoever is interrupted starts again: what is done is not listed any more; after skips what failed
// before.
func (r Rewrapper) Run(ctx context.Context, tenant, after string, batch int, tell func(Progress)) (Progress, error) {
	p := Progress{After: after}
	if r.Store == nil || r.Sealer == nil || r.Alert == nil || r.Now == nil || tenant == "" || batch < 1 || batch > MaxBatch || tell == nil {
		return p, fmt.Errorf("%w: a rewrap needs a store, a sealer, a tenant, and a batch of 1 to %d", ErrIncomplete, MaxBatch)
	}
	var err error
	if p.KeyID, err = r.newest(ctx, tenant); err != nil {
		return p, err
	}
	if p.Left, err = r.Store.RewrapLeft(ctx, tenant, p.KeyID); err != nil {
		return p, err
	}
	away := 0
	for {
		n, err := r.batch(ctx, tenant, batch, &p, &away)
		if err != nil || n == 0 {
			return p, err
		}
		tell(p)
	}
}

// Batch moves one batch behind a row, and tells how many rows it looked at: none is the end. keyID is the newest key's.
func (r Rewrapper) Batch(ctx context.Context, tenant, keyID, after string, batch int) (Progress, int, error) {
	p := Progress{KeyID: keyID, After: after}
	if r.Store == nil || r.Sealer == nil || r.Alert == nil || r.Now == nil || tenant == "" || keyID == "" || batch < 1 || batch > MaxBatch {
		return p, 0, fmt.Errorf("%w: a rewrap needs a store, a sealer, a tenant, a key, and a batch of 1 to %d", ErrIncomplete, MaxBatch)
	}
	away := 0
	n, err := r.batch(ctx, tenant, batch, &p, &away)
	return p, n, err
}

func (r Rewrapper) batch(ctx context.Context, tenant string, batch int, p *Progress, away *int) (int, error) {
	rows, err := r.Store.RewrapNext(ctx, tenant, p.KeyID, p.After, batch)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	moved, err := r.inOneCall(ctx, rows)
	if err != nil {
		return 0, err
	}
	for i, s := range rows {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		err := r.one(ctx, s, moved[i], p)
		if err == nil {
			*away = 0
		} else if *away++; *away >= maxAway {
			return i, err
		}
		p.After = s.ID
	}
	return len(rows), nil
}

// inOneCall has a sealer that can do so move all rows at once. Where it cannot, each is opened and sealed by itself.
func (r Rewrapper) inOneCall(ctx context.Context, rows []Stored) ([]*vault.Rewrapped, error) {
	moved := make([]*vault.Rewrapped, len(rows))
	sealer, ok := r.Sealer.(vault.Batch)
	if !ok {
		return moved, nil
	}
	var all []vault.Stood
	var of []int
	for i, s := range rows {
		if at, err := s.place(s.Version); err == nil {
			all, of = append(all, vault.Stood{Blob: s.Blob, Place: at}), append(of, i)
		}
	}
	done, err := sealer.Rewrap(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("rewrap: %w", err)
	}
	for i := range done {
		moved[of[i]] = &done[i]
	}
	return moved, nil
}

// one rewraps a row. An error says that the store or the sealer did not answer; the row stays as it is.
func (r Rewrapper) one(ctx context.Context, s Stored, moved *vault.Rewrapped, p *Progress) error {
	err := r.rewrap(ctx, s, moved)
	p.Left = max(0, p.Left-1)
	switch {
	case err == nil:
		p.Rewrapped++
		return nil
	case errors.Is(err, ErrMoved) || errors.Is(err, ErrGone):
		p.Moved++
		return nil
	}
	p.Failed++
	if errors.Is(err, vault.ErrUnopened) || errors.Is(err, vault.ErrMalformed) || errors.Is(err, ErrIncomplete) {
		r.Alert(ctx, Alert{Kind: AlertUnopened, Ref: s.Ref, Version: s.Version, Detail: "rewrap: it does not open in its place"})
		return nil
	}
	return fmt.Errorf("rewrap %s: %w", s.ID, err)
}

func (r Rewrapper) rewrap(ctx context.Context, s Stored, moved *vault.Rewrapped) error {
	if moved != nil {
		return r.replace(ctx, s, moved)
	}
	at, err := s.place(s.Version)
	if err != nil {
		return err
	}
	plaintext, err := r.Sealer.Open(ctx, s.Blob, at)
	if err != nil {
		return err
	}
	defer clear(plaintext)
	blob, keyID, err := seal(ctx, r.Sealer, plaintext, at)
	if err != nil {
		return err
	}
	return r.Store.Rewrap(ctx, s, Successor{Blob: blob, KeyID: keyID, SealedAt: r.Now().UTC()})
}

// replace writes what the sealer made of a row.
func (r Rewrapper) replace(ctx context.Context, s Stored, moved *vault.Rewrapped) error {
	if moved.Err != nil {
		return moved.Err
	}
	taken, err := vault.Parse(moved.Blob)
	if err != nil {
		return err
	}
	return r.Store.Rewrap(ctx, s, Successor{Blob: moved.Blob, KeyID: taken.KeyID, SealedAt: r.Now().UTC()})
}

// newest is the key that seals now: a blob tells.
func (r Rewrapper) newest(ctx context.Context, tenant string) (string, error) {
	_, keyID, err := seal(ctx, r.Sealer, []byte("which key"), vault.AAD{Tenant: tenant, Table: table, UID: "none", Column: "key"})
	if err != nil {
		return "", fmt.Errorf("rewrap: %w", err)
	}
	return keyID, nil
}
