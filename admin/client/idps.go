package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/chancery-dev/chancery/broker/object"
)

// IdPTest says what is tested: a saved entry, a draft, or whoever an assertion names.
type IdPTest struct {
	Name      string         `json:"name,omitempty"`
	Object    *object.Object `json:"object,omitempty"`
	Assertion string         `json:"assertion,omitempty"`
	ClientID  string         `json:"client_id,omitempty"`
	Resource  string         `json:"resource,omitempty"`
	Scope     string         `json:"scope,omitempty"`
}

// String says nothing of the assertion.
func (t IdPTest) String() string { return "test of IdP " + t.Name }

// GoString is String, for %#v.
func (t IdPTest) GoString() string { return t.String() }

// TestIdP tests the connection to an IdP on the server, and rehearses an assertion.
func (c *Client) TestIdP(ctx context.Context, t IdPTest) (json.RawMessage, error) {
	var raw json.RawMessage
	err := c.call(ctx, http.MethodPost, c.path("idp-tests"), nil, t, &raw)
	return raw, err
}

// Capture is an IdP that waits for its next assertion.
type Capture struct {
	ID        string    `json:"id"`
	Issuer    string    `json:"issuer"`
	ExpiresAt time.Time `json:"expires_at"`
}

// ArmCapture waits for the next assertion of an IdP.
func (c *Client) ArmCapture(ctx context.Context, idp string, length time.Duration) (Capture, error) {
	var armed Capture
	query := url.Values{"for": {strconv.Itoa(int(length / time.Second))}}
	err := c.call(ctx, http.MethodPost, c.path(object.KindIdentityProvider.Plural(), idp, "captures"), query, nil, &armed)
	return armed, err
}

// TakeCapture reads what was captured, which is deleted by it; nil after so long a wait.
func (c *Client) TakeCapture(ctx context.Context, idp, id string, wait time.Duration) (json.RawMessage, error) {
	var answer struct {
		Seen json.RawMessage `json:"seen"`
	}
	query := url.Values{"wait": {strconv.Itoa(int(wait / time.Second))}}
	err := c.call(ctx, http.MethodGet, c.path(object.KindIdentityProvider.Plural(), idp, "captures", id), query, nil, &answer)
	return answer.Seen, err
}

// EndCapture waits no longer.
func (c *Client) EndCapture(ctx context.Context, idp, id string) error {
	return c.call(ctx, http.MethodDelete, c.path(object.KindIdentityProvider.Plural(), idp, "captures", id), nil, nil, nil)
}
