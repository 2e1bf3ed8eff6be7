package transit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

// Ready does what a server needs before it may rely on Vault: it looks at the key, then seals, moves to the newest version
// and opens something. An error says which permission is missing where one is.
func (t *Client) Ready(ctx context.Context) (Key, error) {
	key, err := t.Check(ctx)
	if err != nil {
		return Key{}, t.needs(err, "read", "keys")
	}
	return key, t.Probe(ctx)
}

// Probe seals, rewraps and opens something, as grants and a rewrap would.
func (t *Client) Probe(ctx context.Context) error {
	place := vault.AAD{Tenant: vault.Installation, Table: "probe", UID: "probe", Column: "probe"}
	blob, err := t.Seal(ctx, []byte("probe"), place)
	if err != nil {
		return t.needs(err, "update", "encrypt")
	}
	moved, err := t.Rewrap(ctx, []vault.Stood{{Blob: blob, Place: place}})
	if err == nil {
		err = moved[0].Err
	}
	if err != nil {
		return t.needs(err, "update", "rewrap")
	}
	opened, err := t.Open(ctx, moved[0].Blob, place)
	if err != nil {
		return t.needs(err, "update", "decrypt")
	}
	if !bytes.Equal(opened, []byte("probe")) {
		return vault.ErrUnopened
	}
	return nil
}

// needs names what the policy of our token lacks.
func (t *Client) needs(err error, capability, operation string) error {
	if outage, ok := errors.AsType[*Outage](err); ok && outage.Kind == Denied {
		return fmt.Errorf("%w (the policy of our token needs %q on %s)", err, capability, t.path(operation))
	}
	return err
}

// Token is what Vault says of the token in use.
type Token struct {
	TTL       time.Duration // that is left; 0: without end
	Renewable bool
	Policies  []string
}

// Token asks about the token in use.
func (t *Client) Token(ctx context.Context) (Token, error) {
	found, err := t.read(ctx, "auth/token/lookup-self")
	if err != nil {
		return Token{}, err
	}
	var token Token
	if token.TTL, err = found.TokenTTL(); err != nil {
		return Token{}, err
	}
	if token.Renewable, err = found.TokenIsRenewable(); err != nil {
		return Token{}, err
	}
	token.Policies, err = found.TokenPolicies()
	return token, err
}
