package assembly

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
	"github.com/chancery-dev/chancery/vault/connection"
)

// reconcileEvery is how often it is looked whether somebody still holds what is connected, whoever ended him; what this
// process ends is looked at at once.
const reconcileEvery = 5 * time.Minute

// tellEvery is how often providers are told of what ended here.
const tellEvery = 15 * time.Second

// custody is what ends connections, and shows them to administrators.
type custody struct {
	custodian *downstream.Custodian
	inventory *downstream.Inventory
	webhooks  *webhook.Deliverer
	hooks     *webhook.Desk // for administrators
	nudges    chan struct{}
	changed   atomic.Bool // somebody may have gone who held something
}

// openCustody opens what ends connections.
func (s *Server) openCustody() error {
	l := &s.lending
	l.nudges = make(chan struct{}, 1)
	var err error
	l.custodian, err = downstream.NewCustodian(downstream.Custodian{
		Rows: l.connections, Past: s.objects, Pictures: s.standing(), Engines: l.engines, Keeper: l.keeper, Sealer: s.credentialSealer(), Journal: s.ledger, Alert: l.recorder.Alert,
		Nudge: func(tenant.UID) { s.nudge() }, Now: s.Now, Log: s.Log,
	})
	if err != nil {
		return err
	}
	l.inventory, err = downstream.NewInventory(downstream.Inventory{Custodian: l.custodian, Lister: inventory{l.connections}, Objects: s.objects})
	if err != nil {
		return err
	}
	if err := s.openWebhooks(); err != nil {
		return err
	}
	s.objects.After(func(_ context.Context, a store.Applied) {
		for _, c := range a.Changes {
			if c.Kind == object.KindUser || c.Deleted && (c.Kind == object.KindClient || c.Kind == object.KindProvider || c.Kind == object.KindTenant) {
				l.changed.Store(true)
				s.nudge()
				return
			}
		}
	})
	return nil
}

// nudge has the watch look at once.
func (s *Server) nudge() {
	select {
	case s.lending.nudges <- struct{}{}:
	default: // it will look
	}
}

// watchEndings ends what nobody holds, and tells providers of what ended. It goes on where another replica, or this one
// before it was started again, left off: what is to be done is in the rows.
func (s *Server) watchEndings(ctx context.Context) {
	ticks := time.NewTicker(tellEvery)
	defer ticks.Stop()
	var reconciled time.Time
	for {
		if now := s.Now(); s.lending.changed.Swap(false) || now.Sub(reconciled) >= reconcileEvery {
			reconciled = now
			s.eachTenant(ctx, "what nobody holds any more could not all be ended", func(ctx context.Context, t tenant.UID) error {
				_, err := s.lending.custodian.Reconcile(ctx, t)
				return err
			})
			s.endGoneTenants(ctx)
		}
		s.eachTenant(ctx, "providers could not all be told of what ended", func(ctx context.Context, t tenant.UID) error {
			_, _, err := s.lending.custodian.Tell(ctx, t)
			return err
		})
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		case <-s.lending.nudges:
		}
	}
}

// endGoneTenants ends what is left of tenants that were deleted: a tenant is empty of objects by then, and its connections
// end with their providers, which are told from here on.
func (s *Server) endGoneTenants(ctx context.Context) {
	gone, err := s.objects.GoneTenants(ctx)
	for _, t := range gone {
		if ctx.Err() != nil {
			return
		}
		_, ended := s.lending.custodian.Reconcile(ctx, t.Tenant)
		_, _, told := s.lending.custodian.Tell(ctx, t.Tenant)
		err = errors.Join(err, ended, told)
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Error("what was connected in deleted tenants could not all be ended", "error", err)
	}
}

// eachTenant does something for each tenant, suspended or not. One that fails does not stop the others.
func (s *Server) eachTenant(ctx context.Context, otherwise string, do func(context.Context, tenant.UID) error) {
	tenants, err := s.objects.Tenants(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Error(otherwise, "error", err)
		}
		return
	}
	for _, t := range tenants {
		_, err := s.source.Standing(ctx, t.Name) // from now on its picture is found by its uid
		if err == nil {
			err = do(ctx, t.Tenant)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Log.Error(otherwise, "tenant", t.Name, "error", err)
		}
	}
}

// inventory lists rows.
type inventory struct{ rows *store.Connections }

// Inventory implements downstream.Lister.
func (i inventory) Inventory(ctx context.Context, t tenant.UID, f downstream.Filter) ([]connection.Connection, error) {
	return i.rows.Inventory(ctx, t, store.InventoryFilter{Owner: f.Owner, Provider: f.Provider, Status: f.Status, After: f.After, Limit: f.Limit})
}

// heldConnections end with their owner's tokens.
type heldConnections struct{ custodian *downstream.Custodian }

func ownerOf(kind lifecycle.Kind, uid string) connection.Owner {
	if kind == lifecycle.User {
		return connection.Owner{Kind: connection.User, UID: uid}
	}
	return connection.Owner{Kind: connection.Client, UID: uid}
}

// CountHeld implements lifecycle.Connections.
func (h heldConnections) CountHeld(ctx context.Context, t tenant.UID, kind lifecycle.Kind, uid string) (int64, error) {
	return h.custodian.CountHeld(ctx, t, ownerOf(kind, uid))
}

// RevokeHeld implements lifecycle.Connections.
func (h heldConnections) RevokeHeld(ctx context.Context, t tenant.UID, kind lifecycle.Kind, uid string, q lifecycle.Request) (int64, error) {
	return h.custodian.RevokeHeld(ctx, t, ownerOf(kind, uid), downstream.By{Principal: q.By, Trace: q.Trace, Reason: q.Reason})
}
