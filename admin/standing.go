package admin

import (
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/proposal"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// neededFor is the permission of who may be the second person.
func neededFor(n object.Need) Permission {
	switch n {
	case object.NeedPolicies:
		return "policy.approve"
	case object.NeedTrust:
		return "trust.approve"
	default:
		return ""
	}
}

// Persons finds people as they are at this moment; person.People does.
type Persons interface {
	Find(ctx context.Context, t *snapshot.Tenant, userUID, idpUID string) (person.Person, error)
}

// Pictures finds the current picture of a tenant.
type Pictures interface {
	Get(ctx context.Context, name string) (*snapshot.Tenant, error)
}

// Standing tells what a person may at this moment, by the roles that RoleBindings give him now. Both parts are required.
type Standing struct {
	Persons  Persons
	Pictures Pictures
}

var _ proposal.Standing = Standing{}

// May implements proposal.Standing. Who is not there any more may nothing.
func (s Standing) May(ctx context.Context, h object.Human, tenantName string, n object.Need) (bool, error) {
	if s.Persons == nil || s.Pictures == nil || h.UserUID == "" {
		return false, nil
	}
	home, err := s.Pictures.Get(ctx, h.Home)
	if errors.Is(err, snapshot.ErrUnknownTenant) || err == nil && home.UID.String() != h.Tenant {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := s.Persons.Find(ctx, home, h.UserUID, h.IdPUID)
	if errors.Is(err, person.ErrNobody) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, name := range found.Roles(tenantName) {
		if Role(name).May(neededFor(n)) {
			return true, nil
		}
	}
	return false, nil
}

// humanOf is the person behind a request; nil: a program's.
func humanOf(c *gin.Context) *object.Human {
	p := personOf(c)
	if p == nil || p.found.Tenant == nil || p.UserUID == "" {
		return nil
	}
	return &object.Human{Tenant: p.found.Tenant.UID.String(), Home: p.found.Tenant.Name, UserUID: p.UserUID, IdPUID: p.found.IdPUID, Name: p.Name, Email: p.found.Email}
}

func actorOf(c *gin.Context) proposal.Actor {
	return proposal.Actor{Principal: principal(c), Human: humanOf(c), Trace: traceOf(c)}
}

// mayTrust: where a tenant asks a second person about trust, what an IdP changed itself is taken over by a person who may be
// that one. The IdP is the first.
func (s *Server) mayTrust(c *gin.Context, t tenant.UID) error {
	of, asked, err := s.Objects.AsksOfIdPs(c.Request.Context(), tenantName(c))
	switch {
	case err != nil:
		return err
	case of != t: // another tenant of the name, since
		return object.ErrConflict
	case len(asked) == 0:
		return nil
	}
	h := humanOf(c)
	if h == nil {
		return proposal.ErrProgram
	}
	may, err := s.Proposals.Standing.May(c.Request.Context(), *h, tenantName(c), object.NeedTrust)
	if err == nil && !may {
		err = proposal.ErrStanding
	}
	return err
}
