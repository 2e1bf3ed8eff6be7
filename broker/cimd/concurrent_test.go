package cimd_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// Many who ask for one document at once wait for one fetch.
func TestOneFlight(t *testing.T) {
	const many = 100
	door := serving(t, members())
	release := make(chan struct{})
	door.before = func() { <-release }
	s := source(t, door, newClock().Now)
	var all sync.WaitGroup
	asking := make(chan struct{}, many)
	for range many {
		all.Go(func() {
			asking <- struct{}{}
			if _, err := s.Get(t.Context(), acme(), rules(), address); err != nil {
				t.Error(err)
			}
		})
	}
	for range many {
		<-asking
	}
	close(release)
	all.Wait()
	if door.fetches() != 1 {
		t.Errorf("%d fetches", door.fetches())
	}
}

// Documents age, fail, change and are forgotten while they are asked for.
func TestConcurrent(t *testing.T) {
	clock := newClock()
	bodies := [][]byte{encode(t, members()), encode(t, with(members(), "redirect_uris", []any{"https://b.example/"}))}
	var mu sync.Mutex
	turn := 0
	door := newWeb(func(string) (fetch.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		turn++
		if turn%3 == 0 {
			return fetch.Response{}, down()
		}
		return answer(bodies[turn%2], "max-age=300"), nil
	})
	changes := 0
	s := source(t, door, clock.Now, func(c *cimd.Config) {
		c.Documents = 8
		c.Changed = func(cimd.Change) {
			mu.Lock()
			defer mu.Unlock()
			changes++
		}
	})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 200 {
				switch {
				case i == 0:
					clock.forward(cimd.MinLifetime / 4)
				case i == 1 && j%50 == 0:
					s.Forget(acme(), address)
				case i == 2:
					_, _ = s.Get(t.Context(), globex(), rules(), fmt.Sprintf("https://x.agents.example.net/%d", j))
				default:
					if c, err := s.Get(t.Context(), acme(), rules(), address); err == nil && len(c.RedirectURIs) != 1 {
						t.Errorf("client %+v", c)
					}
				}
			}
		})
	}
	all.Wait()
	s.Close()
}
