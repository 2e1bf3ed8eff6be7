package object

import (
	"context"
	"errors"
	"slices"

	"github.com/chancery-dev/chancery/federation/strict"
)

// RoleBindingSpec gives people a role at the admin API. Who is listed in none has none.
type RoleBindingSpec struct {
	Role   string   `json:"role,omitempty"`
	Users  []string `json:"users,omitempty"`  // names
	Groups []string `json:"groups,omitempty"` // as sign-in knows them, aliases applied
	// Tenants is own ("", the tenant that the binding is of), or all: in tenant default only.
	Tenants string `json:"tenants,omitempty"`
}

// The reach of a RoleBinding.
const (
	TenantsOwn = "own"
	TenantsAll = "all"
)

// Roles are the names of the roles that the admin API knows.
func Roles() []string {
	return []string{"owner", "admin", "policy-author", "policy-approver", "idp-admin", "operator", "auditor", "viewer"}
}

// The spaces of a RoleBinding's keys.
const (
	SpaceBoundUser  = "bound_user"  // uid of a user
	SpaceBoundGroup = "bound_group" // name of a group
)

// Validate implements Spec.
func (s *RoleBindingSpec) Validate() error {
	var f findings
	switch {
	case s.Role == "":
		f.add("spec.role", "is required: expected %s", alternatives(Roles()))
	case !slices.Contains(Roles(), s.Role):
		near := ""
		if n := strict.Nearest(s.Role, Roles()); n != "" {
			near = " (nearest known: " + quote(n) + ")"
		}
		f.add("spec.role", "unknown role %s%s: expected %s", quote(s.Role), near, alternatives(Roles()))
	}
	f.oneOf("spec.tenants", s.Tenants, TenantsOwn, TenantsAll)
	if len(s.Users) > maxList || len(s.Groups) > maxList {
		f.add("spec", "lists more than %d users or groups", maxList)
	}
	f.each("spec.users", s.Users, nameProblem)
	f.each("spec.groups", s.Groups, textProblem)
	return f.err()
}

// Warnings says so where nobody is bound.
func (s *RoleBindingSpec) Warnings() []Problem {
	if len(s.Users)+len(s.Groups) > 0 {
		return nil
	}
	return []Problem{{Path: "spec", Code: "binds_nobody", Text: "names neither users nor groups: it gives the role to nobody"}}
}

// Keys implements Spec. Users are bound by their uid, which the apply finds.
func (s *RoleBindingSpec) Keys() []Key {
	var keys []Key
	for _, g := range s.Groups {
		keys = append(keys, Key{Space: SpaceBoundGroup, Value: g})
	}
	return keys
}

// Binds tells whether the stored binding gives its role to a user: by his uid, or through one of his groups.
func (s *RoleBindingSpec) Binds(keys []Key, userUID string, groups []string) bool {
	if userUID != "" && slices.Contains(keys, Key{Space: SpaceBoundUser, Value: userUID}) {
		return true
	}
	return slices.ContainsFunc(s.Groups, func(g string) bool { return slices.Contains(groups, g) })
}

// bind gives the RoleBindings of this apply the users whom their names mean now. A name is bound to the user who has it: whoever
// takes the name of one who was deleted inherits no role, and a name that nobody has yet is nobody's.
func (d *draft) bind(ctx context.Context) error {
	for i := range d.entries {
		e := &d.entries[i]
		if e.object == nil {
			continue
		}
		spec, ok := e.object.Spec.(*RoleBindingSpec)
		if !ok {
			continue
		}
		keys := spec.Keys()
		for _, name := range spec.Users {
			uid, err := d.userCalled(ctx, name)
			if err != nil {
				return err
			}
			if uid != "" {
				keys = append(keys, Key{Space: SpaceBoundUser, Value: uid})
			}
		}
		if e.action != Unchanged {
			e.after.Keys = keys
			continue
		}
		if err := d.rebind(e, keys); err != nil {
			return err
		}
	}
	return nil
}

// userCalled is the uid of the user who will have the name, "" for none.
func (d *draft) userCalled(ctx context.Context, name string) (string, error) {
	i := slices.IndexFunc(d.entries, func(e entry) bool { return e.after.Kind == KindUser && e.after.Name == name })
	if i >= 0 {
		if d.entries[i].action == Delete {
			return "", nil
		}
		return d.entries[i].after.UID, nil
	}
	s, err := d.stored(ctx, KindUser, name)
	if err != nil || s == nil {
		return "", err
	}
	return s.UID, nil
}

// rebind turns an unchanged RoleBinding into an update if its names mean other users now.
func (d *draft) rebind(e *entry, keys []Key) error {
	if sameKeys(e.before.Keys, keys) {
		return nil
	}
	switch err := writable(*e.before, d.request); {
	case errors.Is(err, ErrReadOnly): // the same text from another manager stays no write
		d.warn(Problem{
			Object: e.object.Label(), Path: "spec.users", Code: "binding_ended",
			Text: "does not bind the User who has the name now: whoever manages the RoleBinding must apply it again",
		})
		return nil
	case err != nil:
		return err
	}
	e.action, e.after = Update, *e.before
	e.after.Revision, e.after.UpdatedAt = e.before.Revision+1, d.path.c.Now()
	e.after.ManagedBy, e.after.Keys = d.request.Manager, keys
	e.fields = []FieldChange{{Path: "spec.users", From: brief(bound(e.before.Keys)), To: brief(bound(keys))}}
	return nil
}

// bound lists the uids that keys bind, for people.
func bound(keys []Key) []string {
	var all []string
	for _, k := range keys {
		if k.Space == SpaceBoundUser {
			all = append(all, k.Value)
		}
	}
	return all
}
