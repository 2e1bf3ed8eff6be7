package snapshot_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// memory is a database of one tenant with one client, whose display name counts
// its revisions. Reads can be held up, to order them against changes.
type memory struct {
	mu       sync.Mutex
	version  int64
	revision int
	changes  []int64 // versions that are still named; others were swept
	down     bool
	reads    int

	// paused is told of each read of the client after it has happened; what it
	// waits for comes before the answer.
	paused func(revision int)
}

var (
	only     = tenant.MustParseUID("ten_01JONLY0000000000000000000")
	errDown  = errors.New("the database is down")
	clientID = "claude"
)

func newMemory() *memory { return &memory{version: 1, revision: 1, paused: func(int) {}} }

func (m *memory) change() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.version++
	m.revision++
	m.changes = append(m.changes, m.version)
	return m.version
}

// commit is the ledger: it takes what was decided on the version of now, and tells
// the client's revision of now.
func (m *memory) commit(p ledger.Picture) (taken bool, revision int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return p.Version == m.version, m.revision
}

func (m *memory) Tenant(_ context.Context, name string) (object.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.down {
		return object.Stored{}, errDown
	}
	if name != tenant.DefaultName {
		return object.Stored{}, object.ErrNotFound
	}
	return object.Stored{Tenant: only, UID: only.String(), Kind: object.KindTenant, Name: name, Spec: []byte("{}")}, nil
}

func (m *memory) List(context.Context, tenant.UID, object.Kind, string, int) ([]object.Stored, error) {
	return nil, nil
}

func (m *memory) ByUID(context.Context, tenant.UID, object.Kind, string) (object.Stored, error) {
	return object.Stored{}, object.ErrNotFound
}

func (m *memory) FindByKey(_ context.Context, t tenant.UID, _, value string) ([]object.Stored, error) {
	m.mu.Lock()
	m.reads++
	revision, down, paused := m.revision, m.down, m.paused
	m.mu.Unlock()
	if down {
		return nil, errDown
	}
	if value != clientID {
		return nil, nil
	}
	paused(revision)
	spec := fmt.Sprintf(`{"client_id":%q,"display_name":"%d"}`, value, revision)
	return []object.Stored{{Tenant: t, UID: "cli_1", Kind: object.KindClient, Name: value, Spec: []byte(spec)}}, nil
}

func (m *memory) Get(ctx context.Context, t tenant.UID, _ object.Kind, name string) (object.Stored, error) {
	found, err := m.FindByKey(ctx, t, object.SpaceClientID, name)
	if err != nil || len(found) == 0 {
		return object.Stored{}, cmp.Or(err, object.ErrNotFound)
	}
	return found[0], nil
}

func (m *memory) Secrets(context.Context, tenant.UID, string) ([]object.Secret, error) {
	return nil, nil
}

func (m *memory) Versions(ctx context.Context) (map[tenant.UID]int64, error) {
	v, err := m.Version(ctx, only)
	return map[tenant.UID]int64{only: v}, err
}

func (m *memory) Version(context.Context, tenant.UID) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return 0, errDown
	}
	return m.version, nil
}

func (m *memory) Changes(_ context.Context, _ tenant.UID, after int64) (changed []ledger.ChangedObject, upTo int64, complete bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	upTo, complete = after, true
	for _, v := range m.changes {
		if v <= after {
			continue
		}
		complete = complete && v == upTo+1
		upTo = v
		changed = append(changed, ledger.ChangedObject{Kind: "Client", UID: "cli_1"})
	}
	return changed, upTo, complete, nil
}

func revisionOf(t testing.TB, c *client.Client) int {
	t.Helper()
	n, err := strconv.Atoi(c.DisplayName)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLoadUnderWayDuringAChange: a request that began before the change may get
// the older client, and its picture is older too; one that begins afterwards
// neither joins the older load nor finds what it brought.
func TestLoadUnderWayDuringAChange(t *testing.T) {
	m := newMemory()
	r := newReplica(t, m, m)
	before := get(t, r, tenant.DefaultName)

	reading, goOn := make(chan struct{}), make(chan struct{})
	m.paused = func(revision int) {
		if revision == 1 {
			close(reading)
			<-goOn
		}
	}
	type answer struct {
		c   *client.Client
		err error
	}
	old := make(chan answer, 1)
	go func() {
		c, err := r.Clients().Lookup(t.Context(), only, clientID)
		old <- answer{c, err}
	}()
	<-reading // revision 1 was read, and is not answered yet
	m.change()
	poll(t, r)
	after := get(t, r, tenant.DefaultName)
	if after.Version != 2 {
		t.Fatalf("the picture has version %d, want 2", after.Version)
	}
	c, err := r.Clients().Lookup(t.Context(), only, clientID) // does not wait for goOn
	if err != nil || revisionOf(t, c) != 2 {
		t.Fatalf("with the newer picture: revision %v, %v", c, err)
	}
	close(goOn)
	late := <-old
	if late.err != nil || revisionOf(t, late.c) != 1 {
		t.Fatalf("the request of before: %+v", late)
	}
	if taken, _ := m.commit(before.Pictures()[0]); taken {
		t.Fatal("the ledger took what was decided on the older client")
	}
	c, err = r.Clients().Lookup(t.Context(), only, clientID)
	if err != nil || revisionOf(t, c) != 2 {
		t.Fatalf("the older load was kept: revision %v, %v", c, err)
	}
}

// TestNoOlderClientWithANewerVersion lets requests, changes and polls run against
// each other: whatever the ledger takes was decided on the client as it was then.
func TestNoOlderClientWithANewerVersion(t *testing.T) {
	m := newMemory()
	m.paused = func(int) { time.Sleep(time.Microsecond) } // between the read and its answer
	r := newReplica(t, m, m)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var background, requests sync.WaitGroup
	background.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			v := m.change()
			if i%3 == 0 {
				r.Changed(only, v, "cli_1") // as if through this process
			}
			if i%50 == 0 { // the sweeper
				m.mu.Lock()
				m.changes = nil
				m.mu.Unlock()
			}
			time.Sleep(50 * time.Microsecond)
		}
	})
	background.Go(func() {
		for ctx.Err() == nil {
			_ = r.Poll(ctx)
		}
	})
	var mu sync.Mutex
	taken, stale := 0, 0
	for range 8 {
		requests.Go(func() {
			for ctx.Err() == nil {
				p, err := r.Get(ctx, tenant.DefaultName) // first the picture
				if err != nil {
					continue
				}
				c, err := r.Clients().Lookup(ctx, only, clientID) // then the client
				if err != nil {
					continue
				}
				ok, now := m.commit(p.Pictures()[0])
				mu.Lock()
				if ok {
					taken++
					if seen := revisionOf(t, c); seen != now {
						t.Errorf("the ledger took version %d, decided on revision %d of the client; it was %d", p.Version, seen, now)
					}
				} else {
					stale++
				}
				mu.Unlock()
			}
		})
	}
	requests.Wait()
	cancel()
	background.Wait()
	if taken == 0 || stale == 0 {
		t.Fatalf("%d taken, %d stale: nothing was put to the test", taken, stale)
	}
}

