package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
)

// ConnectionParty is an object by its uid, and by its name if it is still there.
type ConnectionParty struct {
	Kind string `json:"kind,omitempty"`
	UID  string `json:"uid"`
	Name string `json:"name,omitempty"`
}

// Or is the name, or the uid of what is gone.
func (p ConnectionParty) Or() string {
	if p.Name == "" {
		return p.UID
	}
	return p.Name
}

// ConnectionAccount is whose it is at the provider.
type ConnectionAccount struct {
	ID    string `json:"id,omitempty"`
	Label string `json:"label,omitempty"`
}

// ConnectionRefresh is where the renewal of a credential stands.
type ConnectionRefresh struct {
	State    string     `json:"state"`
	At       *time.Time `json:"at,omitempty"`
	Failures int        `json:"failures,omitempty"`
	Failure  string     `json:"failure,omitempty"`
	RetryIn  string     `json:"retry_in,omitempty"`
}

// Connection is what somebody connected at another service, and no credential.
type Connection struct {
	ID         string            `json:"id"`
	Owner      ConnectionParty   `json:"owner"`
	Provider   ConnectionParty   `json:"provider"`
	Account    ConnectionAccount `json:"account"`
	Scopes     []string          `json:"scopes"`
	Status     string            `json:"status"`
	Reason     string            `json:"reason,omitempty"`
	Version    int64             `json:"version"`
	KeyID      string            `json:"key_id"`
	SealedAt   time.Time         `json:"sealed_at"`
	ExpiresAt  *time.Time        `json:"expires_at,omitempty"`
	Refresh    ConnectionRefresh `json:"refresh"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	LastUsedAt *time.Time        `json:"last_used_at,omitempty"`
	LastUsedBy string            `json:"last_used_by,omitempty"`
}

// ConnectionQuery narrows a list; what is empty does not narrow.
type ConnectionQuery struct {
	User, Client, Provider, Status string
	Cursor                         string
	Limit                          int
}

// Connections lists a page, and the cursor of the next one.
func (c *Client) Connections(ctx context.Context, q ConnectionQuery) (all []Connection, next string, err error) {
	query := url.Values{"limit": {strconv.Itoa(max(1, q.Limit))}}
	for name, value := range map[string]string{"user": q.User, "client": q.Client, "provider": q.Provider, "status": q.Status, "cursor": q.Cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var l struct {
		Items []Connection `json:"items"`
		Next  string       `json:"next"`
	}
	err = c.call(ctx, http.MethodGet, c.path("connections"), query, nil, &l)
	return l.Items, l.Next, err
}

// Connection reads one.
func (c *Client) Connection(ctx context.Context, id string) (one Connection, err error) {
	err = c.call(ctx, http.MethodGet, c.path("connections", id), nil, nil, &one)
	return one, err
}

// MoveConnection suspends or resumes one, and gives it as it is afterwards.
func (c *Client) MoveConnection(ctx context.Context, id, action, reason string) (one Connection, err error) {
	err = c.call(ctx, http.MethodPost, c.path("connections", id, action), reasoned(reason), nil, &one)
	return one, err
}

// RemoveConnection ends one; its provider is told.
func (c *Client) RemoveConnection(ctx context.Context, id, reason string) error {
	return c.call(ctx, http.MethodDelete, c.path("connections", id), reasoned(reason), nil, nil)
}

func reasoned(reason string) url.Values {
	if reason == "" {
		return nil
	}
	return url.Values{"reason": {reason}}
}

// ConnectionTest is what a test came to.
type ConnectionTest struct {
	Works   bool               `json:"works"`
	Account *ConnectionAccount `json:"account,omitempty"`
	Code    string             `json:"code,omitempty"`
	Detail  string             `json:"detail,omitempty"`
}

// TestConnection asks the provider whose credential it is.
func (c *Client) TestConnection(ctx context.Context, id string) (done ConnectionTest, err error) {
	err = c.call(ctx, http.MethodPost, c.path("connections", id, "test"), nil, nil, &done)
	return done, err
}

// ConnectionImport is a credential that an administrator brings.
type ConnectionImport struct {
	User, Client, Provider string
	Account, Login         string
	Secret                 secret.Text // of a static provider
	RefreshToken           secret.Text
	AccessToken            secret.Text
	ExpiresAt              time.Time
	Scopes                 []string
}

// ImportConnection seals a credential as its owner's connection.
func (c *Client) ImportConnection(ctx context.Context, m ConnectionImport) (one Connection, err error) {
	body := map[string]any{"provider": m.Provider}
	for name, value := range map[string]string{
		"user": m.User, "client": m.Client, "account": m.Account, "login": m.Login, "secret": m.Secret.Reveal(),
		"refresh_token": m.RefreshToken.Reveal(), "access_token": m.AccessToken.Reveal(),
	} {
		if value != "" {
			body[name] = value
		}
	}
	if !m.ExpiresAt.IsZero() {
		body["expires_at"] = m.ExpiresAt
	}
	if len(m.Scopes) > 0 {
		body["scopes"] = m.Scopes
	}
	err = c.call(ctx, http.MethodPost, c.path("connections"), nil, body, &one)
	return one, err
}
