package assembly

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/authorize"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/vault/connect"
)

// openConnect opens where people are sent to providers from.
func (s *Server) openConnect() error {
	l := &s.lending
	var err error
	l.desk, err = connect.New(connect.Config{
		Store: s.store.Connects(s.ledger), Connections: l.connections, Sealer: s.credentialSealer(), Providers: l.engines, Log: s.Log, Now: s.Now,
	})
	return err
}

// openConnecting mounts the pages on which they are.
func (s *Server) openConnecting() error {
	l := &s.lending
	holdings, err := downstream.NewHoldings(downstream.Holdings{
		Held: l.connections, Keeper: l.keeper, Source: l.engines, Ender: l.custodian,
	})
	if err != nil {
		return err
	}
	_, err = authorize.NewConnecting(authorize.Connecting{Desk: s.people.desk, Connects: l.desk, Policy: s.grants, Holdings: holdings})
	return err
}

// giveBackEvery is how often what nobody confirmed in time is given back to its provider.
const giveBackEvery = time.Minute

// watchConnects gives back what people brought from providers and did not confirm.
func (s *Server) watchConnects(ctx context.Context) {
	ticks := time.NewTicker(giveBackEvery)
	defer ticks.Stop()
	for {
		tenants, err := s.objects.Tenants(ctx)
		for _, t := range tenants {
			if _, swept := s.lending.desk.Sweep(ctx, t.Tenant.String()); swept != nil { // one tenant's does not hold up the others
				err = swept
			}
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Error("what nobody confirmed could not be given back", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}
