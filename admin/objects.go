package admin

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/proposal"
)

// page is an answer with several items.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func (s *Server) request(c *gin.Context, manager string) (object.Request, error) {
	dryRun, err := flag(c, "dry_run")
	if err != nil {
		return object.Request{}, err
	}
	note, err := text(c, "note", proposal.MaxNote)
	return object.Request{Manager: manager, By: principal(c), Human: humanOf(c), Trace: traceOf(c), DryRun: dryRun, Note: note}, err
}

// nameOf is the object that a path names; a Tenant's name is in {tenant}.
func nameOf(c *gin.Context, kind object.Kind) string {
	if kind == object.KindTenant {
		return tenantName(c)
	}
	return c.Param("name")
}

func (s *Server) listTenants(c *gin.Context) error {
	limit, err := number(c, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	after, err := parseCursor(c.Query("cursor"))
	if err != nil {
		return err
	}
	found, err := s.Objects.Tenants(c.Request.Context(), after, limit)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, paged(found, limit))
	return nil
}

func (s *Server) list(kind object.Kind) endpoint {
	return func(c *gin.Context) error {
		limit, err := number(c, "limit", defaultPage, 1, maxPage)
		if err != nil {
			return err
		}
		after, err := parseCursor(c.Query("cursor"))
		if err != nil {
			return err
		}
		found, err := s.Objects.List(c.Request.Context(), tenantName(c), kind, after, limit)
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, paged(found, limit))
		return nil
	}
}

func paged(found []object.Object, limit int) page[object.Object] {
	p := page[object.Object]{Items: found}
	if p.Items == nil {
		p.Items = []object.Object{}
	}
	if len(found) == limit {
		p.Next = cursorAfter(found[len(found)-1].Metadata.Name)
	}
	return p
}

func (s *Server) get(kind object.Kind) endpoint {
	return func(c *gin.Context) error {
		o, err := s.Objects.Get(c.Request.Context(), tenantName(c), kind, nameOf(c, kind))
		if err != nil {
			return err
		}
		c.Header("ETag", etag(o))
		c.JSON(http.StatusOK, o)
		return nil
	}
}

// current is the object that is there, nil for none.
func (s *Server) current(c *gin.Context, kind object.Kind) (*object.Object, error) {
	o, err := s.Objects.Get(c.Request.Context(), tenantName(c), kind, nameOf(c, kind))
	if errors.Is(err, object.ErrNotFound) || kind == object.KindTenant && errors.Is(err, object.ErrTenantUnknown) {
		return nil, nil //nolint:nilnil // nothing there is an answer
	}
	return &o, err
}

// currentNamed is the policy that is there under a name, nil for none.
func (s *Server) currentNamed(c *gin.Context, name string) (*object.Object, error) {
	o, err := s.Objects.Get(c.Request.Context(), tenantName(c), object.KindPolicy, name)
	if errors.Is(err, object.ErrNotFound) {
		return nil, nil //nolint:nilnil // nothing there is an answer
	}
	return &o, err
}

func (s *Server) put(kind object.Kind) endpoint {
	return func(c *gin.Context) error {
		o, err := s.bodyOf(c, kind)
		if err != nil {
			return err
		}
		if err := s.mayLead(c, o); err != nil {
			return err
		}
		before, err := s.current(c, kind)
		if err != nil {
			return err
		}
		r, err := s.request(c, object.ManagerAPI)
		if err != nil {
			return err
		}
		if err := condition(c, before, &r); err != nil {
			return err
		}
		plan, err := s.Objects.Apply(c.Request.Context(), tenantName(c), []object.Object{o}, r)
		if err != nil {
			return err
		}
		if r.DryRun || plan.Pending != nil {
			c.JSON(statusOf(plan), plan)
			return nil
		}
		after, err := s.Objects.Get(c.Request.Context(), tenantName(c), kind, nameOf(c, kind))
		if err != nil {
			return err
		}
		status := http.StatusOK
		if before == nil {
			status = http.StatusCreated
		}
		for _, w := range plan.Warnings {
			c.Writer.Header().Add("Chancery-Warning", headerText(w.String()))
		}
		c.Header("ETag", etag(after))
		c.JSON(status, after)
		return nil
	}
}

// bodyOf reads the one object that the path names: its kind, name and tenant are the path's.
func (s *Server) bodyOf(c *gin.Context, kind object.Kind) (object.Object, error) {
	text, err := body(c, maxBody)
	if err != nil {
		return object.Object{}, err
	}
	objects, err := decode(text)
	if err != nil {
		return object.Object{}, err
	}
	if len(objects) != 1 {
		return object.Object{}, refuse(http.StatusBadRequest, "body_malformed", "the body is one object")
	}
	o := objects[0]
	switch {
	case o.Kind != kind:
		return o, mismatch("kind", string(o.Kind), string(kind))
	case o.Metadata.Name != nameOf(c, kind):
		return o, mismatch("metadata.name", o.Metadata.Name, nameOf(c, kind))
	case o.Metadata.Tenant != "" && o.Metadata.Tenant != tenantName(c):
		return o, mismatch("metadata.tenant", o.Metadata.Tenant, tenantName(c))
	}
	return o, nil
}

