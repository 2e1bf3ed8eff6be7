package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/dpop"
	"github.com/chancery-dev/chancery/broker/object"
)

const callerKey = "chancery.caller"

// caller is who was let in, with what he may do where this request leads.
type caller struct {
	name   string
	role   held
	person *Person // nil: a program
}

// digest is a credential as it is compared.
type digest struct {
	sum    [sha256.Size]byte
	caller caller
}

func digests(credentials []Credential) []digest {
	all := make([]digest, 0, len(credentials))
	for _, c := range credentials {
		all = append(all, digest{sum: sha256.Sum256([]byte(c.Token.Reveal())), caller: caller{name: c.Name, role: held{roles: []Role{c.Role}}}})
	}
	return all
}

// identify finds the caller by the bearer credential (RFC 6750 §2.1) of a program, else by the access token of a person. Digests
// are compared, in constant time, all of them.
func (s *Server) identify(c *gin.Context, o operation) (caller, error) {
	values := c.Request.Header.Values("Authorization")
	if len(values) != 1 {
		return caller{}, errNobody
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || token == "" {
		return caller{}, errNobody
	}
	if strings.EqualFold(scheme, "Bearer") {
		sum := sha256.Sum256([]byte(token))
		var who caller
		known := false
		for _, d := range s.digests {
			if subtle.ConstantTimeCompare(sum[:], d.sum[:]) == 1 {
				who, known = d.caller, true
			}
		}
		if known {
			return who, nil
		}
	}
	return s.person(c, o)
}

// authenticate lets nobody pass who shows no credential of ours.
func (s *Server) authenticate(c *gin.Context) {
	who, err := s.identify(c, operation{})
	if err != nil {
		s.unknown(c, "", err)
		return
	}
	c.Set(callerKey, who)
	c.Next()
}

// unknown refuses who shows no credential of ours; p is what it would have needed, "" where there is nothing. What cannot be
// known is no refusal.
func (s *Server) unknown(c *gin.Context, p Permission, err error) {
	if r, ok := errors.AsType[*refusal](err); !ok || r.status != http.StatusUnauthorized {
		s.fail(c, err)
		return
	}
	c.Header("WWW-Authenticate", `Bearer realm="chancery admin"`)
	if s.People != nil {
		c.Writer.Header().Add("WWW-Authenticate", `DPoP realm="chancery admin", algs="`+strings.Join(dpop.Algorithms(), " ")+`"`)
	}
	s.fail(c, withNeed(err, p))
}

// guard stands before every operation: who comes, and may they?
func (s *Server) guard(o operation) gin.HandlerFunc {
	open := o.Open || o.ID == "metrics" && s.OpenMetrics || o.ID == "describe" && s.OpenDescription
	return func(c *gin.Context) {
		if open {
			c.Next()
			return
		}
		who, err := s.identify(c, o)
		if err != nil {
			s.unknown(c, o.Permission, err)
			return
		}
		c.Set(callerKey, who)
		if !who.role.May(o.Permission) {
			s.fail(c, forbidden(who, o.Permission))
			return
		}
		c.Next()
	}
}

func forbidden(who caller, p Permission) error {
	detail := "the role " + who.role.names() + " does not hold the permission " + string(p)
	switch {
	case len(who.role.roles) == 0:
		detail = "no RoleBinding gives you a role here; the permission " + string(p) + " is needed"
	case slices.Contains(who.role.without, p):
		detail = "the Tenant is changed by those who rule all tenants"
	}
	return &refusal{status: http.StatusForbidden, code: "permission_denied", needs: p, detail: detail}
}

func callerOf(c *gin.Context) caller {
	who, _ := c.Get(callerKey)
	found, ok := who.(caller)
	if !ok {
		return caller{} // holds no role, so no permission
	}
	return found
}

func principal(c *gin.Context) audit.Principal {
	return callerOf(c).principal()
}

// writePermission is what changing an object of a kind needs.
func writePermission(kind object.Kind) Permission {
	switch kind {
	case object.KindTenant:
		return "tenant.write"
	case object.KindIdentityProvider:
		return "idp.write"
	case object.KindClient:
		return "client.write"
	case object.KindResource:
		return "resource.write"
	case object.KindUser:
		return "user.write"
	case object.KindPolicy:
		return "policy.write"
	case object.KindWorkload:
		return "workload.write"
	case object.KindRoleBinding:
		return "rolebinding.write"
	case object.KindProvider:
		return "provider.write"
	default:
		return ""
	}
}
