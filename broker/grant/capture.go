package grant

import (
	"errors"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Sighting is an assertion as a client that authenticated sent it, and what was
// found out about it.
type Sighting struct {
	Tenant    *snapshot.Tenant
	At        time.Time
	Trace     string
	Assertion string
	Client    string // client_id
	IdP       string // name of the entry, "" where none was found
	Checks    []audit.Check
	Code      oauth.Code // why it was refused, "" where it was granted
}

// String says nothing of the assertion.
func (s Sighting) String() string { return "assertion in request " + s.Trace }

// GoString is String, for %#v.
func (s Sighting) GoString() string { return s.String() }

// Captures shows assertions to an administrator who waits for one. It must not
// wait, keep the assertion itself, or change anything.
type Captures interface {
	Offer(s Sighting)
}

// offer shows the assertion of a request that was decided and recorded, and returns
// err as it is. Who proved nothing, neither a client nor an assertion, shows nothing.
func (g *Grants) offer(c *call, err error) error {
	compact := c.Form.Get("assertion")
	if g.Captures == nil || compact == "" || c.client() == nil || !c.identified() || errors.Is(err, ledger.ErrStale) { // it will be decided again
		return err
	}
	s := Sighting{Tenant: c.Tenant, At: c.now, Trace: c.Trace, Assertion: compact, Client: c.client().ClientID, IdP: c.issuerName(), Checks: c.checks}
	if err != nil {
		s.Code = oauth.AsError(err).Code
	}
	g.Captures.Offer(s)
	return err
}
