package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// VaultKeys are the keys that seal or sealed something.
type VaultKeys struct {
	Backend string     `json:"backend"`
	Keys    []VaultKey `json:"keys"`
}

// VaultKey is one of them. An empty ID stands for what no key at hand sealed.
type VaultKey struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Seals     bool      `json:"seals"`
	Ended     bool      `json:"ended,omitempty"`
	Sealed    int64     `json:"sealed"`
	Soon      int64     `json:"soon"`
}

// RewrapStep is what one batch led to; an empty Next is the end.
type RewrapStep struct {
	KeyID     string `json:"key"`
	Table     string `json:"table,omitempty"`
	Rewrapped int64  `json:"rewrapped"`
	Moved     int64  `json:"moved"`
	Failed    int64  `json:"failed"`
	Next      string `json:"next,omitempty"`
}

func (c *Client) vaultPath(rest string) string { return c.base + "/admin/v1/vault/" + rest }

// VaultKeys lists the keys that seal, and how much rests under each.
func (c *Client) VaultKeys(ctx context.Context) (VaultKeys, error) {
	var listed VaultKeys
	err := c.call(ctx, http.MethodGet, c.vaultPath("keys"), nil, nil, &listed)
	return listed, err
}

// RotateVaultKey makes a new key of the local keyring, and tells its id.
func (c *Client) RotateVaultKey(ctx context.Context) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := c.call(ctx, http.MethodPost, c.vaultPath("keys/rotate"), nil, nil, &made)
	return made.ID, err
}

// RetireVaultKey ends a key of the local keyring.
func (c *Client) RetireVaultKey(ctx context.Context, keyID string) error {
	return c.call(ctx, http.MethodPost, c.vaultPath("keys/"+url.PathEscape(keyID)+"/retire"), nil, nil, nil)
}

// Rewrap moves one batch behind a place ("": the beginning) to the newest key.
func (c *Client) Rewrap(ctx context.Context, after string, batch int) (RewrapStep, error) {
	query := url.Values{"limit": {strconv.Itoa(batch)}}
	if after != "" {
		query.Set("cursor", after)
	}
	var step RewrapStep
	err := c.call(ctx, http.MethodPost, c.vaultPath("rewrap"), query, nil, &step)
	return step, err
}
