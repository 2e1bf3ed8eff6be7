package assembly

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/vault"
)

// textsFor is how long a text of Vault's KV engine is kept: pictures are made anew with each change of a tenant.
const textsFor = time.Minute

// vaultTexts reads texts of Vault's KV engine, each at most once a minute. While Vault is away the last one that was read is
// good: what an IdP's entry needs goes on. There are as many as the configuration lets objects refer to.
type vaultTexts struct {
	ask func(ctx context.Context, reference string) (string, error)
	now func() time.Time

	mu    sync.Mutex
	known map[string]knownText
}

type knownText struct {
	value string
	at    time.Time
}

func (v *vaultTexts) read(reference string) (string, error) {
	v.mu.Lock()
	known, ok := v.known[reference]
	v.mu.Unlock()
	if ok && v.now().Sub(known.at) < textsFor {
		return known.value, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), readPatience)
	defer cancel()
	value, err := v.ask(ctx, reference)
	if ok && errors.Is(err, vault.ErrUnavailable) {
		return known.value, nil
	}
	if err != nil {
		return "", err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.known == nil {
		v.known = map[string]knownText{}
	}
	v.known[reference] = knownText{value: value, at: v.now()}
	return value, nil
}
