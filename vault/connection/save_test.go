package connection_test

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// quick makes the bench's keeper wait for nothing between tries.
func quick(t *testing.T, b *bench) {
	t.Helper()
	c := b.config("quick", nil)
	c.Pause = func(context.Context, time.Duration) error { return nil }
	k, err := connection.New(c)
	must(t, err)
	b.keeper = k
}

func TestSaveIsTriedAgain(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.memory.Break("Save", 5)
	b.clock.add(time.Hour)
	b.works(t, 2)
	b.calls(t, 1)
	b.alerted(t)
}

// The store does not come back in time: nobody gets the token, it rests sealed on the shelf, and is saved from there.
func TestTheShelf(t *testing.T) {
	for name, later := range map[string]time.Duration{"at once": 0, "when others have given it up": time.Minute} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, provider.SingleUse)
			quick(t, b)
			b.memory.Break("Save", 8)
			b.clock.add(time.Hour)
			if live, err := b.fresh(t); err == nil || live.Credential.Access.Reveal() != "" {
				t.Fatalf("handed out what is not saved: %v", err)
			}
			b.alerted(t, connection.AlertOrphan)
			want := []connection.AlertKind{connection.AlertOrphan}
			if later > 0 {
				b.clock.add(later)
				elsewhere := b.config("elsewhere", nil)
				elsewhere.Shelf = &connectiontest.Shelf{}
				k, err := connection.New(elsewhere)
				must(t, err)
				_, err = k.Fresh(t.Context(), b.ref, connection.Want{})
				isRefusal(t, err, connection.CodeReauthorization)
				want = append(want, connection.AlertLost)
			}
			b.works(t, 2)
			b.calls(t, 1)
			b.alerted(t, append(want, connection.AlertRepaired)...)
			if all, err := b.shelf.List(); err != nil || len(all) != 0 {
				t.Errorf("it is still on the shelf: %v", err)
			}
		})
	}
}

func TestRepairAfterARestart(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.memory.Break("Save", 8)
	b.clock.add(time.Hour)
	if _, err := b.fresh(t); err == nil {
		t.Fatal("handed out")
	}
	k := b.another(t, "quick", nil)
	b.memory.Break("Save", 1)
	if n, err := k.Repair(t.Context()); err == nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := k.Repair(t.Context()); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	b.works(t, 2)
	if n, err := k.Repair(t.Context()); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// Its owner connected again meanwhile: the shelf's is dropped, and the new one stays.
func TestRepairComesTooLate(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.memory.Break("Save", 8)
	b.clock.add(time.Hour)
	_, _ = b.fresh(t)
	again, err := connection.Seal(t.Context(), b.ring, b.ref, 2, b.fake.Connect(), b.clock.now())
	must(t, err)
	must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) {
		s.Blob, s.Version, s.Flight, s.ExpiresAt, s.RefreshAt = again.Blob, 2, connection.Flight{State: connection.Idle}, again.ExpiresAt, again.RefreshAt
	}))
	if n, err := b.keeper.Repair(t.Context()); err != nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	b.works(t, 2)
	b.alerted(t, connection.AlertOrphan, connection.AlertSuperseded)
	if all, _ := b.shelf.List(); len(all) != 0 {
		t.Error("it is still on the shelf")
	}
}

// Neither the store nor the shelf takes it: it is lost, and two alerts say so.
func TestNothingTakesIt(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.shelf.Full = true
	b.memory.Break("Save", 8)
	b.clock.add(time.Hour)
	if _, err := b.fresh(t); err == nil {
		t.Fatal("handed out")
	}
	b.clock.add(31 * time.Second)
	b.refused(t, connection.CodeReauthorization)
	b.calls(t, 1)
	b.alerted(t, connection.AlertOrphan, connection.AlertLost)
}

func TestASealerThatGoesAwayMeanwhile(t *testing.T) {
	for rotation, want := range map[provider.Rotation]connection.Code{
		provider.SingleUse: connection.CodeReauthorization, provider.RotationNone: connection.CodeUnavailable,
	} {
		b := newBench(t, rotation)
		quick(t, b)
		b.fake.During = func() { b.sealer.away(true, false) }
		b.clock.add(time.Hour)
		b.refused(t, want)
		if all, _ := b.shelf.List(); len(all) != 0 {
			t.Error("something is on the shelf")
		}
		b.fake.During = nil
		b.sealer.away(false, false)
		if rotation == provider.RotationNone {
			b.clock.add(time.Second)
			b.works(t, 2)
		}
	}
}

