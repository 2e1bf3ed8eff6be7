package assembly

import (
	"context"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/grant"
)

// openCallers opens who may ask, with his budget.
func (s *Server) openCallers(context.Context) error {
	authenticator, err := client.NewAuthenticator(s.registry, s.keySets, s.Now)
	if err != nil {
		return err
	}
	s.clients, err = s.budgets(authenticator)
	return err
}

// vending is what lending providers' tokens needs.
func (s *Server) vending() (*grant.Vending, error) {
	lender, err := downstream.NewLender(downstream.Lender{
		Finder: s.lending.connections, Keeper: s.lending.keeper, Source: s.lending.engines, Signers: s.rings,
		Algorithm: s.Config.Keys.Algorithm, Log: s.Log, Now: s.Now,
	})
	if err != nil {
		return nil, err
	}
	return &grant.Vending{Subjects: s.introspection, Downstream: lender, Observer: s.metrics, Connecting: s.connecting()}, nil
}

// connecting is at which desk people are given links to connect accounts; nil while none is opened.
func (s *Server) connecting() grant.Connecting {
	if s.lending.desk == nil {
		return nil
	}
	return s.lending.desk
}
