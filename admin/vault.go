package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/rewrap"
)

// Vault is what is done with the keys that seal: of the whole installation, not of a tenant.
type Vault interface {
	Keys(ctx context.Context) (VaultKeys, error)
	// Rotate makes a new key of the local keyring, which seals from now on; ErrVaultState where another backend seals.
	Rotate(ctx context.Context, by audit.Principal, trace string) (keyID string, err error)
	// Retire ends a key of the local keyring for ever; ErrVaultState while something needs it.
	Retire(ctx context.Context, keyID string, by audit.Principal, trace string) error
	// Rewrap moves one batch behind a place to the newest key.
	Rewrap(ctx context.Context, after string, batch int, by audit.Principal, trace string) (rewrap.Step, error)
}

// ErrVaultState says that a key is not in the state for this.
var ErrVaultState = errors.New("the key cannot do that now")

var errNoVault = refuse(http.StatusNotFound, "route_unknown", "what seals is not to be seen here")

// VaultKeys are the keys that seal or sealed something.
type VaultKeys struct {
	Backend string     `json:"backend"`
	Keys    []VaultKey `json:"keys"`
}

// VaultKey is one of them, without what it is. An empty ID stands for what no key at hand sealed.
type VaultKey struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	Seals     bool      `json:"seals"`           // new secrets
	Ended     bool      `json:"ended,omitempty"` // below the key's min_decryption_version: it opens nothing
	Sealed    int64     `json:"sealed"`          // secrets that rest under it
	Soon      int64     `json:"soon"`            // others, which go by themselves
}

type rewrapStep struct {
	KeyID     string `json:"key"`
	Table     string `json:"table,omitempty"`
	Rewrapped int64  `json:"rewrapped"`
	Moved     int64  `json:"moved"`
	Failed    int64  `json:"failed"`
	Next      string `json:"next,omitempty"`
}

func (s *Server) listVaultKeys(c *gin.Context) error {
	if s.Vault == nil {
		return errNoVault
	}
	listed, err := s.Vault.Keys(c.Request.Context())
	if err != nil {
		return err
	}
	if listed.Keys == nil {
		listed.Keys = []VaultKey{}
	}
	c.JSON(http.StatusOK, listed)
	return nil
}

func (s *Server) rotateVaultKey(c *gin.Context) error {
	if s.Vault == nil {
		return errNoVault
	}
	keyID, err := s.Vault.Rotate(c.Request.Context(), principal(c), traceOf(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, map[string]string{"id": keyID})
	return nil
}

func (s *Server) retireVaultKey(c *gin.Context) error {
	if s.Vault == nil {
		return errNoVault
	}
	if err := s.Vault.Retire(c.Request.Context(), c.Param("kid"), principal(c), traceOf(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) rewrapStep(c *gin.Context) error {
	if s.Vault == nil {
		return errNoVault
	}
	batch := rewrap.DefaultBatch
	if text := c.Query("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return refuse(http.StatusBadRequest, "parameter_invalid", "limit is a number")
		}
		batch = n
	}
	step, err := s.Vault.Rewrap(c.Request.Context(), c.Query("cursor"), batch, principal(c), traceOf(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, rewrapStep{KeyID: step.KeyID, Table: string(step.Table), Rewrapped: step.Rewrapped, Moved: step.Moved, Failed: step.Failed, Next: step.Next})
	return nil
}
