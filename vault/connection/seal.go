package connection

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/provider"
)

// Where a credential rests: a part of every seal, and so for ever.
const (
	table  = "connections"
	column = "credential"
)

// place binds a sealed credential to tenant, connection, version, owner and provider (T68): in another row, under another
// owner, or as the version that it was before, it does not open. Each part of the uid stands after its length, so that no
// two places read alike.
func (r Ref) place(version int64) (vault.AAD, error) {
	if err := r.Validate(); err != nil {
		return vault.AAD{}, err
	}
	if version < 1 {
		return vault.AAD{}, fmt.Errorf("%w, and a version", ErrIncomplete)
	}
	var uid strings.Builder
	for _, part := range []string{r.ID, strconv.FormatInt(version, 10), string(r.Owner.Kind), r.Owner.UID, r.Provider} {
		fmt.Fprintf(&uid, "%d:%s,", len(part), part)
	}
	return vault.AAD{Tenant: r.Tenant, Table: table, UID: uid.String(), Column: column}, nil
}

// Successor is a credential as it comes to rest: sealed, and what is known of it without opening it.
type Successor struct {
	Blob      []byte
	KeyID     string
	SealedAt  time.Time
	Scopes    []string
	ExpiresAt time.Time
	RefreshAt time.Time
}

// Seal makes a credential fit to rest as one version of a connection, and as nothing else.
func Seal(ctx context.Context, sealer vault.Sealer, ref Ref, version int64, c provider.Credential, now time.Time) (Successor, error) {
	at, err := ref.place(version)
	if err != nil {
		return Successor{}, err
	}
	plaintext, err := c.Plaintext()
	if err != nil {
		return Successor{}, err
	}
	defer clear(plaintext)
	blob, keyID, err := seal(ctx, sealer, plaintext, at)
	if err != nil {
		return Successor{}, err
	}
	s := Successor{Blob: blob, KeyID: keyID, SealedAt: now.UTC(), Scopes: c.Scopes, ExpiresAt: c.ExpiresAt, RefreshAt: c.ExpiresAt}
	if renewable(c) {
		s.RefreshAt = c.RefreshAt()
	}
	return s, nil
}

func seal(ctx context.Context, sealer vault.Sealer, plaintext []byte, at vault.AAD) (blob []byte, keyID string, err error) {
	if blob, err = sealer.Seal(ctx, plaintext, at); err != nil {
		return nil, "", err
	}
	taken, err := vault.Parse(blob)
	if err != nil {
		return nil, "", err
	}
	return blob, taken.KeyID, nil
}

// Open gives a stored credential to whom it belongs: the place is made of the asker's ref, not of what the row says.
func Open(ctx context.Context, sealer vault.Sealer, ref Ref, s Stored) (provider.Credential, error) {
	at, err := ref.place(s.Version)
	if err != nil {
		return provider.Credential{}, err
	}
	plaintext, err := sealer.Open(ctx, s.Blob, at)
	if err != nil {
		return provider.Credential{}, err
	}
	defer clear(plaintext)
	return provider.ParseCredential(plaintext)
}

// renewable tells whether there is something to refresh with.
func renewable(c provider.Credential) bool { return !c.Refresh.IsZero() || anew(c) }

// anew: such a credential is obtained again with our own registration or key, and nothing is used up by it.
func anew(c provider.Credential) bool {
	return c.Origin == provider.FromClient || c.Origin == provider.FromInstallation
}