func mismatch(path, received, expected string) error {
	return refuse(http.StatusBadRequest, "path_mismatch", fmt.Sprintf("%s: received %q, and the path says %.64q", path, received, expected))
}

func (s *Server) remove(kind object.Kind) endpoint {
	return func(c *gin.Context) error {
		before, err := s.current(c, kind)
		if err != nil {
			return err
		}
		if before == nil {
			return object.ErrNotFound
		}
		if err := s.mayBind(c, kind, nameOf(c, kind), nil); err != nil {
			return err
		}
		r, err := s.request(c, object.ManagerAPI)
		if err != nil {
			return err
		}
		if err := condition(c, before, &r); err != nil {
			return err
		}
		plan, err := s.Objects.Delete(c.Request.Context(), tenantName(c), kind, nameOf(c, kind), r)
		if err != nil {
			return err
		}
		c.JSON(statusOf(plan), plan)
		return nil
	}
}

// statusOf: what waits for a second person is accepted, and not done.
func statusOf(p object.Plan) int {
	if len(p.Pending) > 0 && p.Pending[0].Proposal != "" {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// apply makes many objects so. Besides the permission of the operation, the
// caller holds that of every kind that the body names, and with prune of all.
func (s *Server) apply(c *gin.Context) error {
	text, err := body(c, maxApplyBody)
	if err != nil {
		return err
	}
	objects, err := decode(text)
	if err != nil {
		return err
	}
	r, err := s.request(c, object.ManagerApply)
	if err != nil {
		return err
	}
	if r.Prune, err = flag(c, "prune"); err != nil {
		return err
	}
	if manager := c.Query("manager"); manager != "" {
		r.Manager = manager
	}
	if err := namedManager(r.Manager); err != nil {
		return err
	}
	if err := s.mayWrite(c, objects, r.Prune); err != nil {
		return err
	}
	for i := range objects {
		if t := objects[i].Metadata.Tenant; t != "" && t != tenantName(c) {
			return mismatch("metadata.tenant", t, tenantName(c))
		}
	}
	plan, err := s.Objects.Apply(c.Request.Context(), tenantName(c), objects, r)
	if err != nil {
		return err
	}
	c.JSON(statusOf(plan), plan)
	return nil
}

// namedManager: the managers that the server itself speaks for are not to be claimed.
func namedManager(name string) error {
	if name == object.ManagerConfig || name == object.ManagerSystem {
		return refuse(http.StatusForbidden, "manager_reserved", "the manager "+name+" is the server's own")
	}
	if !object.IsName(name) {
		return refuse(http.StatusBadRequest, "parameter_invalid", "manager is a name: lower-case letters, digits and inner hyphens")
	}
	return nil
}

func (s *Server) mayWrite(c *gin.Context, objects []object.Object, prune bool) error {
	who := callerOf(c)
	for _, o := range objects {
		if p := writePermission(o.Kind); !who.role.May(p) {
			return forbidden(who, p)
		}
		if err := s.mayLead(c, o); err != nil {
			return err
		}
	}
	if !prune {
		return nil
	}
	for _, kind := range object.Kinds() {
		if p := writePermission(kind); kind != object.KindTenant && !who.role.May(p) {
			return forbidden(who, p)
		}
	}
	return s.mayPrune(c)
}

// mayLead: a Workload makes whoever has a fitting token its client. A client that says auth.method: workload was made for
// that by those who keep clients; to lead to any other, or to one that is not there yet, is to give a client a credential,
// and takes the permission to write clients.
func (s *Server) mayLead(c *gin.Context, o object.Object) error {
	if err := s.mayBind(c, o.Kind, o.Metadata.Name, o.Spec); err != nil {
		return err
	}
	who := callerOf(c)
	rule, isRule := o.Spec.(*object.WorkloadSpec)
	needed := writePermission(object.KindClient)
	if !isRule || who.role.May(needed) {
		return nil
	}
	found, err := s.Objects.Get(c.Request.Context(), tenantName(c), object.KindClient, rule.Client)
	if err != nil && !errors.Is(err, object.ErrNotFound) {
		return err
	}
	if client, isClient := found.Spec.(*object.ClientSpec); err == nil && isClient && client.ReachedByRules() {
		return nil
	}
	return forbidden(who, needed)
}

func (s *Server) export(c *gin.Context) error {
	objects, err := s.Objects.Export(c.Request.Context(), tenantName(c))
	if err != nil {
		return err
	}
	who := callerOf(c)
	objects = slices.DeleteFunc(objects, func(o object.Object) bool { // who rules is not for everybody who reads
		return o.Kind == object.KindRoleBinding && !who.role.May("rolebinding.read")
	})
	c.JSON(http.StatusOK, page[object.Object]{Items: objects})
	return nil
}
