package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// WebhookMessage is what the company was told of an event, without its body, and what became of it.
type WebhookMessage struct {
	ID          string     `json:"id"`
	EventID     string     `json:"event_id"`
	Endpoint    string     `json:"endpoint"`
	Type        string     `json:"type"`
	State       string     `json:"state"`
	Attempts    int        `json:"attempts"`
	Outcome     string     `json:"outcome,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	NextAt      *time.Time `json:"next_at,omitempty"`
	DeliveredAt *time.Time `json:"delivered_at,omitempty"`
}

// WebhookQuery narrows a list; what is empty does not narrow.
type WebhookQuery struct {
	State, Endpoint string
	Cursor          string
	Limit           int
}

// Webhooks lists a page of messages, the newest first, and the cursor of the next one.
func (c *Client) Webhooks(ctx context.Context, q WebhookQuery) (all []WebhookMessage, next string, err error) {
	query := url.Values{"limit": {strconv.Itoa(max(1, q.Limit))}}
	for name, value := range map[string]string{"state": q.State, "endpoint": q.Endpoint, "cursor": q.Cursor} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var l struct {
		Items []WebhookMessage `json:"items"`
		Next  string           `json:"next"`
	}
	err = c.call(ctx, http.MethodGet, c.path("webhooks"), query, nil, &l)
	return l.Items, l.Next, err
}

// ReplayWebhooks has messages sent again that were made since a time and are not pending, of one address or of all. It tells how many.
func (c *Client) ReplayWebhooks(ctx context.Context, since time.Time, endpoint string) (int64, error) {
	query := url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}}
	if endpoint != "" {
		query.Set("endpoint", endpoint)
	}
	var done struct {
		Replayed int64 `json:"replayed"`
	}
	err := c.call(ctx, http.MethodPost, c.path("webhooks", "replay"), query, nil, &done)
	return done.Replayed, err
}
