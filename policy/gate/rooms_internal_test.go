package gate

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// One author's checks, however many, are one at a time; another's has room beside them.
func TestRoomsAreShared(t *testing.T) {
	rooms, began, end := NewRooms(), make(chan struct{}, 64), make(chan struct{})
	rooms.examine = func(ctx context.Context, _ string, _ Request) (Report, error) {
		began <- struct{}{}
		select {
		case <-end:
		case <-ctx.Done():
		}
		return Report{Done: true}, ctx.Err()
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := rooms.Examine(t.Context(), "", Request{Author: "acme"}); err != nil {
				t.Errorf("acme: %v", err)
			}
		})
	}
	<-began
	all.Go(func() {
		if _, err := rooms.Examine(t.Context(), "", Request{Author: "other"}); err != nil {
			t.Errorf("other: %v", err)
		}
	})
	<-began // while acme's first still runs
	select {
	case <-began:
		t.Error("two checks of one author run at a time")
	case <-time.After(50 * time.Millisecond):
	}

	close(end)
	all.Wait()
	if len(rooms.authors) != 0 || len(rooms.all) != 0 {
		t.Errorf("%d authors and %d rooms are left", len(rooms.authors), len(rooms.all))
	}
}

func TestRoomsAreBounded(t *testing.T) {
	rooms := NewRooms()
	for range cap(rooms.all) {
		rooms.all <- struct{}{}
	}
	rooms.wait = time.Millisecond
	if _, err := rooms.Examine(t.Context(), "", Request{Author: "acme"}); !errors.Is(err, ErrBusy) {
		t.Errorf("without room: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rooms.Examine(ended, "", Request{Author: "acme"}); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever asked is gone: %v", err)
	}
}
