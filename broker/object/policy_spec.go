package object

// PolicySpec is Rego that decides, or a template of it.
type PolicySpec struct {
	Role       string            `json:"role,omitempty"`
	Binds      string            `json:"binds,omitempty"`
	AppliesTo  AppliesTo         `json:"applies_to,omitzero"`
	Template   string            `json:"template,omitempty"`
	Modules    map[string]string `json:"modules,omitempty"`
	Data       map[string]any    `json:"data,omitempty"`
	DataSchema map[string]any    `json:"data_schema,omitempty"`
	Tests      map[string]string `json:"tests,omitempty"`
}

// AppliesTo says which requests a policy is asked about. An absent list is all;
// an empty one is refused, since it would never be asked.
type AppliesTo struct {
	Resources []string `json:"resources,omitzero"`
	Actions   []string `json:"actions,omitzero"`
}

// The values of a policy's members.
const (
	RoleGrant = "grant"
	RoleGuard = "guard"

	BindsTenant = "tenant"
	BindsAll    = "all"
)

// WithDefaults returns a copy in which what is absent says what it means. The role has no default.
func (s *PolicySpec) WithDefaults() *PolicySpec {
	filled := *s
	filled.Binds = or(s.Binds, BindsTenant)
	return &filled
}
