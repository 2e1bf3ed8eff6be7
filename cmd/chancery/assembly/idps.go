package assembly

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/oidc"
)

// captureEvery is how often a replica looks which IdPs somebody waits for.
const captureEvery = time.Second

// openCaptures comes before the grants, which show it each assertion.
func (s *Server) openCaptures(context.Context) error {
	var err error
	s.captures, err = capture.New(capture.Config{Store: s.store.Captures(s.ledger), Sealer: s.secrets, Now: s.Now, Log: s.Log})
	return err
}

func (s *Server) watchCaptures(ctx context.Context) {
	ticks := time.NewTicker(captureEvery)
	defer ticks.Stop()
	s.captures.Run(ctx, ticks.C)
}

// idpTests goes through a door of its own with the rules of all: a test must not use up the slots of what is served.
func (s *Server) idpTests() rehearsal.Tests {
	door := fetch.New(s.Config.Egress.Policy())
	return rehearsal.Tests{
		Pictures: s.source,
		Tester:   diagnose.Tester{Fetch: door, Now: s.Now},
		Journal:  s.ledger,
		Relying:  oidc.New(door, s.keySets, s.Now),
		Metadata: s.metadata,
		Stage:    rehearsal.Stage{Grant: s.grants.Config, Clients: s.registry, Fetch: door, Now: s.Now},
	}
}
