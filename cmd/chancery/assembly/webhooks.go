package assembly

import (
	"context"
	"time"

	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
)

const (
	// webhookEvery is how often it is looked for what companies are to be told.
	webhookEvery = 2 * time.Second
	tidyEvery    = time.Hour
)

// openWebhooks opens what tells companies of events.
func (s *Server) openWebhooks() error {
	var err error
	s.lending.hooks, err = webhook.NewDesk(webhook.Desk{Records: s.store.Webhooks(), Journal: s.ledger, Now: s.Now})
	if err != nil {
		return err
	}
	s.lending.webhooks, err = webhook.New(webhook.Config{
		Log: s.store.Audit(), Store: s.store.Webhooks(), Pictures: s.standing(), Resolve: s.resolve, MayRefer: s.mayRefer, Egress: s.Config.Egress.Policy(),
		Replica: id.New(id.Replica, s.Now()), Slog: s.Log, Now: s.Now,
	})
	return err
}

// watchWebhooks makes messages of events and delivers them. What is to be sent is in the database: it goes on where another
// replica, or this one before it was started again, left off.
func (s *Server) watchWebhooks(ctx context.Context) {
	ticks := time.NewTicker(webhookEvery)
	defer ticks.Stop()
	var tidied time.Time
	for {
		if _, err := s.lending.webhooks.Read(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("events for webhooks could not be read", "error", err)
		}
		s.eachTenant(ctx, "webhooks could not be delivered", func(ctx context.Context, t tenant.UID) error {
			picture, err := s.source.Of(ctx, t)
			if err != nil || len(picture.Webhooks) == 0 {
				return err
			}
			_, _, err = s.lending.webhooks.Deliver(ctx, t)
			return err
		})
		if now := s.Now(); now.Sub(tidied) >= tidyEvery {
			tidied = now
			s.eachTenant(ctx, "old webhook messages could not be taken away", s.lending.webhooks.Tidy)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}
