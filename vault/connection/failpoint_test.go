package connection_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/connection/connectiontest"
	"github.com/chancery-dev/chancery/vault/provider"
)

// A process is killed at each point, for each kind of rotation (F2, F10). The next one hands out a token that works, or says
// that its owner must connect again, with an alert: never a token that is dead, and never nothing (I3, I4).
func TestKilled(t *testing.T) {
	const (
		works = "works"
		lost  = "lost"
	)
	for _, test := range []struct {
		rotation provider.Rotation
		at       connection.Point
		later    time.Duration // until the next process looks
		want     string
		calls    int
	}{
		{provider.SingleUse, connection.BeforeCall, 31 * time.Second, lost, 0},
		{provider.SingleUse, connection.AfterAnswer, 31 * time.Second, lost, 1},
		{provider.SingleUse, connection.BeforeSave, 31 * time.Second, lost, 1},
		{provider.SingleUse, connection.AfterSave, 31 * time.Second, works, 1},
		{provider.SingleUse, connection.AfterSave, 0, works, 1},
		{provider.RotationWindow, connection.BeforeCall, 31 * time.Second, works, 1},
		{provider.RotationWindow, connection.AfterAnswer, 31 * time.Second, works, 2},
		{provider.RotationWindow, connection.BeforeSave, 31 * time.Second, works, 2},
		{provider.RotationWindow, connection.AfterSave, 31 * time.Second, works, 1},
		{provider.RotationWindow, connection.BeforeCall, connectiontest.Window, lost, 0},
		{provider.RotationWindow, connection.AfterAnswer, connectiontest.Window, lost, 1},
		{provider.RotationNone, connection.BeforeCall, 31 * time.Second, works, 1},
		{provider.RotationNone, connection.AfterAnswer, time.Hour, works, 2},
		{provider.RotationNone, connection.BeforeSave, 31 * time.Second, works, 2},
		{provider.RotationNone, connection.AfterSave, 31 * time.Second, works, 1},
	} {
		t.Run(string(test.rotation)+" "+string(test.at)+" "+test.later.String(), func(t *testing.T) {
			b := newBench(t, test.rotation)
			b.clock.add(time.Hour)
			b.points.kill = test.at
			if _, err := b.fresh(t); !errors.Is(err, errKilled) {
				t.Fatalf("it lives: %v", err)
			}
			if row := b.row(t); test.at != connection.AfterSave && row.Flight.State != connection.InFlight {
				t.Fatalf("no mark was made: %+v", row.Flight)
			}
			b.clock.add(test.later)
			b.keeper = b.another(t, "replica-2", nil)
			if test.want == works {
				b.works(t, 2)
				b.alerted(t)
			} else {
				b.refused(t, connection.CodeReauthorization)
				b.refused(t, connection.CodeReauthorization) // and it stays so
				b.alerted(t, connection.AlertLost)
			}
			b.calls(t, test.calls)
		})
	}
}

// While an attempt may be alive nobody takes its place: the next one waits, and then acts.
func TestKilledALittleAgo(t *testing.T) {
	b := newBench(t, provider.RotationNone)
	b.clock.add(time.Hour)
	b.points.kill = connection.AfterAnswer
	if _, err := b.fresh(t); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	c := b.config("replica-2", nil)
	looks := 0
	c.Pause = func(context.Context, time.Duration) error {
		if looks++; looks == 3 {
			b.calls(t, 1)
			b.clock.add(31 * time.Second)
		}
		return nil
	}
	k, err := connection.New(c)
	must(t, err)
	b.keeper = k
	b.works(t, 2)
	if looks != 3 {
		t.Errorf("looked %d times", looks)
	}
}

// A process was not dead but stopped. What it brings afterwards is taken, and its owner need not connect again.
func TestTheDeadComesBack(t *testing.T) {
	b := newBench(t, provider.SingleUse)
	b.clock.add(time.Hour)
	stopped := b.another(t, "stopped", nil)
	b.fake.During = func() {
		b.fake.During = nil
		b.clock.add(31 * time.Second)
		b.refused(t, connection.CodeReauthorization) // somebody else gives it up
	}
	live, err := stopped.Fresh(t.Context(), b.ref, connection.Want{})
	must(t, err)
	if !b.fake.Works(live.Credential) {
		t.Error("it does not work")
	}
	b.works(t, 2)
	b.calls(t, 1)
	b.alerted(t, connection.AlertLost)
}
