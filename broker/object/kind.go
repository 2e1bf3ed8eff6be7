package object

import (
	"slices"

	"github.com/chancery-dev/chancery/broker/id"
)

// sort is one row of the table of kinds.
type sort struct {
	kind   Kind
	plural string
	prefix id.Kind
	spec   func() Spec
}

// sorts is in the order in which objects are applied and exported: what is
// referred to comes before what refers to it.
func sorts() []sort {
	return []sort{
		{KindTenant, "tenants", id.Tenant, func() Spec { return &TenantSpec{} }},
		{KindResource, "resources", id.Resource, func() Spec { return &ResourceSpec{} }},
		{KindClient, "clients", id.Client, func() Spec { return &ClientSpec{} }},
		{KindIdentityProvider, "identity-providers", id.IdentityProvider, func() Spec { return &IdentityProviderSpec{} }},
		{KindUser, "users", id.User, func() Spec { return &UserSpec{} }},
		{KindRoleBinding, "role-bindings", id.RoleBinding, func() Spec { return &RoleBindingSpec{} }},
		{KindWorkload, "workloads", id.Workload, func() Spec { return &WorkloadSpec{} }},
		{KindProvider, "providers", id.Provider, func() Spec { return &ProviderSpec{} }},
		{KindPolicy, "policies", id.Policy, func() Spec { return &PolicySpec{} }},
	}
}

// laterKinds are named by the contract and not served yet: a better text than "unknown".
func laterKinds() []Kind {
	return []Kind{"Group", "EventStream", "DownstreamServer", "AuditSink"}
}

// Kinds lists the kinds that are served, in the order in which they are applied.
func Kinds() []Kind {
	kinds := make([]Kind, 0, 8)
	for _, s := range sorts() {
		kinds = append(kinds, s.kind)
	}
	return kinds
}

func (k Kind) sort() (sort, bool) {
	all := sorts()
	i := slices.IndexFunc(all, func(s sort) bool { return s.kind == k })
	if i < 0 {
		return sort{}, false
	}
	return all[i], true
}

// Served tells whether objects of the kind can be applied.
func (k Kind) Served() bool { _, ok := k.sort(); return ok }

// Plural is the kind's name in paths, "" for a kind that is not served.
func (k Kind) Plural() string { s, _ := k.sort(); return s.plural }

// IDKind is the prefix of the kind's uids.
func (k Kind) IDKind() id.Kind { s, _ := k.sort(); return s.prefix }

// NewSpec makes an empty spec of the kind, nil for a kind that is not served.
func NewSpec(k Kind) Spec {
	s, ok := k.sort()
	if !ok {
		return nil
	}
	return s.spec()
}

// KindByPlural finds the kind that a path names.
func KindByPlural(plural string) (Kind, bool) {
	for _, s := range sorts() {
		if s.plural == plural {
			return s.kind, true
		}
	}
	return "", false
}
