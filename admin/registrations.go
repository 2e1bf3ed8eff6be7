package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/registration"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Registrations are the clients that registered themselves, and the tokens that let them; *registration.Desk is one.
type Registrations interface {
	Invite(ctx context.Context, t tenant.UID, o registration.Order, by registration.By) (registration.Initial, secret.Text, error)
	Invitations(ctx context.Context, t tenant.UID) ([]registration.Initial, error)
	Uninvite(ctx context.Context, t tenant.UID, which string, by registration.By) error
	Registered(ctx context.Context, t tenant.UID, after string, limit int) ([]registration.Record, error)
	Expel(ctx context.Context, t tenant.UID, clientID string, by registration.By) error
}

type registrationToken struct {
	ID        string    `json:"id"`
	Token     string    `json:"token,omitempty"` // this once
	Note      string    `json:"note,omitempty"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Uses      int       `json:"uses"`
	UsesLeft  int       `json:"uses_left"`
}

func toRegistrationToken(i registration.Initial) registrationToken {
	return registrationToken{
		ID: i.ID, Note: i.Note, CreatedBy: i.CreatedBy, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, Uses: i.Uses, UsesLeft: i.UsesLeft,
	}
}

// registered is a client that registered itself, with what it says of itself.
type registered struct {
	ClientID     string                `json:"client_id"`
	Metadata     registration.Metadata `json:"metadata"`
	TokenID      string                `json:"registration_token,omitempty"`
	RegisteredAt time.Time             `json:"registered_at"`
	UpdatedAt    time.Time             `json:"updated_at"`
	UsedAt       time.Time             `json:"used_at"`
}

func by(c *gin.Context) registration.By {
	return registration.By{Principal: principal(c), Trace: traceOf(c)}
}

// addRegistrationToken shows the token this once.
func (s *Server) addRegistrationToken(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	var o registration.Order
	if o.Uses, err = number(c, "uses", 1, 1, registration.MaxInitialUses); err != nil {
		return err
	}
	within, err := text(c, "expires_in", 16)
	if err != nil {
		return err
	}
	if within != "" {
		if o.Lifetime, err = time.ParseDuration(within); err != nil {
			return refuse(http.StatusBadRequest, "parameter_invalid", "expires_in: a duration is expected, such as 24h")
		}
	}
	if o.Note, err = text(c, "note", 128); err != nil {
		return err
	}
	made, token, err := s.Registrations.Invite(c.Request.Context(), t, o, by(c))
	if err != nil {
		return err
	}
	answer := toRegistrationToken(made)
	answer.Token = token.Reveal()
	c.JSON(http.StatusCreated, answer)
	return nil
}

func (s *Server) listRegistrationTokens(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	alive, err := s.Registrations.Invitations(c.Request.Context(), t)
	if err != nil {
		return err
	}
	answer := page[registrationToken]{Items: []registrationToken{}}
	for _, one := range alive {
		answer.Items = append(answer.Items, toRegistrationToken(one))
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) removeRegistrationToken(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	if err := s.Registrations.Uninvite(c.Request.Context(), t, c.Param("id"), by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) listRegistrations(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	limit, err := number(c, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	after, err := text(c, "cursor", 64)
	if err != nil {
		return err
	}
	found, err := s.Registrations.Registered(c.Request.Context(), t, after, limit)
	if err != nil {
		return err
	}
	answer := page[registered]{Items: []registered{}}
	for _, r := range found {
		answer.Items = append(answer.Items, registered{
			ClientID: r.ClientID, Metadata: r.Metadata, TokenID: r.TokenID, RegisteredAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, UsedAt: r.UsedAt,
		})
	}
	if len(found) == limit {
		answer.Next = found[len(found)-1].ClientID
	}
	c.JSON(http.StatusOK, answer)
	return nil
}

func (s *Server) removeRegistration(c *gin.Context) error {
	t, err := s.uid(c)
	if err != nil {
		return err
	}
	if err := s.Registrations.Expel(c.Request.Context(), t, c.Param("id"), by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
