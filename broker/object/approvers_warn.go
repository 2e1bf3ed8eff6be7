package object

import (
	"context"
	"slices"
	"strconv"
)

// fewApprovers warns where a tenant begins to ask a second person and fewer than two people could be that one: whoever of them
// writes a change waits for ever. Who is in a group is not known here, so a binding of groups is taken for enough.
func (d *draft) fewApprovers(ctx context.Context) error {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged || e.action == Delete {
			continue
		}
		spec, ok := e.object.Spec.(*TenantSpec)
		if !ok {
			continue
		}
		var before []Need
		if e.before != nil {
			var err error
			if before, err = asks(*e.before); err != nil {
				return err
			}
		}
		for _, need := range spec.Approval.needs() {
			if slices.Contains(before, need) {
				continue
			}
			many, err := d.approvers(ctx, need)
			if err != nil {
				return err
			}
			if many < enoughApprovers {
				d.warn(Problem{
					Object: e.object.Label(), Path: "spec.approval", Code: "few_approvers",
					Text: "a second person is asked about " + string(need) + ", and " + strconv.Itoa(many) + " users of this tenant may be that one: bind at least two (RoleBinding)",
				})
			}
		}
	}
	return nil
}

const enoughApprovers = 2

// approvers counts users who could be the second person, by the bindings of the tenant as they will be.
func (d *draft) approvers(ctx context.Context, need Need) (int, error) {
	specs, err := d.after(ctx, KindRoleBinding)
	if err != nil {
		return 0, err
	}
	users := map[string]bool{}
	for _, spec := range specs {
		b, ok := spec.(*RoleBindingSpec)
		if !ok || !slices.Contains(approving(b.Role), need) {
			continue
		}
		if len(b.Groups) > 0 {
			return enoughApprovers, nil
		}
		for _, u := range b.Users {
			users[u] = true
		}
	}
	return len(users), nil
}
