package snapshot

import (
	"context"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Clients reads clients with their live secrets, through a cache. It implements
// client.Registry. A request takes its picture first, then looks up its client.
type Clients struct {
	store      Store
	registered Registered // nil: nobody did
	cache      *cache[*client.Client]
}

var _ client.Registry = (*Clients)(nil)

func newClients(c Config) (*Clients, error) {
	cache, err := newCache[*client.Client](c.Clients, c.Now)
	return &Clients{store: c.Store, registered: c.Registered, cache: cache}, err
}

// maxClientID is the longest that a Client object takes.
const maxClientID = 255

// Lookup implements client.Registry.
func (c *Clients) Lookup(ctx context.Context, t tenant.UID, clientID string) (*client.Client, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if len(clientID) > maxClientID { // nobody's, and not to be remembered: anybody may send it
		return nil, client.ErrUnknown
	}
	k := cacheKey{t, object.SpaceClientID, clientID}
	found, ok, err := c.cache.get(ctx, k, func(ctx context.Context) (*client.Client, []string, error) {
		return c.load(ctx, t, clientID)
	})
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, client.ErrUnknown
	}
	return found, nil
}

func (c *Clients) load(ctx context.Context, t tenant.UID, clientID string) (*client.Client, []string, error) {
	holders, err := c.store.FindByKey(ctx, t, object.SpaceClientID, clientID)
	if err != nil || len(holders) == 0 {
		return nil, nil, err
	}
	if len(holders) > 1 || holders[0].Kind != object.KindClient { // the key is exclusive, and a client's
		return nil, nil, object.ErrKeyTaken
	}
	return c.whole(ctx, holders[0])
}
