package admin

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/object"
)

type secretAnswer struct {
	ID        string    `json:"id"`
	Secret    string    `json:"secret,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func (s *Server) listSecrets(c *gin.Context) error {
	live, err := s.Objects.LiveSecrets(c.Request.Context(), tenantName(c), c.Param("name"))
	if err != nil {
		return err
	}
	answer := page[secretAnswer]{Items: []secretAnswer{}}
	for _, one := range live {
		answer.Items = append(answer.Items, secretAnswer{ID: one.ID, CreatedAt: one.CreatedAt})
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

// addSecret shows the secret this once.
func (s *Server) addSecret(c *gin.Context) error {
	r := object.Request{Manager: object.ManagerAPI, By: principal(c), Trace: traceOf(c)}
	made, err := s.Objects.AddSecret(c.Request.Context(), tenantName(c), c.Param("name"), r)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, secretAnswer{ID: made.ID, Secret: made.Text.Reveal(), CreatedAt: made.CreatedAt})
	return nil
}

func (s *Server) revokeSecret(c *gin.Context) error {
	r := object.Request{Manager: object.ManagerAPI, By: principal(c), Trace: traceOf(c)}
	if err := s.Objects.RevokeSecret(c.Request.Context(), tenantName(c), c.Param("name"), c.Param("id"), r); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