func TestDatabaseDown(t *testing.T) {
	m := newMemory()
	r := newReplica(t, m, m)
	if _, err := r.Clients().Lookup(t.Context(), only, "nobody"); !errors.Is(err, client.ErrUnknown) {
		t.Fatal(err)
	}
	known := get(t, r, tenant.DefaultName)
	m.down = true
	if p := get(t, r, tenant.DefaultName); p != known {
		t.Fatal("what is known was given up")
	}
	if err := r.Poll(t.Context()); !errors.Is(err, errDown) {
		t.Fatalf("poll: %v", err)
	}
	if _, err := r.Refresh(t.Context(), known); !errors.Is(err, errDown) {
		t.Fatalf("refresh: %v", err)
	}
	if _, err := r.Clients().Lookup(t.Context(), only, clientID); !errors.Is(err, errDown) || errors.Is(err, client.ErrUnknown) {
		t.Fatalf("a client that cannot be read: %v", err)
	}
	if _, err := r.Get(t.Context(), "other"); !errors.Is(err, errDown) || errors.Is(err, snapshot.ErrUnknownTenant) {
		t.Fatalf("a tenant that cannot be read: %v", err)
	}
	m.down = false
	if _, err := r.Clients().Lookup(t.Context(), only, clientID); err != nil {
		t.Fatalf("an error was remembered: %v", err)
	}
}

// TestUnknownIsBounded: guesses cost one read each second at most, and push out nothing that is known.
func TestUnknownIsBounded(t *testing.T) {
	m := newMemory()
	r := newReplica(t, m, m)
	get(t, r, tenant.DefaultName)
	if _, err := r.Clients().Lookup(t.Context(), only, clientID); err != nil {
		t.Fatal(err)
	}
	for i := range 20_000 {
		if _, err := r.Clients().Lookup(t.Context(), only, strconv.Itoa(i)); !errors.Is(err, client.ErrUnknown) {
			t.Fatal(err)
		}
	}
	for range 3_000 {
		wantUnknown(t, r, "guess")
	}
	before := m.reads
	for range 100 {
		if _, err := r.Clients().Lookup(t.Context(), only, clientID); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Clients().Lookup(t.Context(), only, "19999"); !errors.Is(err, client.ErrUnknown) {
			t.Fatal(err)
		}
		wantUnknown(t, r, "guess")
	}
	if m.reads != before {
		t.Fatalf("%d reads of what was known", m.reads-before)
	}
	r.clock.advance(snapshot.UnknownFor)
	if _, err := r.Clients().Lookup(t.Context(), only, "19999"); !errors.Is(err, client.ErrUnknown) {
		t.Fatal(err)
	}
	if m.reads != before+1 {
		t.Fatalf("%d reads a second later, want 1", m.reads-before)
	}
}

func TestManyRequestsLoadOnce(t *testing.T) {
	m := newMemory()
	release := make(chan struct{})
	m.paused = func(int) { <-release }
	r := newReplica(t, m, m)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := r.Clients().Lookup(t.Context(), only, clientID); err != nil {
				t.Error(err)
			}
		})
	}
	// Whoever gives up does not take the load of the others with him.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Clients().Lookup(ctx, only, clientID); !errors.Is(err, context.Canceled) {
		t.Errorf("gave up: %v", err)
	}
	close(release)
	wg.Wait()
	if m.reads != 1 {
		t.Fatalf("%d loads, want 1", m.reads)
	}
}

func TestConfigRefused(t *testing.T) {
	m := newMemory()
	fine := snapshot.Config{Store: m, Versions: m, PublicURL: publicURL, Now: time.Now, Log: discard()}
	if _, err := snapshot.New(fine); err != nil {
		t.Fatal(err)
	}
	for name, breakIt := range map[string]func(*snapshot.Config){
		"store":    func(c *snapshot.Config) { c.Store = nil },
		"versions": func(c *snapshot.Config) { c.Versions = nil },
		"url":      func(c *snapshot.Config) { c.PublicURL = "" },
		"slash":    func(c *snapshot.Config) { c.PublicURL += "/" },
		"clock":    func(c *snapshot.Config) { c.Now = nil },
		"log":      func(c *snapshot.Config) { c.Log = nil },
	} {
		c := fine
		breakIt(&c)
		if _, err := snapshot.New(c); err == nil {
			t.Errorf("without %s: accepted", name)
		}
	}
}
