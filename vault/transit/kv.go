package transit

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrReference is for a reference that leads to no secret.
var ErrReference = errors.New("vault: no such secret")

// Secret reads one value of a KV v2 engine, by a reference MOUNT/PATH#KEY, as `vault kv get -field=KEY MOUNT/PATH` does.
func (t *Client) Secret(ctx context.Context, reference string) (string, error) {
	path, key, cut := strings.Cut(reference, "#")
	mount, rest, ok := strings.Cut(path, "/")
	if !cut || !ok || key == "" || mount == "" || rest == "" || strings.Contains(path, "..") || strings.ContainsAny(path, "?%\\ ") {
		return "", fmt.Errorf("%w: %q is not MOUNT/PATH#KEY", ErrReference, reference)
	}
	answer, err := t.read(ctx, mount+"/data/"+rest)
	if errors.Is(err, errNothing) {
		return "", fmt.Errorf("%w: %s", ErrReference, path)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	data, _ := answer.Data["data"].(map[string]any)
	value, ok := data[key].(string)
	if !ok || value == "" {
		return "", fmt.Errorf("%w: %s has no text %s", ErrReference, path, key)
	}
	return value, nil
}
