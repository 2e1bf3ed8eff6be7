package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	defaultEvery = 10 * time.Second
	// finishAttempts: at a shutdown of many replicas each wants the last word.
	finishAttempts = 8
)

// Checkpointer writes the checkpoints of one process. Every replica has one; the
// first to write a number wins and the others find nothing to do.
type Checkpointer struct {
	store  Checkpoints
	signer Signer
	every  time.Duration
}

// NewCheckpointer makes one that writes at most every so often; 0 means 10 s.
func NewCheckpointer(store Checkpoints, signer Signer, every time.Duration) (*Checkpointer, error) {
	if store == nil || signer == nil {
		return nil, errors.New("checkpoints need a store and a signer")
	}
	if every == 0 {
		every = defaultEvery
	}
	if every < 0 {
		return nil, fmt.Errorf("checkpoints every %s", every)
	}
	return &Checkpointer{store: store, signer: signer, every: every}, nil
}

// Every is the time between two beats.
func (c *Checkpointer) Every() time.Duration { return c.every }

// Beat says that the writer lives and writes a checkpoint if one is due and something happened.
func (c *Checkpointer) Beat(ctx context.Context, writer string) error {
	_, err := c.write(ctx, writer, c.every*3/4)
	return err
}

// Finish seals the writer and writes the checkpoint that names its end.
func (c *Checkpointer) Finish(ctx context.Context, writer string) error {
	if err := c.store.Seal(ctx, writer); err != nil {
		return fmt.Errorf("seal the audit writer: %w", err)
	}
	for range finishAttempts {
		if done, err := c.write(ctx, "", 0); done || err != nil {
			return err
		}
	}
	return errors.New("other replicas wrote every checkpoint that was tried")
}

// write returns false if somebody else was faster.
func (c *Checkpointer) write(ctx context.Context, writer string, unless time.Duration) (bool, error) {
	now, newest, heads, err := c.store.Beat(ctx, writer)
	if err != nil {
		return false, fmt.Errorf("read the audit heads: %w", err)
	}
	if newest != nil && unless > 0 {
		if age := now.Sub(newest.At); age >= 0 && age < unless { // below 0 the clock stepped back: do not wait for it
			return true, nil
		}
	}
	checkpoint, due, err := next(newest, heads, now)
	if err != nil || !due {
		return true, err
	}
	signed, err := checkpoint.Sign(c.signer)
	if err != nil {
		return false, fmt.Errorf("sign a checkpoint: %w", err)
	}
	var sealed []string
	for _, h := range checkpoint.Heads {
		if h.Sealed {
			sealed = append(sealed, h.Writer)
		}
	}
	added, err := c.store.Add(ctx, signed, sealed)
	if err != nil {
		return false, fmt.Errorf("write a checkpoint: %w", err)
	}
	return added, nil
}
