package object

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// askedOfPeople: people of tenant default may decide in every tenant, so that what any tenant asks is asked of them.
func (d *draft) askedOfPeople(ctx context.Context, asked []Need) ([]Need, error) {
	if d.name != tenant.DefaultName {
		return asked, nil
	}
	all, err := d.path.c.Store.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	union := slices.Clone(asked)
	for _, t := range all {
		more, err := asks(t)
		if err != nil {
			return nil, err
		}
		union = append(union, more...)
	}
	slices.Sort(union)
	return slices.Compact(union), nil
}

// needsOfUser: whoever may add an identity, or a group, to a person who approves can become him. Whom an IdP puts into a group is
// not known here: where a binding names groups, everybody may be in one.
func (d *draft) needsOfUser(ctx context.Context, e entry, asked []Need) ([]Need, error) {
	asked, err := d.askedOfPeople(ctx, asked)
	if err != nil || len(asked) == 0 {
		return nil, err
	}
	var groups []string
	for _, spec := range [][]byte{e.after.Spec, beforeSpec(e)} {
		if spec == nil {
			continue
		}
		u, err := userSpec(spec)
		if err != nil {
			return nil, err
		}
		groups = append(groups, u.Groups...)
	}
	if e.before != nil && !slices.ContainsFunc(e.fields, func(f FieldChange) bool { return f.Path != "metadata.labels" }) {
		return nil, nil
	}
	shared, err := d.letsAnotherIn(ctx, e)
	if err != nil {
		return nil, err
	}
	var needs []Need
	err = d.path.each(ctx, d.uid, KindRoleBinding, func(s Stored) error {
		spec, err := ParseSpec(KindRoleBinding, s.Spec)
		if err != nil {
			return err
		}
		if b, ok := spec.(*RoleBindingSpec); ok && (b.Binds(s.Keys, e.after.UID, groups) || shared && len(b.Groups) > 0) {
			needs = append(needs, among(asked, approving(b.Role)...)...)
		}
		return nil
	})
	return needs, err
}

// letsAnotherIn tells whether a change lets one more account sign in as a user, or makes one whom several are. What the IdP says
// of one of them would count for whoever came by the other.
func (d *draft) letsAnotherIn(ctx context.Context, e entry) (bool, error) {
	if d.request.By.Kind == "system" { // whoever signed in: by one account, or at both that he links
		return false, nil
	}
	after, err := userSpec(e.after.Spec)
	if err != nil {
		return false, err
	}
	before := &UserSpec{}
	if e.before != nil {
		if before, err = userSpec(e.before.Spec); err != nil {
			return false, err
		}
	}
	ways := 0
	for _, i := range after.Identities {
		if slices.ContainsFunc(before.Identities, func(was Identity) bool { return reflect.DeepEqual(was, i) }) {
			continue
		}
		if i.Sub != "" {
			ways++
		}
		if len(i.SubID) > 0 {
			ways++
		}
	}
	if after.Email != "" && after.Email != before.Email {
		matched, err := d.matchesAddresses(ctx)
		if err != nil {
			return false, err
		}
		if matched {
			ways++
		}
	}
	return e.before != nil && ways > 0 || ways > 1, nil
}

// matchesAddresses tells whether an IdP of the tenant finds users by their address.
func (d *draft) matchesAddresses(ctx context.Context) (bool, error) {
	idps, err := d.after(ctx, KindIdentityProvider)
	for _, spec := range idps {
		if idp, ok := spec.(*IdentityProviderSpec); ok && slices.Contains(idp.Subject.Match, "email") {
			return true, err
		}
	}
	return false, err
}

func userSpec(text []byte) (*UserSpec, error) {
	spec, err := ParseSpec(KindUser, text)
	if err != nil {
		return nil, err
	}
	u, ok := spec.(*UserSpec)
	if !ok {
		return nil, errors.New("a user is something else")
	}
	return u, nil
}

// askedOfIdPs: where somebody of tenant default may decide in every tenant, what any tenant asks about trust is asked of the IdPs
// that say who he is.
func (d *draft) askedOfIdPs(ctx context.Context, asked []Need) ([]Need, error) {
	if d.name != tenant.DefaultName {
		return asked, nil
	}
	everywhere := false
	err := d.path.each(ctx, d.uid, KindRoleBinding, func(s Stored) error {
		spec, err := ParseSpec(KindRoleBinding, s.Spec)
		if b, ok := spec.(*RoleBindingSpec); ok && b.Tenants == TenantsAll && len(approving(b.Role)) > 0 {
			everywhere = true
		}
		return err
	})
	if err != nil || !everywhere {
		return asked, err
	}
	return d.askedOfPeople(ctx, asked)
}

// AsksOfIdPs is what a second person is asked about changes of a tenant's IdPs, also of those that they made themselves.
func (p *Path) AsksOfIdPs(ctx context.Context, tenantName string) (tenant.UID, []Need, error) {
	owner, err := p.tenant(ctx, tenantName)
	if err != nil {
		return tenant.UID{}, nil, err
	}
	d := p.newDraft(tenantName, owner.Tenant, Request{})
	asked, err := asks(owner)
	if err != nil {
		return tenant.UID{}, nil, err
	}
	asked, err = d.askedOfIdPs(ctx, asked)
	return owner.Tenant, among(asked, NeedTrust), err
}

// means finds whom the names in RoleBindings among the entries mean, but for users who are among them themselves.
func (d *draft) means(ctx context.Context, entries []entry) ([]Base, error) {
	var meant []Base
	for _, e := range entries {
		if e.object == nil {
			continue
		}
		spec, ok := e.object.Spec.(*RoleBindingSpec)
		if !ok {
			continue
		}
		for _, name := range spec.Users {
			if slices.ContainsFunc(entries, func(e entry) bool { return e.after.Kind == KindUser && e.after.Name == name }) {
				continue
			}
			b := Base{Kind: KindUser, Name: name}
			stored, err := d.stored(ctx, KindUser, name)
			if err != nil {
				return nil, err
			}
			if stored != nil {
				b.UID, b.Revision = stored.UID, stored.Revision
			}
			meant = append(meant, b)
		}
	}
	slices.SortFunc(meant, func(a, b Base) int { return cmp.Compare(a.Name, b.Name) })
	return slices.Compact(meant), nil
}

// meansStill: a name that was allowed means the user who had it then, as he was. Somebody else who has taken it since, or
// another account that leads into him, was not seen.
func (d *draft) meansStill(ctx context.Context, allowed []Base) error {
	now, err := d.means(ctx, d.entries)
	if err != nil {
		return err
	}
	for _, b := range now {
		if !slices.Contains(allowed, b) {
			return &located{object: string(b.Kind) + " " + b.Name, err: ErrOutdated, why: "propose it again"}
		}
	}
	return nil
}
