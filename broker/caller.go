package broker

import (
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/chancery-dev/chancery/broker/grant"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

const forwardedFor = "X-Forwarded-For"

// Door bounds how fast each network address may ask.
type Door interface {
	// Enter takes a request out of the address's budget. If there is none left, it records that the address was turned
	// away, and says when to come back.
	Enter(address, trace string) (wait time.Duration, ok bool)
}

// Nonces makes and recognises the nonces of DPoP proofs; *dpop.Nonces does.
type Nonces interface {
	Fresh(t tenant.UID) (string, error)
	Check(t tenant.UID, nonce string) error
}

// forwarded makes one header field of several (RFC 9110 §5.3): a proxy that adds a field of its own instead of prolonging
// the caller's would otherwise be overheard, and the caller believed about his address.
func forwarded(c *gin.Context) {
	if fields := c.Request.Header.Values(forwardedFor); len(fields) > 1 {
		c.Request.Header.Set(forwardedFor, strings.Join(fields, ", "))
	}
	c.Next()
}

// enter turns addresses away that ask too fast, before anything is done for them. Probes do not come by here.
func (s *Server) enter(c *gin.Context) {
	if s.Door == nil { // no limits.per_address
		c.Next()
		return
	}
	wait, ok := s.Door.Enter(c.ClientIP(), traceOf(c))
	if !ok {
		s.allowOrigin(c) // so that a browser client learns when to come back
		s.refuse(c, &oauth.Error{Code: oauth.CodeAddressRateExceeded, RetryAfter: wait})
		c.Abort()
		return
	}
	c.Next()
}

// askNonce has the proof's nonce judged, where nonces are asked for, and hands the present one out with whatever answers a
// proof: a challenge (RFC 9449 §8), or a token, so that the client has a fresh one before the old one is stale (§8.2).
func (s *Server) askNonce(c *gin.Context, r *grant.Request) (err error) {
	r.Nonce, err = s.judgeNonce(c, r.Tenant.UID, r.Proofs)
	return err
}

func (s *Server) judgeNonce(c *gin.Context, t tenant.UID, proofs []string) (func(string) error, error) {
	if s.Nonces == nil { // dpop.nonce: none
		return nil, nil
	}
	judge := func(nonce string) error { return s.Nonces.Check(t, nonce) }
	if len(proofs) == 0 {
		return judge, nil
	}
	fresh, err := s.Nonces.Fresh(t)
	if err != nil {
		return nil, err
	}
	c.Header("DPoP-Nonce", fresh)
	return judge, nil
}
