package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
)

const callerKey = "chancery.caller"

// caller is who was let in.
type caller struct {
	name string
	role Role
}

// digest is a credential as it is compared.
type digest struct {
	sum    [sha256.Size]byte
	caller caller
}

func digests(credentials []Credential) []digest {
	all := make([]digest, 0, len(credentials))
	for _, c := range credentials {
		all = append(all, digest{sum: sha256.Sum256([]byte(c.Token.Reveal())), caller: caller{name: c.Name, role: c.Role}})
	}
	return all
}

// identify finds the caller by the bearer credential (RFC 6750 §2.1). Digests are
// compared, in constant time, all of them.
func (s *Server) identify(r *http.Request) (caller, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return caller{}, false
	}
	scheme, token, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return caller{}, false
	}
	sum := sha256.Sum256([]byte(token))
	var who caller
	known := false
	for _, d := range s.digests {
		if subtle.ConstantTimeCompare(sum[:], d.sum[:]) == 1 {
			who, known = d.caller, true
		}
	}
	return who, known
}

// authenticate lets nobody pass who shows no credential of ours.
func (s *Server) authenticate(c *gin.Context) {
	who, known := s.identify(c.Request)
	if !known {
		s.unknown(c, "")
		return
	}
	c.Set(callerKey, who)
	c.Next()
}

// unknown refuses who shows no credential of ours; p is what it would have needed, "" where there is nothing.
func (s *Server) unknown(c *gin.Context, p Permission) {
	c.Header("WWW-Authenticate", `Bearer realm="chancery admin"`)
	s.fail(c, &refusal{
		status: http.StatusUnauthorized, code: "credential_required", detail: "show the bearer credential of the admin section", needs: p,
	})
}

// guard stands before every operation: who comes, and may they?
func (s *Server) guard(o operation) gin.HandlerFunc {
	open := o.Open || o.ID == "metrics" && s.OpenMetrics || o.ID == "describe" && s.OpenDescription
	return func(c *gin.Context) {
		if open {
			c.Next()
			return
		}
		who, known := s.identify(c.Request)
		if !known {
			s.unknown(c, o.Permission)
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
	return &refusal{
		status: http.StatusForbidden, code: "permission_denied", needs: p,
		detail: "the role " + string(who.role) + " does not hold the permission " + string(p),
	}
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
	return audit.Principal{Kind: "token", Name: callerOf(c).name}
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
	case object.KindProvider:
		return "provider.write"
	default:
		return ""
	}
}
