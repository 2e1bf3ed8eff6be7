package transit

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/chancery-dev/chancery/vault"
)

var (
	_ vault.Sealer = (*Client)(nil)
	_ vault.Batch  = (*Client)(nil)
)

// Seal makes a data key, seals with it here, and has Vault wrap it: one call, which sees the key and not the secret.
func (t *Client) Seal(ctx context.Context, plaintext []byte, place vault.AAD) ([]byte, error) {
	derived, err := place.Context()
	if err != nil {
		return nil, err
	}
	key := vault.NewDataKey()
	defer key.Wipe()
	sealed, err := key.Seal(plaintext, place)
	if err != nil {
		return nil, err
	}
	answer, err := t.write(ctx, t.path("encrypt"), map[string]any{
		"plaintext": base64.StdEncoding.EncodeToString(key[:]), "context": base64.StdEncoding.EncodeToString(derived),
	})
	if err != nil {
		return nil, err
	}
	wrapped, err := text(answer, "ciphertext")
	if err != nil {
		return nil, err
	}
	t.cache.put(wrapped, place, key)
	return encode(wrapped, sealed)
}

// Open has Vault unwrap the data key for this place, and opens with it here.
func (t *Client) Open(ctx context.Context, blob []byte, place vault.AAD) ([]byte, error) {
	wrapped, sealed, err := take(blob)
	if err != nil {
		return nil, err
	}
	key, err := t.unwrap(ctx, wrapped, place)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	return key.Open(sealed, place)
}

func (t *Client) unwrap(ctx context.Context, wrapped string, place vault.AAD) (*vault.DataKey, error) {
	if key, ok := t.cache.get(wrapped, place); ok {
		return key, nil
	}
	derived, err := place.Context()
	if err != nil {
		return nil, err
	}
	answer, err := t.write(ctx, t.path("decrypt"), map[string]any{
		"ciphertext": wrapped, "context": base64.StdEncoding.EncodeToString(derived),
	})
	if err != nil {
		return nil, fmt.Errorf("%s.%s: %w", place.Table, place.Column, err)
	}
	encoded, err := text(answer, "plaintext")
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != len(vault.DataKey{}) {
		return nil, fmt.Errorf("%w: what was unwrapped is no data key", vault.ErrUnopened)
	}
	key := vault.DataKey(raw)
	clear(raw)
	t.cache.put(wrapped, place, &key)
	return &key, nil
}

// encode writes a blob, whose key id tells the version for inventories: transit:v3.
func encode(wrapped string, sealed []byte) ([]byte, error) {
	version, err := versionOf(wrapped)
	if err != nil {
		return nil, err
	}
	body, err := vault.Envelope{Wrapped: []byte(wrapped), Sealed: sealed}.Encode()
	if err != nil {
		return nil, err
	}
	return vault.Blob{Scheme: vault.WrappedKey, KeyID: keyID(version), Body: body}.Encode()
}

func take(blob []byte) (wrapped string, sealed []byte, err error) {
	b, err := vault.Parse(blob)
	if err != nil {
		return "", nil, err
	}
	if b.Scheme != vault.WrappedKey {
		return "", nil, fmt.Errorf("%w: key %s is not Vault's", vault.ErrUnopened, b.KeyID)
	}
	e, err := vault.ParseEnvelope(b.Body)
	if err != nil {
		return "", nil, err
	}
	return string(e.Wrapped), e.Sealed, nil
}

const keyIDPrefix = "transit:v"

func keyID(version int) string { return fmt.Sprint(keyIDPrefix, version) }

// versionOf reads vault:v3:….
func versionOf(wrapped string) (int, error) {
	rest, ok := strings.CutPrefix(wrapped, "vault:v")
	number, body, cut := strings.Cut(rest, ":")
	var version int
	if _, err := fmt.Sscanf(number, "%d", &version); err != nil || !ok || !cut || body == "" || version < 1 || fmt.Sprint(version) != number {
		return 0, &Outage{Failing, fmt.Errorf("a ciphertext that does not begin with vault:v and a version")}
	}
	return version, nil
}

func (t *Client) path(operation string) string {
	return t.config.Mount + "/" + operation + "/" + t.config.Key
}

func text(answer *api.Secret, member string) (string, error) {
	value, ok := answer.Data[member].(string)
	if !ok || value == "" {
		return "", &Outage{Failing, fmt.Errorf("an answer without %s", member)}
	}
	return value, nil
}
