package keys

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/federation/jwks"
)

type checkpointMemory struct {
	mu     sync.Mutex
	rows   []CheckpointRow
	events []audit.Event
}

func (m *checkpointMemory) CheckpointKeys(context.Context) ([]CheckpointRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.rows), nil
}

func (m *checkpointMemory) AddCheckpointKey(_ context.Context, row CheckpointRow, made audit.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.rows {
		if other.RetiredAt.IsZero() {
			return ErrConflict
		}
	}
	m.rows = append(m.rows, row)
	m.events = append(m.events, made)
	return nil
}

func TestCheckpointKey(t *testing.T) {
	b := newBench(t)
	store := &checkpointMemory{}
	made := audit.Event{ID: "evt_1", Type: audit.TypeCheckpointKeyMade}
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids { // replicas that start together
		wg.Go(func() {
			key, err := LoadCheckpointKey(t.Context(), store, b.sealer, b.now, made)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = key.KeyID()
		})
	}
	wg.Wait()
	if len(slices.Compact(ids)) != 1 || len(store.rows) != 1 || store.events[0].Detail["kid"] != ids[0] {
		t.Fatalf("keys %v, rows %d", ids, len(store.rows))
	}

	key, err := LoadCheckpointKey(t.Context(), store, b.sealer, b.now, made)
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"number":1}`)
	signature, err := key.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	head, tail, found := strings.Cut(signature, "..")
	if !found {
		t.Fatalf("not detached: %s", signature)
	}
	set, _, err := jwks.Parse(key.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	if !verifies(t, head+"."+encode(payload)+"."+tail, set) {
		t.Fatal("the signature does not verify")
	}
	if verifies(t, head+"."+encode([]byte(`{"number":2}`))+"."+tail, set) {
		t.Fatal("the signature verifies another payload")
	}
}

func TestCheckpointKeyOfAnotherPlace(t *testing.T) {
	b := newBench(t)
	r := b.replica(t)
	tokenKey := b.store.rows[one][signer(t, r, one, ES256).KeyID()]
	store := &checkpointMemory{rows: []CheckpointRow{{KeyID: tokenKey.KeyID, PublicJWK: tokenKey.PublicJWK, Sealed: tokenKey.Sealed}}}
	if _, err := LoadCheckpointKey(t.Context(), store, b.sealer, b.now, audit.Event{}); err == nil {
		t.Fatal("a token key signs checkpoints")
	}
	if len(store.rows) != 1 {
		t.Fatal("another key was made over one that does not open")
	}
}
