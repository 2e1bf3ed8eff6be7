package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
)

// Approval is a request that waits for the person who asks.
type Approval struct {
	ID        string         `json:"id"`
	For       *ApprovalParty `json:"for,omitempty"`
	Client    ApprovalParty  `json:"client"`
	Resource  ApprovalParty  `json:"resource"`
	Provider  string         `json:"provider,omitempty"`
	Scopes    []string       `json:"scopes"`
	Group     string         `json:"group"`
	Lifetime  int64          `json:"lifetime"`
	Decision  string         `json:"decision_id"`
	BegunAt   time.Time      `json:"begun_at"`
	ExpiresAt time.Time      `json:"expires_at"`
}

// ApprovalParty is who or what takes part.
type ApprovalParty struct {
	UID   string `json:"uid"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Approvals lists what waits for the person whose token is shown.
func (c *Client) Approvals(ctx context.Context) ([]Approval, error) {
	var answer struct {
		Items []Approval `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, c.path("approvals"), nil, nil, &answer)
	return answer.Items, err
}

// Answered is what a request is after a word.
type Answered struct {
	ID      string `json:"id"`
	Allowed bool   `json:"allowed"`
	State   string `json:"state"`
}

// Answer allows or denies a request, once.
func (c *Client) Answer(ctx context.Context, id string, allow bool) (Answered, error) {
	if !strings.HasPrefix(id, "apr_") || strings.ContainsAny(id, "/?#%") {
		return Answered{}, errors.New("an approval's id begins with apr_")
	}
	verb := "deny"
	if allow {
		verb = "allow"
	}
	var answer Answered
	err := c.call(ctx, http.MethodPost, c.path("approvals", id, verb), nil, nil, &answer)
	return answer, err
}
