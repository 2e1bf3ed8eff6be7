package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
)

// Decisions are recorded decisions, and where to go on.
type Decisions struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// DecisionQuery narrows a reading; what is empty does not.
type DecisionQuery struct {
	Since, Until                 time.Time
	User, Client, Resource, Code string
	Limit                        int
	Cursor                       string
}

func (q DecisionQuery) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"user": q.User, "client": q.Client, "resource": q.Resource, "code": q.Code, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			v.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return v
}

// Decisions returns a page, the newest first.
func (c *Client) Decisions(ctx context.Context, q DecisionQuery) (Decisions, error) {
	var d Decisions
	err := c.call(ctx, http.MethodGet, c.path("decisions"), q.values(), nil, &d)
	return d, err
}

// Decision returns one.
func (c *Client) Decision(ctx context.Context, id string) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, c.path("decisions", id), nil, nil, &raw)
	return raw, err
}

// ExportDecisions writes decisions as JSON lines, the oldest first.
func (c *Client) ExportDecisions(ctx context.Context, w io.Writer, q DecisionQuery) error {
	q.Limit, q.Cursor = 0, ""
	response, err := c.send(ctx, http.MethodGet, c.path("decisions", "export"), q.values(), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("decision export broke off: %w", err)
	}
	return nil
}

// PurgeDecisions removes decisions that were made before a time, of one user or, with none, of everybody.
func (c *Client) PurgeDecisions(ctx context.Context, before time.Time, user string) (int64, error) {
	var gone struct {
		Purged int64 `json:"purged"`
	}
	err := c.call(ctx, http.MethodPost, c.path("decisions", "purge"), nil, map[string]any{"before": before.UTC(), "user": user}, &gone)
	return gone.Purged, err
}

// TestFrom makes a test of a decision; policy "" is the grant policy.
func (c *Client) TestFrom(ctx context.Context, id, policy string) (json.RawMessage, error) {
	query := url.Values{}
	if policy != "" {
		query.Set("policy", policy)
	}
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, c.path("decisions", id, "test"), query, nil, &raw)
	return raw, err
}

// ReplayRequest says what is replayed; what is empty does not narrow.
type ReplayRequest struct {
	Since    time.Time       `json:"since,omitzero"`
	Until    time.Time       `json:"until,omitzero"`
	User     string          `json:"user,omitempty"`
	Client   string          `json:"client,omitempty"`
	Resource string          `json:"resource,omitempty"`
	MaxFlips int             `json:"max_flips"` // negative: any number
	Draft    []object.Object `json:"draft,omitempty"`
	Prune    bool            `json:"prune,omitempty"`
}

// StartReplay begins a replay and answers how it stands.
func (c *Client) StartReplay(ctx context.Context, r ReplayRequest) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodPost, c.path("replays"), nil, r, &raw)
	return raw, err
}

// Replay is how a replay stands, after its end or so long.
func (c *Client) Replay(ctx context.Context, id string, wait time.Duration) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, c.path("replays", id), url.Values{"wait": {strconv.Itoa(int(wait.Seconds()))}}, nil, &raw)
	return raw, err
}

// StopReplay ends a replay.
func (c *Client) StopReplay(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, c.path("replays", id), nil, nil, nil)
}

// MatrixRequest narrows an access matrix; what is empty does not.
type MatrixRequest struct {
	Clients   []string        `json:"clients,omitempty"`
	Resources []string        `json:"resources,omitempty"`
	Groups    []string        `json:"groups,omitempty"`
	At        time.Time       `json:"at,omitzero"`
	Draft     []object.Object `json:"draft,omitempty"`
	Prune     bool            `json:"prune,omitempty"`
	Diff      bool            `json:"diff,omitempty"`
}

// Matrix is who gets what, under what is live or under a draft.
func (c *Client) Matrix(ctx context.Context, r MatrixRequest) (json.RawMessage, error) {
	var raw json.RawMessage
	if len(r.Draft) > 0 {
		err := c.call(ctx, http.MethodPost, c.path("matrix"), nil, r, &raw)
		return raw, err
	}
	query := url.Values{}
	for name, list := range map[string][]string{"clients": r.Clients, "resources": r.Resources, "groups": r.Groups} {
		if len(list) > 0 {
			query.Set(name, strings.Join(list, ","))
		}
	}
	if !r.At.IsZero() {
		query.Set("at", r.At.UTC().Format(time.RFC3339))
	}
	err := c.call(ctx, http.MethodGet, c.path("matrix"), query, nil, &raw)
	return raw, err
}

// KeptMatrix is the matrix that was kept of a published revision or, against an earlier one, what differs.
func (c *Client) KeptMatrix(ctx context.Context, policy string, revision, against int64) (json.RawMessage, error) {
	query := url.Values{}
	if against > 0 {
		query.Set("against", strconv.FormatInt(against, 10))
	}
	var raw json.RawMessage
	err := c.call(ctx, http.MethodGet, c.path("policies", policy, "matrices", strconv.FormatInt(revision, 10)), query, nil, &raw)
	return raw, err
}
