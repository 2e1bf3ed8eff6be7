package policy

import (
	"bytes"
	"encoding/json"
	"time"
)

// InputVersion is input.version.
const InputVersion = 1

// Input is everything that a policy sees (docs/policy.md). What is absent is
// absent, never null: a nil pointer, a nil slice, a nil map, an empty string and a
// zero time are left out, while an empty slice that is not nil is an empty array.
//
// It never holds a token, a secret or an assertion.
type Input struct {
	Action     Action      `json:"action"`
	Tenant     Tenant      `json:"tenant"`
	GrantType  string      `json:"grant_type,omitempty"`
	Issuer     *Issuer     `json:"issuer,omitempty"`
	Assertion  *Assertion  `json:"assertion,omitempty"`
	User       *User       `json:"user,omitempty"`
	Subject    *Subject    `json:"subject,omitempty"`
	Actor      *Actor      `json:"actor,omitempty"`
	Workload   *Workload   `json:"workload,omitempty"`
	Client     *Client     `json:"client,omitempty"`
	Resource   *Resource   `json:"resource,omitempty"`
	Requested  *Requested  `json:"requested,omitempty"`
	Asserted   *Asserted   `json:"asserted,omitempty"`
	Available  []string    `json:"available_scopes,omitzero"`
	Connection *Connection `json:"connection,omitempty"`
	Network    *Network    `json:"network,omitempty"`
	Time       Time        `json:"time"`

	// Implies maps a scope of the resource to every scope that it implies,
	// transitively. It is not part of what policy sees: it expands what a policy
	// allows before the intersection with requested and available scopes.
	Implies map[string][]string `json:"-"`
}

// Tenant is whose issuer was asked.
type Tenant struct {
	ID   string `json:"id"`
	Plan string `json:"plan,omitempty"`
}

// Issuer is the identity provider that signed the assertion. ID is its issuer
// identifier, Name that of its IdentityProvider object.
type Issuer struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Preset string `json:"preset,omitempty"`
}

// Assertion is what the assertion said of itself. Times are seconds since the
// epoch, zero when absent; Claims are the private claims as sent.
type Assertion struct {
	Profile   string         `json:"profile,omitempty"`
	Type      string         `json:"typ,omitempty"`
	IssuedAt  int64          `json:"iat,omitempty"`
	ExpiresAt int64          `json:"exp,omitempty"`
	AuthTime  int64          `json:"auth_time,omitempty"`
	ACR       string         `json:"acr,omitempty"`
	AMR       []string       `json:"amr,omitzero"`
	Claims    map[string]any `json:"claims,omitzero"`
}

// GroupsState says whether a user's groups are known.
type GroupsState string

// The states of input.user.groups_state.
const (
	GroupsComplete GroupsState = "complete"
	GroupsAbsent   GroupsState = "absent"
	GroupsOverage  GroupsState = "overage"
)

// User is the person. ID is ours, Sub the identity provider's. Groups are as the
// provider sent them, GroupNames after group_aliases.
type User struct {
	ID           string         `json:"id"`
	Sub          string         `json:"sub,omitempty"`
	Email        string         `json:"email,omitempty"`
	Kind         string         `json:"kind,omitempty"`
	Guest        bool           `json:"guest"`
	HomeTenant   string         `json:"home_tenant,omitempty"`
	Groups       []string       `json:"groups,omitzero"`
	GroupNames   []string       `json:"group_names,omitzero"`
	GroupsState  GroupsState    `json:"groups_state,omitempty"`
	GroupsSource string         `json:"groups_source,omitempty"` // claim | directory
	Roles        []string       `json:"roles,omitzero"`
	Attributes   map[string]any `json:"attributes,omitzero"`
	Status       string         `json:"status,omitempty"`
}

// Subject is what an identity provider says of whom its token is about.
type Subject struct {
	Kind string `json:"kind,omitempty"` // person | agent | agent_user | application
}

// Actor is who acts, outermost first in Chain. Kind is client or workload where
// there is no user: a program acts for itself; with a user it is what the identity
// provider says of its agent. Facets and ParentApp are the provider's too.
type Actor struct {
	Kind      string      `json:"kind,omitempty"`
	Facets    []string    `json:"facets,omitzero"`
	ParentApp string      `json:"parent_app,omitempty"`
	Chain     []ActorLink `json:"chain,omitzero"`
	Depth     int         `json:"depth"`
}

// Workload is the rule that turned a platform's token into the client. Sub is the
// platform's name for the workload.
type Workload struct {
	Name string `json:"name"`
	Sub  string `json:"sub,omitempty"`
}

// ActorLink is one actor of a delegation chain.
type ActorLink struct {
	Sub      string `json:"sub"`
	Issuer   string `json:"iss,omitempty"`
	ClientID string `json:"client_id,omitempty"`
}

// Client is the OAuth client. DPoP says whether this request carried a verified proof.
type Client struct {
	ID          string   `json:"id"`
	Name        string   `json:"name,omitempty"`
	Type        string   `json:"type,omitempty"`
	AuthMethod  string   `json:"auth_method,omitempty"`
	DPoP        bool     `json:"dpop"`
	Plan        string   `json:"plan,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Scopes      []string `json:"scopes,omitzero"`
}

// Resource is the protected resource. Scopes are all that it knows; Risk maps a
// scope to its level.
type Resource struct {
	Name   string            `json:"name"`
	URI    string            `json:"uri,omitempty"`
	Scopes []string          `json:"scopes,omitzero"`
	Risk   map[string]string `json:"risk,omitzero"`
}

// Requested is what the request asks for; Scopes is the asserted set when it named none.
type Requested struct {
	Scopes               []string         `json:"scopes,omitzero"`
	AuthorizationDetails []map[string]any `json:"authorization_details,omitzero"`
}

// Asserted is what the assertion entitles to.
type Asserted struct {
	Scopes []string `json:"scopes,omitzero"`
}

// Connection is the stored credential that vending is about.
type Connection struct {
	Provider string   `json:"provider"`
	Account  string   `json:"account,omitempty"`
	Scopes   []string `json:"scopes,omitzero"`
	// Narrowing tells whether the provider can lend less than was connected: native or none.
	Narrowing string `json:"narrowing,omitempty"`
}

// Network is where the request came from.
type Network struct {
	IP string `json:"ip,omitempty"`
}

// Time is when the request is decided, in the tenant's time zone. Make it with At.
type Time struct {
	Unix    int64  `json:"unix"`
	RFC3339 string `json:"rfc3339"`
	Weekday string `json:"weekday"` // Monday … Sunday
	Hour    int    `json:"hour"`
}

// At is t as policies see it in the tenant's time zone; a nil zone is UTC.
func At(t time.Time, zone *time.Location) Time {
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	return Time{
		Unix:    t.Unix(),
		RFC3339: t.Format(time.RFC3339),
		Weekday: t.Weekday().String(),
		Hour:    t.Hour(),
	}
}

// marshal is JSON without HTML escapes.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
