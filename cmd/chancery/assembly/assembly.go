// Package assembly puts the rooms together into a running server: it opens the
// database and what seals secrets, starts the ledger, applies the configuration's
// objects, and serves two listeners. It decides nothing about a request. What it
// refuses is to start where a check would be empty.
package assembly

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-dev/chancery/admin"
	"github.com/chancery-dev/chancery/broker"
	"github.com/chancery-dev/chancery/broker/capture"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/introspect"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/lifecycle"
	"github.com/chancery-dev/chancery/broker/metrics"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/broker/shadow"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/cmd/chancery/telemetry"
	"github.com/chancery-dev/chancery/federation/jwks"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// Options are what a server is made of. Config, Log and Now are required.
type Options struct {
	Config *config.Loaded
	Log    *slog.Logger
	Now    func() time.Time
	// Version of the binary, for metrics and traces.
	Version string
	// Executable is the binary that becomes the children in which others' policies are checked and evaluated; empty does both
	// in process.
	Executable string
	// Public and Admin are listeners that are open already; nil opens what the configuration says.
	Public, Admin net.Listener
	// DevDocuments lets clients come by metadata documents of every host, loopback among them: for development alone.
	DevDocuments bool
	// AutoApprove is the address of a person who is signed in and consents without being asked: for `chancery dev` on
	// loopback, and refused anywhere else. No configuration sets it.
	AutoApprove string
}

// Server is everything, wired.
type Server struct {
	Options
	metrics          *metrics.Metrics
	traces           *telemetry.Telemetry // nil: nothing is traced
	auditLag         *auditLag
	store            *store.Store
	secrets          secrets // that seal, and of which keys are derived
	ledger           *ledger.Ledger
	refusals         *ledger.Refusals
	adminRefusals    *ledger.Refusals
	root             tenant.UID // of tenant default
	objects          *store.Objects
	path             *object.Path
	checkKey         *keys.CheckpointKey
	rings            *keys.Rings
	serviceProviders *keys.ServiceProviders
	metadata         *samlmetadata.Keeper
	keySets          *jwks.Cache
	compiler         *regocheck.Compiler
	rooms            *gate.Rooms
	evaluation       []policy.Option // of every evaluator
	evaluator        *policy.InProcess
	source           *snapshot.Source
	registry         *registration.Registry
	desk             *registration.Desk
	drafts           *shadow.Watch
	replica          string        // this process, among those that serve the database
	clients          grant.Clients // who asks, with its budget
	grants           *grant.Grants
	captures         *capture.Watch
	decisions        decision.Desk
	people           people
	lending          lending
	staleness        *staleness
	tokens           *store.Tokens
	introspection    *introspect.Endpoints
	revoker          *lifecycle.Revoker
	broker           *broker.Server
	admin            *admin.Server
	listeners        []*listener

	clockOff  atomic.Bool  // our clock and the database's disagree
	clockSkew atomic.Int64 // nanoseconds, at the last comparison

	work     sync.WaitGroup // what runs beside the listeners
	stopWork context.CancelFunc
	closers  []func(context.Context) error // in the order in which they were opened
}

// New opens and wires everything; nothing is served before Start.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Config == nil || o.Log == nil || o.Now == nil {
		return nil, errors.New("assembly: Config, Log and Now are required")
	}
	if err := o.Config.Served(); err != nil {
		return nil, err
	}
	if err := o.mayAutoApprove(); err != nil {
		return nil, err
	}
	s := &Server{Options: o, metrics: metrics.New(), staleness: newStaleness(o.Now), auditLag: &auditLag{now: o.Now}}
	for _, open := range []func(context.Context) error{
		s.openVault, s.openTraces, s.openDatabase, s.openLedger, s.openSecret, s.openKeys, s.openSAML, s.openPolicies, s.openPictures, s.openClients, s.openDecisions, s.applyObjects, s.openCaptures, s.openPeople, s.openDownstream, s.openCallers, s.openIntrospection, s.openDrafts, s.openGrants, s.openBrowsers, s.openBroker, s.openAdmin,
	} {
		if err := open(ctx); err != nil {
			return nil, errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

func (s *Server) onClose(f func(context.Context) error) { s.closers = append(s.closers, f) }

// close undoes what was opened, the newest first.
func (s *Server) close(ctx context.Context) error {
	var errs []error
	for _, undo := range slices.Backward(s.closers) {
		errs = append(errs, undo(ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}
