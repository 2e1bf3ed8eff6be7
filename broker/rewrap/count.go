package rewrap

import (
	"context"
	"slices"

	"github.com/chancery-dev/chancery/vault"
)

// Key is one that may seal or open something.
type Key struct {
	Scheme vault.Scheme
	ID     string
}

// Usage is how much rests under one key. Beside what is moved there is what goes by itself.
type Usage struct {
	Key
	Sealed int64
	Soon   int64
}

// Inventory tells how much rests under each key, over all tenants; last comes what none of them sealed, with an empty ID.
func (d Desk) Inventory(ctx context.Context, keys []Key) ([]Usage, error) {
	prefixes := make([][]byte, len(keys))
	all := make([]Usage, len(keys)+1)
	for i, k := range keys {
		var err error
		if prefixes[i], err = vault.Prefix(k.Scheme, k.ID); err != nil {
			return nil, err
		}
		all[i].Key = k
	}
	tenants, err := d.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tenants {
		counts, err := d.Store.Count(ctx, t, t == d.Root, prefixes)
		if err != nil {
			return nil, err
		}
		for _, c := range counts {
			rest := c.All
			for i, n := range c.By {
				all[i].add(n, c.Soon)
				rest -= n
			}
			all[len(keys)].add(rest, c.Soon)
		}
	}
	if last := all[len(keys)]; last.Sealed == 0 && last.Soon == 0 {
		all = slices.Delete(all, len(keys), len(keys)+1)
	}
	return all, nil
}

func (u *Usage) add(n int64, soon bool) {
	if soon {
		u.Soon += n
		return
	}
	u.Sealed += n
}
