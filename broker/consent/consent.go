// Package consent remembers what people let clients do: who, for which client,
// resource and scopes, and what those meant then. It decides when a person is to
// be asked again. It knows no HTML and no SQL.
package consent

import (
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Consent is one person's word for one client and one resource.
type Consent struct {
	Tenant      tenant.UID
	UserUID     string
	ClientUID   string
	ClientID    string // by which the client is found
	ResourceUID string // empty: the person's own account here (openid and what goes with it)
	Scopes      []string
	// Meaning is a digest of what was shown: each scope's description, risk and implied scopes, the client's name and
	// where its answers go. Another one asks again.
	Meaning [32]byte
	GivenAt time.Time
	UsedAt  time.Time // zero: not yet
}