// The connection is removed while the provider answers: what it gave does not outlive it.
func TestRemovedMeanwhile(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.fake.During = func() { must(t, b.memory.Remove(t.Context(), b.ref.Tenant, b.ref.ID)) }
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeNotConnected)
	if b.fake.Revoked() != 1 {
		t.Error("the successor was not revoked")
	}
	b.alerted(t)
}

func TestSuspendedMeanwhile(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.fake.During = func() {
		must(t, b.memory.SetStatus(t.Context(), b.ref.Tenant, b.ref.ID, connection.Suspended, "held"))
	}
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeSuspended)
	if row := b.row(t); row.Version != 2 || row.Status != connection.Suspended {
		t.Errorf("%+v", row.Connection)
	}
}

// It is not known whether the mark was made: nothing was sent, and it is taken back.
func TestBeginUnknown(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.memory.Break("Begin", 1)
	b.clock.add(time.Hour)
	if _, err := b.fresh(t); err == nil {
		t.Fatal("it did not matter")
	}
	b.calls(t, 0)
	b.works(t, 2)
}

// What came of it cannot be written down at first.
func TestFailIsTriedAgain(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.answers(false, says(provider.Transient))
	b.memory.Break("Fail", 7)
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeUnavailable)
	b.clock.add(time.Second)
	b.works(t, 2)
}

// The end of a connection is written, and the answer to that is lost: somebody hears of it all the same.
func TestAnEndIsNotSilent(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	quick(t, b)
	b.answers(false, says(provider.Terminal))
	c := b.config("replica", nil)
	c.Store = &deaf{Memory: b.memory}
	k, err := connection.New(c)
	must(t, err)
	b.keeper = k
	b.clock.add(time.Hour)
	b.refused(t, connection.CodeReauthorization)
	b.alerted(t, connection.AlertDead)
}

// deaf does what it is told, and does not say so the first time.
type deaf struct {
	*connectiontest.Memory
	told bool
}

func (d *deaf) Fail(ctx context.Context, a connection.Attempt, f connection.Failure) error {
	err := d.Memory.Fail(ctx, a, f)
	if !d.told {
		d.told = true
		return connectiontest.ErrAway
	}
	return err
}

func (d *deaf) Save(ctx context.Context, a connection.Attempt, s connection.Successor) error {
	err := d.Memory.Save(ctx, a, s)
	if !d.told {
		d.told = true
		return connectiontest.ErrAway
	}
	return err
}

// The commit's answer is lost (F6): saving again says that it was saved.
func TestSaveOfWhatWasSaved(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	c := b.config("replica", nil)
	c.Store = &deaf{Memory: b.memory}
	k, err := connection.New(c)
	must(t, err)
	b.keeper = k
	b.clock.add(time.Hour)
	b.works(t, 2)
	b.calls(t, 1)
	b.alerted(t)
}

// Its owner connects again while the provider answers: the new consent's credential stays.
func TestReplacedMeanwhile(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.fake.During = func() {
		again, err := connection.Seal(t.Context(), b.ring, b.ref, 2, provider.Credential{
			Origin: provider.FromPerson, Access: provider.NewSecret("new consent"), IssuedAt: b.clock.now(), ExpiresAt: b.clock.now().Add(time.Hour),
		}, b.clock.now())
		must(t, err)
		must(t, b.memory.Alter(b.ref.Tenant, b.ref.ID, func(s *connection.Stored) {
			s.Blob, s.Version, s.Flight, s.ExpiresAt, s.RefreshAt = again.Blob, 2, connection.Flight{State: connection.Idle}, again.ExpiresAt, again.RefreshAt
		}))
	}
	b.clock.add(time.Hour)
	live, err := b.fresh(t)
	if err != nil || live.Credential.Access.Reveal() != "new consent" || live.Version != 2 {
		t.Fatalf("%v", err)
	}
	b.alerted(t, connection.AlertSuperseded)
}

// What somebody else's file on the shelf says is not saved.
func TestTheShelfIsCompared(t *testing.T) {
	for name, breaks := range map[string]func(*connection.Orphan){
		"another owner":   func(o *connection.Orphan) { o.Ref.Owner.UID = "usr_eve" },
		"another version": func(o *connection.Orphan) { o.Attempt.Version++ },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, provider.SingleUse)
			quick(t, b)
			b.memory.Break("Save", 8)
			b.clock.add(time.Hour)
			_, _ = b.fresh(t)
			all, err := b.shelf.List()
			if err != nil || len(all) != 1 {
				t.Fatalf("%v, %v", all, err)
			}
			breaks(&all[0])
			must(t, b.shelf.Keep(all[0]))
			b.clock.add(31 * time.Second)
			b.refused(t, connection.CodeReauthorization)
			b.alerted(t, connection.AlertOrphan, connection.AlertLost)
		})
	}
}
