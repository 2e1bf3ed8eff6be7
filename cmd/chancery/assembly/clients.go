package assembly

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/limit"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// openClients brings every way together in which a client can be one: an administrator's object, a document, a registration.
func (s *Server) openClients(context.Context) error {
	documents, err := s.openDocuments()
	if err != nil {
		return err
	}
	kept := s.store.Registrations(s.ledger)
	s.registry, err = registration.NewRegistry(registration.RegistryConfig{
		Clients: s.source.Clients(), Pictures: s.source, Documents: documents, Touch: kept.Touch, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	budget, err := limit.New[netip.Prefix](registration.Rate(), bucketsKept, s.Now)
	if err != nil {
		return err
	}
	s.countLimited("registration", budget.Refused)
	s.desk, err = registration.New(registration.Config{
		Store: kept, Lane: s.refusals, Budget: budget, Now: s.Now, Log: s.Log, Changed: s.source.Changed,
	})
	return err
}

// openDocuments: where nothing may leave, what the operator put into a folder is all there is.
func (s *Server) openDocuments() (*cimd.Source, error) {
	c := cimd.Config{
		Now: s.Now, Dev: s.DevDocuments, Offline: s.Config.Egress.Mode != "allow",
		Changed: func(c cimd.Change) {
			s.Log.Info("a client ID metadata document changed", "tenant", c.Tenant.String(), "client_id", c.ClientID,
				"redirect_uris", c.Difference.RedirectURIs, "method", c.Difference.Method, "keys", c.Difference.Keys)
		},
		Observe: func(e cimd.Event) {
			if e.Err != nil {
				s.Log.LogAttrs(context.Background(), slog.LevelDebug, "a client ID metadata document cannot be had",
					slog.String("client_id", e.ClientID), slog.Duration("took", e.Took), slog.Any("error", e.Err))
			}
		},
	}
	if !c.Offline {
		c.Fetch = fetch.New(s.Config.Egress.Policy())
	}
	if folder := s.Config.Clients.Preload; folder != "" {
		var err error
		if c.Preloaded, err = cimd.PreloadFolder(folder); err != nil {
			return nil, fmt.Errorf("clients.preload: %w", err)
		}
		s.Log.Info("client ID metadata documents are preloaded", "documents", c.Preloaded.Len())
	}
	source, err := cimd.New(c)
	if err != nil {
		return nil, err
	}
	s.onClose(func(context.Context) error { source.Close(); return nil })
	return source, nil
}

// registeredClient reads a registration for the cache of clients.
func (s *Server) registeredClient(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	return registration.Base(ctx, s.store.Registrations(s.ledger), t, clientID)
}

// sweepClients takes away registrations that nobody uses, tenant by tenant.
func (s *Server) sweepClients(ctx context.Context) error {
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, stored := range tenants {
		picture, err := s.source.Get(ctx, stored.Name)
		if err != nil {
			continue // it is not served: nothing of it is used, or lost
		}
		if _, err := s.desk.Sweep(ctx, picture.UID, picture.Registration.Dynamic.Lifetime); err != nil {
			failed = append(failed, fmt.Errorf("tenant %s: %w", stored.Name, err))
		}
	}
	return errors.Join(failed...)
}

var _ admin.Registrations = (*registration.Desk)(nil)
