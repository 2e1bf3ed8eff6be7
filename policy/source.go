package policy

import "slices"

// Role says what a policy may do.
type Role string

// The roles of a policy.
const (
	// RoleGrant is the one policy that grants for a resource and action.
	RoleGrant Role = "grant"
	// RoleGuard can only take away; there may be any number.
	RoleGuard Role = "guard"
)

// Binds says whom a policy binds.
type Binds string

// Whom a policy binds.
const (
	// BindsTenant is the tenant that owns the policy.
	BindsTenant Binds = "tenant"
	// BindsAll is every tenant; only a guard of the tenant default may say so.
	// That the owner is the tenant default is the caller's to check.
	BindsAll Binds = "all"
)

// Action is what a policy is asked about.
type Action string

// The actions of docs/policy.md.
const (
	ActionIssue     Action = "issue"
	ActionAuthorize Action = "authorize"
	ActionRefresh   Action = "refresh"
	ActionExchange  Action = "exchange"
	ActionVend      Action = "vend"
	ActionConnect   Action = "connect"
	// ActionEvaluate: a resource asks, of itself or through its gateway, and nothing is given (AuthZEN).
	ActionEvaluate Action = "evaluate"
)

var actions = [...]Action{
	ActionIssue, ActionAuthorize, ActionRefresh, ActionExchange, ActionVend, ActionConnect, ActionEvaluate,
}

// Actions lists every action, in the order of the contract.
func Actions() []Action { return slices.Clone(actions[:]) }

func actionIndex(a Action) int { return slices.Index(actions[:], a) }

// Source is one Policy object as written, before anything was checked.
type Source struct {
	UID      string `json:"uid"`
	Name     string `json:"name"`
	Revision int64  `json:"revision"`

	Role  Role  `json:"role"`
	Binds Binds `json:"binds,omitempty"` // default: tenant

	// Resources and Actions are applies_to: nil is all. Empty but not nil would
	// never be asked, which for a guard is a hole: Compile refuses it.
	Resources []string `json:"resources,omitzero"`
	Actions   []string `json:"actions,omitzero"`

	// Template names an embedded policy; else Modules holds Rego by file name.
	Template string            `json:"template,omitempty"`
	Modules  map[string]string `json:"modules,omitempty"`

	Data       map[string]any    `json:"data,omitempty"`        // data.policy in Rego
	DataSchema map[string]any    `json:"data_schema,omitempty"` // checked against Data
	Tests      map[string]string `json:"tests,omitempty"`       // Rego tests, see Compiled.RunTests
}

// Ref names one revision of a policy.
type Ref struct {
	UID      string `json:"uid"`
	Name     string `json:"name"`
	Revision int64  `json:"revision"`
	Role     Role   `json:"role"`
	// Hash is Source.Hash of what was compiled; decisions recorded before there was one have none.
	Hash string `json:"hash,omitempty"`
}
