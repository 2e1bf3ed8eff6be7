package grant

import (
	"github.com/chancery-dev/chancery/broker/authorization"
	"github.com/chancery-dev/chancery/broker/session"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// Consideration is an authorization request of a person who is signed in: may this client have this for him?
type Consideration struct {
	Tenant  *snapshot.Tenant
	Trace   string
	Remote  string
	Request authorization.Request
	Session session.Session
}

// Considered is policy's answer, resource by resource, before the person is asked.
type Considered struct {
	Resources []ConsideredResource
	// Decisions are the ids of what was recorded, one a resource.
	Decisions []string
}

// ConsideredResource is what may be had at one resource; never nothing.
type ConsideredResource struct {
	Resource *snapshot.Resource
	Scopes   []string
}

// CodeOrder asks for a code, after the person let the client have what was considered.
type CodeOrder struct {
	Consideration
	Considered Considered
	Identity   []string // openid and what goes with it; empty: no ID token is asked for
	Offline    bool     // access that outlives the session was agreed to
}
