package assembly

import (
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
)

func TestRetention(t *testing.T) {
	for decisions, tokens := range map[time.Duration]time.Duration{
		time.Hour: 48 * time.Hour, 48 * time.Hour: 48 * time.Hour, 720 * time.Hour: 720 * time.Hour,
	} {
		if got, want := retention(decisions), (store.Retention{Decisions: decisions, Tokens: tokens}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}
