// Package audit is the append-only, hash-chained record of every decision. It
// knows how an event is written down, linked, checkpointed, exported and
// verified; how rows reach a database is the ledger's and the store's matter.
package audit

import (
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
)

// Version of the event form that is written today. Older ones verify for ever.
const Version = 1

// Type is a registered kind of event.
type Type string

// Outcome is how it ended.
type Outcome string

// The outcomes there are.
const (
	Allowed    Outcome = "allowed"
	Refused    Outcome = "refused"
	Challenged Outcome = "challenged" // step-up or approval asked for
	Changed    Outcome = "changed"    // configuration
)

// Principal is who acted.
type Principal struct {
	Kind string `json:"kind"` // client | user | token | config | system | anonymous
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Check is one step of a request's story: what came in, what was expected. Never a secret.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Received string `json:"received,omitempty"`
	Expected string `json:"expected,omitempty"`
}

// PolicyRef names a policy revision that took part in a decision.
type PolicyRef struct {
	Name     string `json:"name"`
	Revision int64  `json:"revision"`
	Role     string `json:"role"`
	UID      string `json:"uid"`
	Hash     string `json:"hash,omitempty"` // of its content (policy.Source.Hash)
}

// Event is one thing that happened.
type Event struct {
	ID          string
	At          time.Time
	Tenant      tenant.UID
	Trace       string
	Type        Type
	Outcome     Outcome
	Code        string // of the catalogue, for refusals and challenges
	Principal   Principal
	OnBehalf    string // user uid
	Client      string // client name or client_id
	IdP         string // name
	Resource    string // name
	GrantType   string
	Scope       string // granted
	TokenID     string // jti of the token issued
	AssertionID string // jti of the assertion presented
	AssertionBy string // its issuer
	Decision    string // dec_…
	InputHash   string // hex SHA-256 of the policy input
	Policies    []PolicyRef
	Checks      []Check
	Detail      map[string]string
	Remote      string // network address of the caller
}
