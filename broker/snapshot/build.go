package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // tenants name time zones, and a container may have none

	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/policy"
)

// page is how many objects are read at once.
const page = 500

// revision names one revision of a policy.
type revision struct {
	uid    string
	number int64
}

// build reads a tenant and makes its picture.
//
//  1. the version, before any row: the picture may hold more than it says, never less;
//  2. the caches drop what versions up to this one have changed, before the picture is published;
//  3. the guards that tenant default lays on every tenant, at their version;
//  4. the rows.
func (s *Source) build(ctx context.Context, e *entry) (*Tenant, error) {
	version, err := s.config.Versions.Version(ctx, e.uid)
	if err != nil {
		return nil, err
	}
	e.want(version)
	aside, err := s.drop(ctx, e, version)
	if err != nil {
		return nil, err
	}
	stored, err := s.config.Store.Tenant(ctx, e.name)
	if errors.Is(err, object.ErrNotFound) || err == nil && stored.Tenant != e.uid || version == 0 {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	t := &Tenant{UID: e.uid, Name: e.name, Version: version, Issuer: s.issuer(e.name)}
	if err := s.describe(t, stored); err != nil {
		return nil, err
	}
	var inherited []*policy.Compiled
	if e.name != tenant.DefaultName {
		root, err := s.inherit(ctx)
		if err != nil {
			return nil, err
		}
		inherited = root.guards
		t.inherited = ledger.Picture{Tenant: root.UID, Version: root.Version}
	}
	before := e.picture.Load()
	if before != nil && aside && !before.isDue(s.config.Now()) && slices.Equal(before.bound, inherited) {
		return before.at(version, t.inherited), nil
	}
	t.bound = inherited
	if err := s.fill(ctx, t, inherited, before); err != nil {
		return nil, err
	}
	return t, nil
}

// isDue tells whether the picture is to be built anew though nothing has changed.
func (t *Tenant) isDue(now time.Time) bool { return !t.again.IsZero() && !now.Before(t.again) }

// at is the same picture, of which nothing has changed, at a newer version.
func (t *Tenant) at(version int64, inherited ledger.Picture) *Tenant {
	newer := *t
	newer.Version, newer.inherited = version, inherited
	return &newer
}

func (s *Source) issuer(name string) string {
	if name == tenant.DefaultName {
		return s.config.PublicURL
	}
	return s.config.PublicURL + "/t/" + name
}

// drop makes the caches forget what was changed since the last picture: exactly
// that if it is known of every version in between, else all of the tenant. aside
// is true if nothing of it is part of the picture. The picture before holds
// everything up to e.dropped, since its rows were read after its own drop.
func (s *Source) drop(ctx context.Context, e *entry, version int64) (aside bool, err error) {
	changed, upTo, complete, err := s.config.Versions.Changes(ctx, e.uid, e.dropped)
	if err != nil {
		return false, err
	}
	if e.dropped == 0 || !complete || upTo < version {
		s.clients.cache.dropAll(e.uid)
		s.users.cache.dropAll(e.uid)
		e.dropped = version
		return false, nil
	}
	aside = true
	uids := make([]string, len(changed))
	for i, c := range changed {
		uids[i] = c.UID
		aside = aside && isAside(c.Kind)
	}
	s.clients.cache.drop(e.uid, uids)
	s.users.cache.drop(e.uid, uids)
	e.dropped = upTo
	return aside, nil
}

// isAside tells which kinds of change leave the picture as it is. What is not listed is part of it.
func isAside(kind string) bool {
	switch kind {
	case string(object.KindClient), string(object.KindUser), object.ChangedSigningKey, object.ChangedHolder, object.ChangedRevocation, object.ChangedConsent,
		object.ChangedConnection:
		return true
	default:
		return false
	}
}

// inherit returns the picture of tenant default, active or not: suspending it does
// not lift its guards.
func (s *Source) inherit(ctx context.Context) (*Tenant, error) {
	e, err := s.entry(ctx, tenant.DefaultName)
	var root *Tenant
	if err == nil {
		root, err = s.current(ctx, e)
	}
	if err != nil { // not wrapped: that default is unknown says nothing of who asked
		return nil, fmt.Errorf("tenant %s: %v", tenant.DefaultName, err) //nolint:errorlint // see above
	}
	return root, nil
}

func (s *Source) describe(t *Tenant, stored object.Stored) error {
	spec, err := specOf[*object.TenantSpec](stored)
	if err != nil {
		return err
	}
	spec = spec.WithDefaults()
	if t.TimeZone, err = time.LoadLocation(spec.Timezone); err != nil {
		return fmt.Errorf("timezone: %w", err)
	}
	t.Plan = spec.Plan
	t.active = spec.Status == object.StatusActive
	t.PublicClientAssertions = spec.PublicClientAssertions == object.PublicAssertionsCNF
	s.describeSignIn(t, spec)
	t.Registration = registration(spec.Registration)
	t.Webhooks = webhooks(stored, spec)
	return nil
}

// fill reads the objects of the picture. before is the picture that this one replaces, or nil.
func (s *Source) fill(ctx context.Context, t *Tenant, inherited []*policy.Compiled, before *Tenant) error {
	if err := s.fillIdPs(ctx, t, before); err != nil {
		return err
	}
	t.byName, t.byURI = map[string]*Resource{}, map[string]*Resource{}
	err := s.each(ctx, t.UID, object.KindResource, func(stored object.Stored) error {
		r, err := newResource(stored, s.config.Algorithm)
		if err != nil {
			return err
		}
		if _, taken := t.byURI[r.Canonical]; taken {
			return fmt.Errorf("another resource is %s", r.Canonical)
		}
		t.byName[r.Name], t.byURI[r.Canonical] = r, r
		t.inNameForm = append(t.inNameForm, r)
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.fillWorkloads(ctx, t); err != nil {
		return err
	}
	if err := s.fillProviders(ctx, t, before); err != nil {
		return err
	}
	return s.fillPolicies(ctx, t, inherited, before)
}

// fillIdPs reads whom the tenant trusts, and how people come in through them.
func (s *Source) fillIdPs(ctx context.Context, t *Tenant, before *Tenant) error {
	var idps []federation.IdentityProvider
	var entrances []entrance
	err := s.each(ctx, t.UID, object.KindIdentityProvider, func(stored object.Stored) error {
		spec, err := specOf[*object.IdentityProviderSpec](stored)
		if err != nil {
			return err
		}
		filled := spec.WithDefaults()
		idp, err := trusted(stored, spec, filled)
		idps = append(idps, idp)
		entrances = append(entrances, entrance{stored: stored, spec: spec, filled: filled})
		return err
	})
	if err != nil {
		return err
	}
	if t.Registry, err = federation.NewRegistry(idps); err != nil {
		return err
	}
	t.idps = make(map[string]*federation.IdentityProvider, len(idps))
	for i, idp := range t.Registry.All() {
		t.idps[idp.UID] = idp
		entrances[i].idp = idp
	}
	return s.fillSignIn(ctx, t, entrances, before)
}

// fillPolicies compiles what the picture before had not compiled yet.
func (s *Source) fillPolicies(ctx context.Context, t *Tenant, inherited []*policy.Compiled, before *Tenant) error {
	t.compiled = map[revision]*policy.Compiled{}
	var own []*policy.Compiled
	err := s.each(ctx, t.UID, object.KindPolicy, func(stored object.Stored) error {
		key := revision{stored.UID, stored.Revision}
		var compiled *policy.Compiled
		if before != nil {
			compiled = before.compiled[key]
		}
		if compiled == nil {
			spec, err := specOf[*object.PolicySpec](stored)
			if err != nil {
				return err
			}
			compiled, err = s.config.Policies.Compile(ctx, t.Name, regocheck.Source(stored.UID, stored.Name, stored.Revision, spec))
			if err != nil {
				return err
			}
		}
		t.compiled[key] = compiled
		own = append(own, compiled)
		if t.Name == tenant.DefaultName && compiled.Source().Binds == policy.BindsAll {
			t.guards = append(t.guards, compiled)
		}
		return nil
	})
	if err != nil {
		return err
	}
	t.Policies, err = policy.NewSet(own, inherited)
	return err
}

// each walks a tenant's objects of one kind, by name.
func (s *Source) each(ctx context.Context, t tenant.UID, kind object.Kind, visit func(object.Stored) error) error {
	after := ""
	for {
		found, err := s.config.Store.List(ctx, t, kind, after, page)
		if err != nil {
			return err
		}
		for _, stored := range found {
			if err := visit(stored); err != nil {
				return fmt.Errorf("%s %s: %w", stored.Kind, stored.Name, err)
			}
			after = stored.Name
		}
		if len(found) < page {
			return nil
		}
	}
}

// specOf reads a stored spec as its type.
func specOf[S object.Spec](stored object.Stored) (S, error) {
	var none S
	parsed, err := object.ParseSpec(stored.Kind, stored.Spec)
	if err != nil {
		return none, err
	}
	spec, ok := parsed.(S)
	if !ok {
		return none, fmt.Errorf("a %s is stored as %s", strings.ToLower(string(stored.Kind)), stored.Kind)
	}
	return spec, nil
}
