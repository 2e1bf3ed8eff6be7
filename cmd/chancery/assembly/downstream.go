package assembly

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/id"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/connect"
	"github.com/chancery-dev/chancery/vault/connection"
)

// lending are the rooms of what people connected elsewhere, and is lent.
type lending struct {
	connections *store.Connections
	engines     *downstream.Engines
	recorder    *downstream.Recorder
	keeper      *connection.Keeper
	custody
	desk  *connect.Desk // where people connect accounts
	stock *stock
}

// repairEvery is how often what the database did not take is offered to it again.
const repairEvery = time.Minute

// openDownstream opens what lends credentials of other services.
func (s *Server) openDownstream(context.Context) error {
	l := &s.lending
	l.stock = newStock()
	l.connections = s.store.Connections(s.ledger)
	var err error
	l.engines, err = downstream.NewEngines(downstream.EnginesConfig{
		Pictures: s.standing(), Resolve: s.resolve, MayRefer: s.mayRefer, Egress: s.Config.Egress.Policy(), Log: s.Log, Now: s.Now,
		Mended: func(tenant, provider string) {
			if l.keeper != nil {
				l.keeper.Forget(tenant, provider)
			}
		},
	})
	if err != nil {
		return err
	}
	l.recorder, err = downstream.NewRecorder(downstream.Recorder{
		Store: l.connections, Pictures: s.standing(), Journal: s.ledger, Counted: s.metrics, Log: s.Log, Now: s.Now,
	})
	if err != nil {
		return err
	}
	l.keeper, err = connection.New(connection.Config{
		Store: l.recorder, Sealer: s.credentialSealer(), Providers: l.engines, Shelf: s.openShelf(), Replica: id.New(id.Replica, s.Now()), Alert: l.recorder.Alert,
		Log: s.Log, Now: s.Now, Failpoints: s.failpoints(),
	})
	if err != nil {
		return err
	}
	s.onClose(l.keeper.Close) // before the ledger and the database: a refresh under way is saved
	if err := s.openCustody(); err != nil {
		return err
	}
	return s.openConnect()
}

// credentialSealer seals what people connected.
func (s *Server) credentialSealer() vault.Sealer { return s.secrets }

// openShelf is where refreshed credentials rest, sealed, that the database did not take. Without one they would be lost
// with the process, and somebody is told.
func (s *Server) openShelf() connection.Shelf {
	shelf, err := connection.OpenFolder(s.shelfFolder())
	if err != nil {
		s.Log.Warn("what is refreshed while the database is away cannot be kept over a restart", "folder", s.shelfFolder(), "error", err)
		return noShelf{}
	}
	return shelf
}

// shelfFolder is beside the SQLite file, or beside the keyring.
func (s *Server) shelfFolder() string {
	beside := s.Config.Vault.Keyring.File
	if url, err := s.Config.Text(s.Config.Database.URL); err == nil {
		if file, ok := strings.CutPrefix(url.Reveal(), "sqlite://"); ok && file != "" {
			beside, _, _ = strings.Cut(file, "?")
		}
	}
	return filepath.Join(filepath.Dir(beside), "orphans")
}

var errNoShelf = errors.New("there is no folder for it")

// noShelf takes nothing.
type noShelf struct{}

// Keep implements connection.Shelf.
func (noShelf) Keep(connection.Orphan) error { return errNoShelf }

// Find implements connection.Shelf.
func (noShelf) Find(string) (connection.Orphan, bool, error) { return connection.Orphan{}, false, nil }

// List implements connection.Shelf.
func (noShelf) List() ([]connection.Orphan, error) { return nil, nil }

// Drop implements connection.Shelf.
func (noShelf) Drop(string) error { return nil }

// watchConnections mends what a database that was away left.
func (s *Server) watchConnections(ctx context.Context) {
	ticks := time.NewTicker(repairEvery)
	defer ticks.Stop()
	for {
		if _, err := s.lending.keeper.Repair(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error("refreshed credentials wait for the database still", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}
