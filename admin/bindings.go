package admin

import (
	"errors"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/object"
)

// mayBind: who gives what he does not hold himself would rule by it. A RoleBinding for all tenants is changed by those who rule
// them all; and whoever writes a User to whom a binding gives a role (by name, or through a group) could sign in as him or
// put himself in his place, so that takes the permission to write bindings.
func (s *Server) mayBind(c *gin.Context, kind object.Kind, name string, spec object.Spec) error {
	const needed = Permission("rolebinding.write")
	if kind == object.KindRoleBinding {
		return s.mayReach(c, name, spec, needed)
	}
	who := callerOf(c)
	if kind != object.KindUser || who.role.May(needed) {
		return nil
	}
	before, err := s.specOf(c, kind, name)
	if err != nil {
		return err
	}
	bound, err := s.isBound(c, name, before, spec)
	if err != nil || !bound {
		return err
	}
	return forbidden(who, needed)
}

// mayReach: what is, or would be, a binding for all tenants.
func (s *Server) mayReach(c *gin.Context, name string, spec object.Spec, needed Permission) error {
	who := callerOf(c)
	if who.person == nil || who.person.rulesAll(needed) {
		return nil
	}
	before, err := s.specOf(c, object.KindRoleBinding, name)
	if err != nil {
		return err
	}
	if reachesAll(spec) || reachesAll(before) {
		return forbidden(who, needed)
	}
	return nil
}

// mayPrune: what prune would take away, if it is a binding for all tenants, is for those who rule them all.
func (s *Server) mayPrune(c *gin.Context) error {
	const needed = Permission("rolebinding.write")
	who := callerOf(c)
	if who.person == nil || who.person.rulesAll(needed) {
		return nil
	}
	return s.eachBinding(c, func(b *object.RoleBindingSpec) error {
		if reachesAll(b) {
			return forbidden(who, needed)
		}
		return nil
	})
}

func reachesAll(spec object.Spec) bool {
	b, ok := spec.(*object.RoleBindingSpec)
	return ok && b.Tenants == object.TenantsAll
}

// specOf is what is stored under a name; nil for nothing.
func (s *Server) specOf(c *gin.Context, kind object.Kind, name string) (object.Spec, error) {
	found, err := s.Objects.Get(c.Request.Context(), tenantName(c), kind, name)
	if errors.Is(err, object.ErrNotFound) || errors.Is(err, object.ErrTenantUnknown) {
		return nil, nil //nolint:nilnil // nothing there is an answer
	}
	return found.Spec, err
}

// isBound tells whether a RoleBinding of the tenant names a user, or a group that one of these specs puts him in.
func (s *Server) isBound(c *gin.Context, name string, specs ...object.Spec) (bool, error) {
	var groups []string
	for _, spec := range specs {
		if u, ok := spec.(*object.UserSpec); ok {
			groups = append(groups, u.Groups...)
		}
	}
	found := false
	err := s.eachBinding(c, func(b *object.RoleBindingSpec) error {
		found = found || slices.Contains(b.Users, name) || slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(b.Groups, g) })
		return nil
	})
	return found, err
}

// eachBinding visits the RoleBindings of the request's tenant.
func (s *Server) eachBinding(c *gin.Context, visit func(b *object.RoleBindingSpec) error) error {
	after := ""
	for {
		found, err := s.Objects.List(c.Request.Context(), tenantName(c), object.KindRoleBinding, after, maxPage)
		if errors.Is(err, object.ErrTenantUnknown) { // it is made by this apply
			return nil
		}
		if err != nil {
			return err
		}
		for _, o := range found {
			if b, ok := o.Spec.(*object.RoleBindingSpec); ok {
				if err := visit(b); err != nil {
					return err
				}
			}
		}
		if len(found) < maxPage {
			return nil
		}
		after = found[len(found)-1].Metadata.Name
	}
}
