package object

// TenantSpec is an organisation.
type TenantSpec struct {
	DisplayName            string             `json:"display_name,omitempty"`
	Plan                   string             `json:"plan,omitempty"`
	Status                 string             `json:"status,omitempty"`
	Timezone               string             `json:"timezone,omitempty"`
	PublicClientAssertions string             `json:"public_client_assertions,omitempty"`
	Approval               TenantApproval     `json:"approval,omitzero"`
	Limits                 TenantLimits       `json:"limits,omitzero"`
	Registration           TenantRegistration `json:"registration,omitzero"`
}

// TenantApproval asks for four eyes.
type TenantApproval struct {
	Policies bool `json:"policies,omitempty"`
	Trust    bool `json:"trust,omitempty"`
}

// TenantLimits has no members yet.
type TenantLimits struct{}

// TenantRegistration says how clients come to be without an administrator.
type TenantRegistration struct {
	DCR  string           `json:"dcr,omitempty"`
	CIMD CIMDRegistration `json:"cimd,omitzero"`
}

// CIMDRegistration bounds what client ID metadata documents can do.
type CIMDRegistration struct {
	Mode      string   `json:"mode,omitempty"`
	Hosts     []string `json:"hosts,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`
	Resources []string `json:"resources,omitempty"`
}

// The values of a tenant's members.
const (
	StatusActive    = "active"
	StatusSuspended = "suspended"

	PublicAssertionsNone = "none"
	PublicAssertionsCNF  = "cnf"

	RegistrationOff        = "off"
	RegistrationRegistered = "registered"

	DefaultTimezone = "UTC"
)

// WithDefaults returns a copy in which what is absent says what it means.
func (s *TenantSpec) WithDefaults() *TenantSpec {
	filled := *s
	filled.Status = or(s.Status, StatusActive)
	filled.Timezone = or(s.Timezone, DefaultTimezone)
	filled.PublicClientAssertions = or(s.PublicClientAssertions, PublicAssertionsNone)
	filled.Registration.DCR = or(s.Registration.DCR, RegistrationOff)
	filled.Registration.CIMD.Mode = or(s.Registration.CIMD.Mode, RegistrationRegistered)
	return &filled
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
