package pool_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/policytest"
)

// However often an administrator has a policy explained that does not end, replayed or put to a matrix, the requests of others
// find an evaluator.
func TestWhatNobodyWaitsForLeavesRoom(t *testing.T) {
	w := open(t, 5*time.Second, nil)
	bomb, err := policy.Isolate(policytest.Grant(loop))
	if err != nil {
		t.Fatal(err)
	}
	good := isolated(t, policytest.Grant(yes))
	if d := w.Decide(t.Context(), good, policytest.Alice()); !d.Allow {
		t.Fatalf("%+v", d)
	}
	beside := policy.NewInProcess(5*time.Second, policy.WithFar(w.pool), policy.Beside())
	t.Cleanup(beside.Close)

	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 { // each with a set of its own, as requests to the server have
		all.Go(func() { _, _ = w.Explain(ctx, bomb, policytest.Alice()) })
		all.Go(func() { _, _ = w.Say(ctx, bomb, policytest.Alice()) })
		set := isolated(t, policytest.Grant(loop))
		all.Go(func() { beside.Decide(ctx, set, policytest.Alice()) })
	}
	time.Sleep(200 * time.Millisecond) // they hold what they can
	for range 20 {
		began := time.Now()
		if d := w.Decide(t.Context(), good, policytest.Alice()); !d.Allow {
			t.Fatalf("%+v", d)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Fatalf("it waited %v", took)
		}
		time.Sleep(10 * time.Millisecond) // what is beside keeps its place meanwhile
	}
	cancel()
	all.Wait()
}
