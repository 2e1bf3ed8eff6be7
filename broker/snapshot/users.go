package snapshot

import (
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
)

// Users reads users through a cache. A request takes its picture first, then
// resolves its subject.
type Users struct {
	store Store
	cache *cache[people]
}

// people are those whom one key finds.
type people struct {
	accounts []federation.Account
	links    [][]string // of each: to which IdPs
}

func newUsers(c Config) (*Users, error) {
	cache, err := newCache[people](c.Users, c.Now)
	return &Users{store: c.Store, cache: cache}, err
}

// spaceUID is where the cache keeps users by their own id.
const spaceUID = "uid"

// Directory gives the users of a tenant.
func (u *Users) Directory(t *Tenant) federation.Directory {
	return directory{users: u, tenant: t.UID, registry: t.Registry}
}

type directory struct {
	users    *Users
	tenant   tenant.UID
	registry *federation.Registry
}

// BySubject implements federation.Directory.
func (d directory) BySubject(ctx context.Context, idp *federation.IdentityProvider, idpTenant, sub string) ([]federation.Account, error) {
	return d.byKey(ctx, object.SpaceIdentity, object.IdentityKey(object.Link(idp.UID, idp.Issuer), idpTenant, sub))
}

// BySubjectID implements federation.Directory.
func (d directory) BySubjectID(ctx context.Context, idp *federation.IdentityProvider, idpTenant, canonical string) ([]federation.Account, error) {
	return d.byKey(ctx, object.SpaceSubID, object.SubIDKey(object.Link(idp.UID, idp.Issuer), idpTenant, canonical))
}

// ByEmail implements federation.Directory.
func (d directory) ByEmail(ctx context.Context, email string) ([]federation.Account, error) {
	return d.byKey(ctx, object.SpaceEmail, email)
}

// ByID implements federation.Directory.
func (d directory) ByID(ctx context.Context, uid string) ([]federation.Account, error) {
	found, err := d.byUID(ctx, uid)
	return found.accounts, err
}

// IdPs implements federation.Directory. A link to an IdP that is gone, or had
// another issuer then, is no living IdP's: it still says that the user is
// somebody's, so that nobody else may claim him by an address. Of somebody who is
// not there nothing is known.
func (d directory) IdPs(ctx context.Context, uid string) ([]string, error) {
	found, err := d.byUID(ctx, uid)
	if err != nil {
		return nil, err
	}
	if len(found.links) != 1 {
		return nil, object.ErrNotFound
	}
	idps := slices.Clone(found.links[0])
	for _, idp := range d.registry.All() {
		if i := slices.Index(idps, object.Link(idp.UID, idp.Issuer)); i >= 0 {
			idps[i] = idp.UID
		}
	}
	return idps, nil
}

func (d directory) byUID(ctx context.Context, uid string) (people, error) {
	return d.find(ctx, spaceUID, uid, func(ctx context.Context) ([]object.Stored, error) {
		stored, err := d.users.store.ByUID(ctx, d.tenant, object.KindUser, uid)
		if errors.Is(err, object.ErrNotFound) {
			return nil, nil
		}
		return []object.Stored{stored}, err
	})
}

func (d directory) byKey(ctx context.Context, space, value string) ([]federation.Account, error) {
	found, err := d.find(ctx, space, value, func(ctx context.Context) ([]object.Stored, error) {
		return d.users.store.FindByKey(ctx, d.tenant, space, value)
	})
	return found.accounts, err
}

func (d directory) find(ctx context.Context, space, value string, read func(context.Context) ([]object.Stored, error)) (people, error) {
	if err := d.tenant.Check(); err != nil {
		return people{}, err
	}
	found, _, err := d.users.cache.get(ctx, cacheKey{d.tenant, space, value}, func(ctx context.Context) (people, []string, error) {
		stored, err := read(ctx)
		if err != nil {
			return people{}, nil, err
		}
		return peopleOf(stored)
	})
	return found, err
}

func peopleOf(stored []object.Stored) (found people, uids []string, err error) {
	for _, s := range stored {
		if s.Kind != object.KindUser {
			return people{}, nil, object.ErrKeyTaken
		}
		account, links, err := newAccount(s)
		if err != nil {
			return people{}, nil, err
		}
		found.accounts, found.links = append(found.accounts, account), append(found.links, links)
		uids = append(uids, s.UID)
	}
	return found, uids, nil
}
