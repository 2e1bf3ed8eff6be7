package admin

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/broker/webhook"
)

// Webhooks are what companies are told of events; *webhook.Desk is one.
type Webhooks interface {
	List(ctx context.Context, t tenant.UID, f webhook.Filter) ([]webhook.Record, error)
	Replay(ctx context.Context, t tenant.UID, o webhook.Order) (int64, error)
}

// hooked is a handler that needs webhooks to be served.
func (s *Server) hooked(do func(c *gin.Context, t tenant.UID) error) endpoint {
	return func(c *gin.Context) error {
		t, err := s.uid(c)
		if err != nil {
			return err
		}
		if s.Webhooks == nil {
			return refuse(http.StatusNotFound, "route_unknown", "nobody is told of events here")
		}
		return do(c, t)
	}
}

func (s *Server) listWebhooks(c *gin.Context, t tenant.UID) (err error) {
	var f webhook.Filter
	if f.Limit, err = number(c, "limit", defaultPage, 1, maxPage); err != nil {
		return err
	}
	if f.State, err = text(c, "state", 16); err != nil {
		return err
	}
	if f.Endpoint, err = text(c, "endpoint", maxEndpoint); err != nil {
		return err
	}
	if f.Before, err = text(c, "cursor", 64); err != nil {
		return err
	}
	found, err := s.Webhooks.List(c.Request.Context(), t, f)
	if err != nil {
		return err
	}
	answer := page[webhook.Record]{Items: found}
	if len(found) == f.Limit {
		answer.Next = found[len(found)-1].ID
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

const maxEndpoint = 2048

func (s *Server) replayWebhooks(c *gin.Context, t tenant.UID) error {
	o := webhook.Order{By: principal(c), Trace: traceOf(c)}
	var err error
	if o.Since, err = moment(c, "since"); err != nil {
		return err
	}
	if o.Endpoint, err = text(c, "endpoint", maxEndpoint); err != nil {
		return err
	}
	n, err := s.Webhooks.Replay(c.Request.Context(), t, o)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, gin.H{"replayed": n})
	return nil
}

// webhookEndpoints are the handlers by operationId.
func (s *Server) webhookEndpoints() map[string]endpoint {
	return map[string]endpoint{"listWebhooks": s.hooked(s.listWebhooks), "replayWebhooks": s.hooked(s.replayWebhooks)}
}
