package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/person"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// People finds the person who shows an access token; *person.Door does. What is wrong with a token is an *oauth.Error.
type People interface {
	Enter(ctx context.Context, r person.Request) (person.Person, error)
}

// Person is a human who acts: the same one through whatever session, token or role.
type Person struct {
	Tenant  string // name of the tenant that issued the token: he administers that one
	UserUID string
	Name    string // of the User
	Groups  []string
	found   person.Person
}

// held is what a caller may do: what one of his roles may, but for some, and some besides.
type held struct {
	roles   []Role
	without []Permission
	besides []Permission
}

// May tells whether a permission is held.
func (h held) May(p Permission) bool {
	if slices.Contains(h.without, p) {
		return false
	}
	return slices.Contains(h.besides, p) || slices.ContainsFunc(h.roles, func(r Role) bool { return r.May(p) })
}

func (h held) names() string {
	all := make([]string, 0, len(h.roles))
	for _, r := range h.roles {
		all = append(all, string(r))
	}
	return strings.Join(all, ",")
}

// principal is the caller as records name him.
func (w caller) principal() audit.Principal {
	if w.person != nil {
		return audit.Principal{Kind: "user", ID: w.person.UserUID, Name: w.person.Name}
	}
	return audit.Principal{Kind: "token", Name: w.name}
}

// personOf is the human who makes a request; nil: a program does, or nobody.
func personOf(c *gin.Context) *Person { return callerOf(c).person }

var errNobody = &refusal{
	status: http.StatusUnauthorized, code: "credential_required",
	detail: "show the bearer credential of the admin section, or a person's access token for this API",
}

// withNeed names the permission that would have been needed, for the record.
func withNeed(err error, p Permission) error {
	r := *refusalOf(err)
	r.needs = p
	return &r
}

// person finds who shows an access token, and what he may where the operation leads. Nothing of what he may is read from the
// token.
func (s *Server) person(c *gin.Context, o operation) (caller, error) {
	if s.People == nil {
		return caller{}, errNobody
	}
	found, err := s.People.Enter(c.Request.Context(), person.Request{
		Trace: traceOf(c), Remote: remoteOf(c.Request), Method: c.Request.Method, Path: c.Request.URL.Path,
		Authorization: c.Request.Header.Values("Authorization"), Proofs: c.Request.Header.Values("DPoP"),
	})
	if err != nil {
		return caller{}, ofToken(err)
	}
	there := reach(c, o, found)
	who := caller{name: found.Name, person: &Person{Tenant: found.Tenant.Name, UserUID: found.UID, Name: found.Name, Groups: found.Groups, found: found}}
	for _, name := range found.Roles(there) {
		who.role.roles = append(who.role.roles, Role(name)) // one that is not known holds nothing
	}
	if there == found.Tenant.Name {
		who.role.besides = personal()
	}
	if !who.person.rulesAll("tenant.write") && found.Tenant.Name != tenant.DefaultName {
		who.role.without = []Permission{"tenant.write"} // its limits, plan and approvals are the operator's
	}
	return who, nil
}

// personal is what every person may in his own tenant, without a role: what is asked of him alone. No role and no program holds it.
func personal() []Permission { return []Permission{"approval.decide"} }

// rulesAll tells whether he holds a permission in all tenants.
func (p *Person) rulesAll(needed Permission) bool {
	return slices.ContainsFunc(p.found.Roles(""), func(name string) bool { return Role(name).May(needed) })
}

// reach is the tenant that an operation is about; "" is the installation as a whole, which only those rule whose binding says so.
func reach(c *gin.Context, o operation, who person.Person) string {
	switch {
	case strings.Contains(o.Path, "{tenant}"):
		return c.Param("tenant")
	case strings.HasSuffix(o.ID, "OfDefault"):
		return tenant.DefaultName
	case o.ID == "describe": // says the same to everybody
		return who.Tenant.Name
	default:
		return ""
	}
}

// ofToken: which check a token failed is for the log; an error that is none of a token's says that nothing is known.
func ofToken(err error) error {
	refused := oauth.AsError(err)
	switch refused.Wire("", "").Status {
	case http.StatusUnauthorized, http.StatusBadRequest, http.StatusForbidden:
		return &refusal{status: http.StatusUnauthorized, code: string(refused.Code), detail: "the access token does not open the admin API: sign in again (chancery login)"}
	default:
		return &refusal{status: http.StatusServiceUnavailable, code: "database_unavailable", again: retryAfter, detail: "who shows the token cannot be known at this moment"}
	}
}
