package transit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/chancery-dev/chancery/vault"
)

// ErrKey says that the key must not be used for this.
var ErrKey = errors.New("transit: the key cannot be used")

// Key is what Vault says of our key.
type Key struct {
	Type       string
	Latest     int // the version that wraps
	MinDecrypt int // the oldest that unwraps
	Deletable  bool
}

// Check asks what the key is, and refuses one that does not derive a key for each place (Vault would ignore the place, and
// a ciphertext of one row would open in another), and one that anybody may read out of Vault.
func (t *Client) Check(ctx context.Context) (Key, error) {
	answer, err := t.read(ctx, t.path("keys"))
	if errors.Is(err, errNothing) {
		return Key{}, fmt.Errorf("%w: there is no key %s at %s, or Vault does not show it", ErrKey, t.config.Key, t.config.Mount)
	}
	if err != nil {
		return Key{}, err
	}
	yes := func(member string) bool { v, ok := answer.Data[member].(bool); return ok && v }
	no := func(member string) bool { v, ok := answer.Data[member].(bool); return ok && !v }
	kind, _ := answer.Data["type"].(string)
	switch {
	case !yes("derived"):
		return Key{}, fmt.Errorf("%w: it is not derived; make it with: vault write -f %s derived=true", ErrKey, t.path("keys"))
	case !no("exportable"):
		return Key{}, fmt.Errorf("%w: it is exportable", ErrKey)
	case !no("allow_plaintext_backup"):
		return Key{}, fmt.Errorf("%w: it may be backed up in plain text", ErrKey)
	case !yes("supports_encryption") || !yes("supports_derivation"):
		return Key{}, fmt.Errorf("%w: type %q does not encrypt under derived keys", ErrKey, kind)
	case yes("convergent_encryption"):
		return Key{}, fmt.Errorf("%w: it is convergent: equal secrets would look equal", ErrKey)
	}
	key := Key{Type: kind, Deletable: yes("deletion_allowed")}
	if key.Latest, err = number(answer.Data["latest_version"]); err != nil {
		return Key{}, err
	}
	key.MinDecrypt, err = number(answer.Data["min_decryption_version"])
	return key, err
}

func number(value any) (int, error) {
	n, ok := value.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%w: Vault does not say its version", ErrKey)
	}
	i, err := n.Int64()
	return int(i), err
}

// Rewrap has Vault wrap the data keys of many blobs anew, under the newest version, in one call. No data key and no secret
// leaves Vault or is seen here.
func (t *Client) Rewrap(ctx context.Context, all []vault.Stood) ([]vault.Rewrapped, error) {
	out, sealed := make([]vault.Rewrapped, len(all)), make([][]byte, len(all))
	batch := make([]map[string]any, len(all))
	for i, s := range all {
		wrapped, rest, err := take(s.Blob)
		if err != nil {
			return nil, err
		}
		derived, err := s.Place.Context()
		if err != nil {
			return nil, err
		}
		batch[i] = map[string]any{"ciphertext": wrapped, "context": base64.StdEncoding.EncodeToString(derived)}
		sealed[i] = rest
	}
	answer, err := t.write(ctx, t.path("rewrap"), map[string]any{"batch_input": batch})
	if outage, down := errors.AsType[*Outage](err); err != nil && (!down || outage.Kind == Refused) && len(all) > 1 {
		return t.rewrapEach(ctx, all) // Vault refuses a batch of which one item fails: find which
	}
	if err != nil {
		return nil, err
	}
	results, ok := answer.Data["batch_results"].([]any)
	if !ok || len(results) != len(all) {
		return nil, &Outage{Failing, errors.New("an answer for another number of blobs")}
	}
	for i, s := range all {
		r := results[i]
		members, _ := r.(map[string]any)
		wrapped, _ := members["ciphertext"].(string)
		if wrapped == "" {
			out[i].Err = fmt.Errorf("%w: %s %s", vault.ErrUnopened, s.Place.Table, s.Place.UID)
			continue
		}
		out[i].Blob, out[i].Err = encode(wrapped, sealed[i])
	}
	return out, nil
}

func (t *Client) rewrapEach(ctx context.Context, all []vault.Stood) ([]vault.Rewrapped, error) {
	out := make([]vault.Rewrapped, len(all))
	for i, s := range all {
		one, err := t.Rewrap(ctx, []vault.Stood{s})
		if outage, down := errors.AsType[*Outage](err); down && outage.Kind != Refused {
			return nil, err
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		out[i] = one[0]
	}
	return out, nil
}
