package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
)

// RegistrationToken is an initial access token; Text only when it was just made.
type RegistrationToken struct {
	ID        string
	Text      secret.Text
	Note      string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time
	Uses      int
	UsesLeft  int
}

type registrationTokenAnswer struct {
	ID        string    `json:"id"`
	Token     string    `json:"token"`
	Note      string    `json:"note"`
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Uses      int       `json:"uses"`
	UsesLeft  int       `json:"uses_left"`
}

func (a registrationTokenAnswer) value() RegistrationToken {
	return RegistrationToken{
		ID: a.ID, Text: secret.New(a.Token), Note: a.Note, CreatedBy: a.CreatedBy, CreatedAt: a.CreatedAt, ExpiresAt: a.ExpiresAt, Uses: a.Uses, UsesLeft: a.UsesLeft,
	}
}

// AddRegistrationToken makes an initial access token; it is in the answer this once.
func (c *Client) AddRegistrationToken(ctx context.Context, uses int, lifetime time.Duration, note string) (RegistrationToken, error) {
	query := url.Values{"uses": {strconv.Itoa(uses)}, "expires_in": {lifetime.String()}}
	if note != "" {
		query.Set("note", note)
	}
	var a registrationTokenAnswer
	err := c.call(ctx, http.MethodPost, c.path("registration-tokens"), query, nil, &a)
	return a.value(), err
}

// RegistrationTokens lists the initial access tokens that have not expired.
func (c *Client) RegistrationTokens(ctx context.Context) ([]RegistrationToken, error) {
	var l struct {
		Items []registrationTokenAnswer `json:"items"`
	}
	if err := c.call(ctx, http.MethodGet, c.path("registration-tokens"), nil, nil, &l); err != nil {
		return nil, err
	}
	all := make([]RegistrationToken, len(l.Items))
	for i, a := range l.Items {
		all[i] = a.value()
	}
	return all, nil
}

// RemoveRegistrationToken ends an initial access token.
func (c *Client) RemoveRegistrationToken(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, c.path("registration-tokens", id), nil, nil, nil)
}

// Registration is a client that registered itself.
type Registration struct {
	ClientID     string          `json:"client_id"`
	Metadata     json.RawMessage `json:"metadata"`
	TokenID      string          `json:"registration_token,omitempty"`
	RegisteredAt time.Time       `json:"registered_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	UsedAt       time.Time       `json:"used_at"`
}

// Registrations lists a page of clients that registered themselves, and the cursor of the next one.
func (c *Client) Registrations(ctx context.Context, cursor string, limit int) (all []Registration, next string, err error) {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	var l struct {
		Items []Registration `json:"items"`
		Next  string         `json:"next"`
	}
	err = c.call(ctx, http.MethodGet, c.path("registrations"), query, nil, &l)
	return l.Items, l.Next, err
}

// RemoveRegistration takes such a client away, and ends what it was given.
func (c *Client) RemoveRegistration(ctx context.Context, clientID string) error {
	return c.call(ctx, http.MethodDelete, c.path("registrations", clientID), nil, nil, nil)
}
