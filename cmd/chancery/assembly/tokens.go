package assembly

import (
	"context"

	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// openIntrospection opens what is asked about tokens, and what ends them.
func (s *Server) openIntrospection(context.Context) error {
	s.tokens = s.store.Tokens(s.ledger)
	var err error
	s.introspection, err = introspect.New(introspect.Config{
		Clients:     s.clients,
		Registry:    registration.Standing{Registry: s.registry},
		Directories: s.source.Users(),
		Rings:       s.rings,
		Records:     s.tokens,
		Pictures:    s.source,
		Journal:     s.ledger,
		Lane:        s.refusals,
		Profiles:    s.people.sessions,
		Refresh:     s.refreshTokens(),
		Now:         s.Now,
	})
	if err != nil {
		return err
	}
	s.revoker, err = lifecycle.New(lifecycle.Config{
		Tokens: s.tokens, Objects: s.objects, Journal: s.ledger, Events: records{s.store.Audit()}, Now: s.Now, Log: s.Log,
		Changed:     func(t tenant.UID, version int64) { s.source.Changed(t, version) },
		Connections: heldConnections{s.lending.custodian},
	})
	return err
}
