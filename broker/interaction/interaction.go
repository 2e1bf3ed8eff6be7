// Package interaction is what a person finishes that an agent could not: a
// token request was challenged, the agent has no browser, and the person opens
// a link. A link is good once, for one person, client and resource. What the
// person proved there counts for that client and resource until its time is over.
//
// It knows no HTML, no IdP and no SQL.
package interaction

import (
	"time"

	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Interaction waits for its person. It rests under the digest of the id in its link.
type Interaction struct {
	Handle      [32]byte
	Tenant      tenant.UID
	UserUID     string
	ClientUID   string
	ResourceUID string
	ACRValues   []string // one of which is needed; empty: any
	MaxAge      *time.Duration
	ExpiresAt   time.Time
	FinishedAt  time.Time     // zero: not yet
	Proof       session.Proof // when finished: what was proved
}
