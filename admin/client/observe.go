package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Events are events in canonical JSON, and where to go on.
type Events struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// AuditQuery narrows a reading; what is empty does not.
type AuditQuery struct {
	Since, Until time.Time
	Type         string // with commas between several
	Outcome      string
	Code         string
	Trace        string
	ID           string
	Client       string
	Token        string
	Limit        int
	Cursor       string
}

func (q AuditQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{
		"type": q.Type, "outcome": q.Outcome, "code": q.Code, "trace": q.Trace, "id": q.ID, "client": q.Client, "token": q.Token, "cursor": q.Cursor,
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		v.Set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// QueryAudit returns a page of events, the newest first.
func (c *Client) QueryAudit(ctx context.Context, q AuditQuery) (Events, error) {
	var e Events
	err := c.call(ctx, http.MethodGet, c.path("audit", "events"), q.values(), nil, &e)
	return e, err
}

// TailAudit returns the events behind a position, waiting for the first one; with
// no position, none and the position of now.
func (c *Client) TailAudit(ctx context.Context, position string, wait time.Duration) (Events, error) {
	query := url.Values{"wait": {strconv.Itoa(int(wait.Seconds()))}}
	if position != "" {
		query.Set("position", position)
	}
	var e Events
	err := c.call(ctx, http.MethodGet, c.path("audit", "tail"), query, nil, &e)
	return e, err
}

// ExportAudit writes the audit log as JSON lines.
func (c *Client) ExportAudit(ctx context.Context, w io.Writer) error {
	response, err := c.send(ctx, http.MethodGet, c.path("audit", "export"), nil, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("audit export broke off: %w", err)
	}
	return nil
}

// CheckpointKeys returns the JWK set that checkpoints verify with.
func (c *Client) CheckpointKeys(ctx context.Context) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, c.path("audit", "checkpoint-keys"), nil, nil, &raw)
	return raw, err
}

// Explain tells the story of one request.
func (c *Client) Explain(ctx context.Context, id string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, c.path("explain", id), nil, nil, &raw)
	return raw, err
}

// Key is a signing key.
type Key struct {
	KeyID     string          `json:"kid"`
	Algorithm string          `json:"algorithm"`
	State     string          `json:"state"`
	PublicJWK json.RawMessage `json:"public_jwk,omitempty"`
	CreatedAt time.Time       `json:"created_at,omitzero"`
	ActiveAt  time.Time       `json:"active_at,omitzero"`
	RetiredAt time.Time       `json:"retired_at,omitzero"`
	ExpiresAt time.Time       `json:"expires_at,omitzero"`
	RevokedAt time.Time       `json:"revoked_at,omitzero"`
}

// KeyOutcome says what a request about a key led to.
type KeyOutcome struct {
	KeyID     string    `json:"kid"`
	State     string    `json:"state"`
	Successor string    `json:"successor,omitempty"`
	SignsAt   time.Time `json:"signs_at,omitzero"`
	SeenBy    time.Time `json:"seen_by,omitzero"`
}

// Keys lists the signing keys.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	var l struct {
		Items []Key `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, c.path("keys"), nil, nil, &l)
	return l.Items, err
}

// RotateKeys prepares a successor of the active key of an algorithm ("" is the default).
func (c *Client) RotateKeys(ctx context.Context, algorithm string) (KeyOutcome, error) {
	query := url.Values{}
	if algorithm != "" {
		query.Set("algorithm", algorithm)
	}
	var o KeyOutcome
	err := c.call(ctx, http.MethodPost, c.path("keys", "rotate"), query, nil, &o)
	return o, err
}

// RetireKey ends a key's signing; what it signed stays good.
func (c *Client) RetireKey(ctx context.Context, kid string) (KeyOutcome, error) {
	var o KeyOutcome
	err := c.call(ctx, http.MethodPost, c.path("keys", kid, "retire"), nil, nil, &o)
	return o, err
}

// RevokeKey ends a key and everything that it signed.
func (c *Client) RevokeKey(ctx context.Context, kid, reason string) (KeyOutcome, error) {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	var o KeyOutcome
	err := c.call(ctx, http.MethodPost, c.path("keys", kid, "revoke"), query, nil, &o)
	return o, err
}
