package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/downstream"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/strict"
	"github.com/chancery-dev/chancery/vault/connection"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Connections are what people and clients connected at other services; *downstream.Inventory is one. No answer of theirs
// holds a credential.
type Connections interface {
	List(ctx context.Context, t tenant.UID, q downstream.Query) ([]downstream.Record, error)
	Get(ctx context.Context, t tenant.UID, id string) (downstream.Record, error)
	Suspend(ctx context.Context, t tenant.UID, id string, by downstream.By) (connection.Connection, error)
	Resume(ctx context.Context, t tenant.UID, id string, by downstream.By) (connection.Connection, error)
	Revoke(ctx context.Context, t tenant.UID, id string, by downstream.By) (connection.Connection, error)
	Test(ctx context.Context, t tenant.UID, id string, by downstream.By) (downstream.Tested, error)
	Import(ctx context.Context, t tenant.UID, m downstream.Import, by downstream.By) (downstream.Record, error)
}

// connected is a handler that needs connections to be served.
func (s *Server) connected(do func(c *gin.Context, t tenant.UID) error) endpoint {
	return func(c *gin.Context) error {
		t, err := s.uid(c)
		if err != nil {
			return err
		}
		if s.Connections == nil {
			return refuse(http.StatusNotFound, "route_unknown", "nothing is connected here")
		}
		return do(c, t)
	}
}

func (s *Server) listConnections(c *gin.Context, t tenant.UID) (err error) {
	var q downstream.Query
	if q.Limit, err = number(c, "limit", defaultPage, 1, maxPage); err != nil {
		return err
	}
	for _, p := range []struct {
		name string
		into *string
	}{{"user", &q.User}, {"client", &q.Client}, {"provider", &q.Provider}, {"status", &q.Status}, {"cursor", &q.After}} {
		if *p.into, err = text(c, p.name, 64); err != nil {
			return err
		}
	}
	found, err := s.Connections.List(c.Request.Context(), t, q)
	if err != nil {
		return err
	}
	answer := page[downstream.Record]{Items: found}
	if len(found) == q.Limit {
		answer.Next = found[len(found)-1].ID
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) getConnection(c *gin.Context, t tenant.UID) error {
	found, err := s.Connections.Get(c.Request.Context(), t, c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, found)
	return nil
}

func acts(c *gin.Context) (downstream.By, error) {
	reason, err := text(c, "reason", 255)
	return downstream.By{Principal: principal(c), Trace: traceOf(c), Reason: reason}, err
}

type act func(ctx context.Context, t tenant.UID, id string, by downstream.By) (connection.Connection, error)

// moveConnection answers with the connection as it is afterwards.
func (s *Server) moveConnection(which func() act) func(*gin.Context, tenant.UID) error {
	return func(c *gin.Context, t tenant.UID) error {
		by, err := acts(c)
		if err != nil {
			return err
		}
		if _, err := which()(c.Request.Context(), t, c.Param("id"), by); err != nil {
			return err
		}
		return s.getConnection(c, t)
	}
}

// removeConnection: from now on nobody is lent it. Its provider is told by itself, so that there may be nothing to show.
func (s *Server) removeConnection(c *gin.Context, t tenant.UID) error {
	by, err := acts(c)
	if err != nil {
		return err
	}
	if _, err := s.Connections.Revoke(c.Request.Context(), t, c.Param("id"), by); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

type connectionTest struct {
	Works   bool                `json:"works"`
	Account *downstream.Account `json:"account,omitempty"`
	Code    string              `json:"code,omitempty"`
	Detail  string              `json:"detail,omitempty"`
}

func (s *Server) testConnection(c *gin.Context, t tenant.UID) error {
	by, err := acts(c)
	if err != nil {
		return err
	}
	done, err := s.Connections.Test(c.Request.Context(), t, c.Param("id"), by)
	if err != nil {
		return err
	}
	answer := connectionTest{Works: done.Works, Code: done.Code, Detail: done.Detail}
	if done.Works {
		answer.Account = &downstream.Account{ID: done.Account.ID, Label: done.Account.Label}
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// importOrder is what an administrator brings. It is read, sealed, and in no answer and no log.
type importOrder struct {
	User         string    `json:"user,omitempty"`
	Client       string    `json:"client,omitempty"`
	Provider     string    `json:"provider"`
	Account      string    `json:"account,omitempty"`
	Login        string    `json:"login,omitempty"`
	Secret       string    `json:"secret,omitempty"`
	RefreshToken string    `json:"refresh_token,omitempty"`
	AccessToken  string    `json:"access_token,omitempty"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	Scopes       []string  `json:"scopes,omitempty"`
}

const maxImport = 64 << 10

func (s *Server) importConnection(c *gin.Context, t tenant.UID) error {
	raw, err := body(c, maxImport)
	if err != nil {
		return err
	}
	var o importOrder
	if err := strict.Decode(raw, &o); err != nil { // the cause would quote it
		return refuse(http.StatusBadRequest, "body_malformed", "the body is no import: see the API's description")
	}
	made, err := s.Connections.Import(c.Request.Context(), t, downstream.Import{
		User: o.User, Client: o.Client, Provider: o.Provider, Account: o.Account, Login: o.Login,
		Secret: secretOf(o.Secret), Refresh: secretOf(o.RefreshToken), Access: secretOf(o.AccessToken), ExpiresAt: o.ExpiresAt, Scopes: o.Scopes,
	}, downstream.By{Principal: principal(c), Trace: traceOf(c)})
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, made)
	return nil
}

// secretOf leaves out what is not there: an empty one would be taken for one.
func secretOf(text string) provider.Secret {
	if text == "" {
		return provider.Secret{}
	}
	return provider.NewSecret(text)
}

// connectionEndpoints are the handlers by operationId.
func (s *Server) connectionEndpoints() map[string]endpoint {
	return map[string]endpoint{
		"listConnections": s.connected(s.listConnections), "importConnection": s.connected(s.importConnection),
		"getConnection": s.connected(s.getConnection), "removeConnection": s.connected(s.removeConnection),
		"suspendConnection": s.connected(s.moveConnection(func() act { return s.Connections.Suspend })),
		"resumeConnection":  s.connected(s.moveConnection(func() act { return s.Connections.Resume })),
		"testConnection":    s.connected(s.testConnection),
	}
}
