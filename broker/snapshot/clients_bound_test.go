package snapshot_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/snapshot/snapshottest"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// asked notes what the store was asked for.
type asked struct {
	*snapshottest.Shelf
	keys []string
}

func (a *asked) FindByKey(ctx context.Context, t tenant.UID, space, value string) ([]object.Stored, error) {
	a.keys = append(a.keys, value)
	return a.Shelf.FindByKey(ctx, t, space, value)
}

// What is not there is remembered for a while. A client_id that no client can have is neither looked
// for nor remembered: nobody could bound the memory that guesses of 64 KiB each take.
func TestLongClientIDsAreNotRemembered(t *testing.T) {
	shelf, _ := snapshottest.New(t, publicURL, time.Now, "")
	store := &asked{Shelf: shelf}
	source, err := snapshot.New(snapshot.Config{Store: store, Versions: shelf, PublicURL: publicURL, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	root := get(t, &replica{Source: source}, tenant.DefaultName)
	for id, looked := range map[string]bool{strings.Repeat("c", 255): true, strings.Repeat("c", 256): false, strings.Repeat("c", 60<<10): false} {
		store.keys = nil
		if _, err := source.Clients().Lookup(t.Context(), root.UID, id); !errors.Is(err, client.ErrUnknown) {
			t.Fatalf("%d bytes: %v, want ErrUnknown", len(id), err)
		}
		if (len(store.keys) > 0) != looked {
			t.Errorf("%d bytes: looked for %v, want %v", len(id), len(store.keys) > 0, looked)
		}
	}
}
