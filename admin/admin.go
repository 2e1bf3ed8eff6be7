// Package admin is the admin REST API: objects, secrets, keys, the audit log. It
// is built from its specification (openapi.yaml): an operation without a handler,
// or without a permission, stops the start. It listens on a port of its own,
// never on the public one. It knows no SQL; what it asks of stores it declares
// as interfaces.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/admin/console"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/revision"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ErrCursor says that a cursor or a position is none of ours.
var ErrCursor = errors.New("the cursor is none of ours")

// AuditFilter narrows a reading; what is empty does not narrow. Since is inclusive, Until is not.
type AuditFilter struct {
	Since, Until time.Time
	Types        []audit.Type
	Outcome      audit.Outcome
	Code         string
	Trace        string
	ID           string
	Client       string
	TokenID      string
	Limit        int
	Cursor       string
}

// Audit reads the audit log of one tenant. Items are canonical events; an unknown cursor is ErrCursor.
type Audit interface {
	// Query returns events, the newest first, and the cursor of the next page, "" at the end.
	Query(ctx context.Context, t tenant.UID, f AuditFilter) (items []json.RawMessage, next string, err error)
	// Tail returns the events behind a position, and the position behind them. With none, it returns
	// no events and the position of now.
	Tail(ctx context.Context, t tenant.UID, after string, limit int) (items []json.RawMessage, next string, err error)
	// Export writes the whole log as JSON lines.
	Export(ctx context.Context, w io.Writer, t tenant.UID) error
	// CheckpointKeys is a JWK set.
	CheckpointKeys(ctx context.Context) ([]byte, error)
}

// Keys are the signing keys; *keys.Rings are.
type Keys interface {
	List(ctx context.Context, t tenant.UID) ([]keys.Row, error)
	Rotate(ctx context.Context, t tenant.UID, algorithm string, by audit.Principal) (keys.Outcome, error)
	Retire(ctx context.Context, t tenant.UID, keyID string, by audit.Principal) (keys.Outcome, error)
	Revoke(ctx context.Context, t tenant.UID, keyID, reason string, by audit.Principal) (keys.Outcome, error)
}

// Explainer tells the story of one request. One that is not known is object.ErrNotFound.
type Explainer interface {
	Explain(ctx context.Context, t tenant.UID, id string) (json.RawMessage, error)
}

// Refusals records who was not let in: a lane that is bounded, so that a flood of
// guesses is counted and does not fill the log. It never waits. *ledger.Refusals is one.
type Refusals interface {
	Add(e audit.Event, source string)
}

// Credential is a program's way in.
type Credential struct {
	Name  string
	Token secret.Text
	Role  Role
}

// Config is what the API needs. Every member but People and the two Open… is required.
type Config struct {
	Objects       *object.Path
	Audit         Audit
	Keys          Keys
	Tokens        Tokens
	Registrations Registrations
	Explain       Explainer
	IdPTests      IdPTests
	IdPMetadata   IdPMetadata
	Captures      Captures
	// Connections may be nil: then nothing is connected.
	Connections Connections
	// Webhooks may be nil: then nobody is told of anything.
	Webhooks Webhooks
	Refusals Refusals
	Vault    Vault // nil: what seals is not to be seen here
	// Revisions are the past of policies, Proposals what waits or is drafted, Status what replicas run.
	Revisions   revision.Revisions
	Proposals   *proposal.Desk
	Status      PolicyStatus
	Root        tenant.UID // of tenant default, whose audit log has what is refused here
	Metrics     http.Handler
	Ready       func(context.Context) error
	Credentials []Credential
	Approvals   Approvals
	// People lets persons in by an access token of ours; nil lets none in.
	People People
	Now    func() time.Time
	Log    *slog.Logger
	// Decisions is the decision log; nil serves none.
	Decisions Decisions
	// OpenMetrics and OpenDescription serve /metrics and the API's description without a credential.
	OpenMetrics     bool
	OpenDescription bool
}

// MinToken is what a credential should have at least; profiles that serve others than
// the developer refuse a shorter one. Here only an empty one is refused.
const MinToken = 32

// Validate refuses a configuration with which a check would be empty.
func (c Config) Validate() error {
	if c.Objects == nil || c.Audit == nil || c.Keys == nil || c.Tokens == nil || c.Registrations == nil || c.Explain == nil || c.IdPTests == nil || c.IdPMetadata == nil || c.Captures == nil || c.Approvals == nil || c.Refusals == nil || c.Metrics == nil || c.Ready == nil || c.Now == nil || c.Log == nil {
		return errors.New("admin: Objects, Audit, Keys, Tokens, Registrations, Explain, IdPTests, IdPMetadata, Captures, Approvals, Refusals, Metrics, Ready, Now and Log are required")
	}
	if c.Revisions.Store == nil || c.Proposals == nil || c.Status == nil {
		return errors.New("admin: Revisions, Proposals and Status are required")
	}
	if err := c.Root.Check(); err != nil {
		return fmt.Errorf("admin: Root: %w", err)
	}
	for _, credential := range c.Credentials {
		if credential.Token.IsZero() {
			return fmt.Errorf("admin: the credential %q is empty", credential.Name)
		}
		if !credential.Role.Known() {
			return fmt.Errorf("admin: unknown role %q: expected one of %s", credential.Role, roleNames())
		}
	}
	return nil
}

// Server is the API.
type Server struct {
	Config
	digests     []digest
	description []byte
	engine      *gin.Engine
}

// New builds the router from the specification.
func New(c Config) (*Server, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	description, err := describe()
	if err != nil {
		return nil, err
	}
	s := &Server{Config: c, description: description, digests: digests(c.Credentials)}
	if err := s.route(); err != nil {
		return nil, err
	}
	return s, nil
}

// Handler serves the admin listener. Requests of other origins that could change
// something are refused before anything reads them.
func (s *Server) Handler() http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := s.newTrace()
		s.refused(attempt{request: r, trace: trace, code: "cross_origin"})
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(Problem{
			Type: "about:blank", Title: "Forbidden", Status: http.StatusForbidden, Code: "cross_origin",
			Detail: "a page of another origin may not change anything here", Trace: trace,
		})
	}))
	return protection.Handler(s.engine)
}

func consolePage(c *gin.Context) { console.Handler().ServeHTTP(c.Writer, c.Request) }
