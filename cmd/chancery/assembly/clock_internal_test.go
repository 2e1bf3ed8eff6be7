package assembly

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
)

// TestClocksThatDrift make the replica unready until they agree again; a database that cannot be asked says nothing of clocks.
func TestClocksThatDrift(t *testing.T) {
	s := &Server{Options: Options{Log: slog.New(slog.DiscardHandler)}}
	for i, c := range []struct {
		err error
		off bool
	}{
		{nil, false}, {fmt.Errorf("%w: 40s apart", errClocks), true}, {errClocks, true}, {nil, false}, {errors.New("connection reset"), false},
	} {
		s.watchClock(c.err)
		if s.clockOff.Load() != c.off {
			t.Errorf("%d: off %v", i, s.clockOff.Load())
		}
		if err := s.ready; c.off && err(t.Context()) == nil {
			t.Errorf("%d: ready", i)
		}
	}
}
