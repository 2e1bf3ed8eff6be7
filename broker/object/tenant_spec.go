package object

import (
	"cmp"
	"time"
)

// TenantSpec is an organisation.
type TenantSpec struct {
	DisplayName            string             `json:"display_name,omitempty"`
	Plan                   string             `json:"plan,omitempty"`
	Status                 string             `json:"status,omitempty"`
	Timezone               string             `json:"timezone,omitempty"`
	PublicClientAssertions string             `json:"public_client_assertions,omitempty"`
	Approval               TenantApproval     `json:"approval,omitzero"`
	Limits                 TenantLimits       `json:"limits,omitzero"`
	Sessions               TenantSessions     `json:"sessions,omitzero"`
	Passkeys               string             `json:"passkeys,omitempty"`
	Branding               TenantBranding     `json:"branding,omitzero"`
	Registration           TenantRegistration `json:"registration,omitzero"`
	Webhooks               []TenantWebhook    `json:"webhooks,omitempty"`
}

// TenantSessions say when a person's session ends by itself.
type TenantSessions struct {
	Idle     Duration `json:"idle,omitzero"`
	Absolute Duration `json:"absolute,omitzero"`
}

// TenantBranding is how the tenant's pages look, beside its display name.
type TenantBranding struct {
	Logo   Logo   `json:"logo,omitzero"`
	Colour string `json:"colour,omitempty"` // #rrggbb
}

// Logo is a picture, or where one is on the server's machine.
type Logo struct {
	Data []byte `json:"data,omitempty"` // base64 of a PNG or JPEG
	File string `json:"file,omitempty"`
}

// IsZero tells whether there is none.
func (l Logo) IsZero() bool { return len(l.Data) == 0 && l.File == "" }

// TenantApproval asks for four eyes.
type TenantApproval struct {
	Policies bool `json:"policies,omitempty"`
	Trust    bool `json:"trust,omitempty"`
}

// TenantLimits has no members yet.
type TenantLimits struct{}

// TenantRegistration says how clients come to be without an administrator.
type TenantRegistration struct {
	DCR       string           `json:"dcr,omitempty"`
	DCRLimits DCRLimits        `json:"dcr_limits,omitzero"`
	CIMD      CIMDRegistration `json:"cimd,omitzero"`
}

// DCRLimits bound the clients that register themselves.
type DCRLimits struct {
	MaxClients int      `json:"max_clients,omitempty"`
	Lifetime   Duration `json:"lifetime,omitzero"`
	Scopes     []string `json:"scopes,omitempty"`
	Resources  []string `json:"resources,omitempty"`
	Hosts      []string `json:"hosts,omitempty"` // of redirect URIs; absent: loopback only
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

	PasskeysOff     = "off"
	PasskeysAllowed = "allowed"

	RegistrationOff        = "off"
	RegistrationRegistered = "registered" // client ID metadata documents: of clients that an administrator made
	RegistrationHosts      = "hosts"      // of listed hosts
	RegistrationOpen       = "open"
	// RegistrationToken is dynamic registration with an initial access token (RFC 7591 §3).
	RegistrationToken = "initial_access_token"

	DefaultTimezone = "UTC"

	DefaultSessionIdle     = 8 * time.Hour
	DefaultSessionAbsolute = 24 * time.Hour

	DefaultDCRClients  = 100
	DefaultDCRLifetime = 90 * 24 * time.Hour
)

// WithDefaults returns a copy in which what is absent says what it means.
func (s *TenantSpec) WithDefaults() *TenantSpec {
	filled := *s
	filled.Status = or(s.Status, StatusActive)
	filled.Timezone = or(s.Timezone, DefaultTimezone)
	filled.PublicClientAssertions = or(s.PublicClientAssertions, PublicAssertionsNone)
	filled.Passkeys = or(s.Passkeys, PasskeysOff)
	filled.Sessions.Absolute = Duration(s.Sessions.Absolute.Or(DefaultSessionAbsolute))
	filled.Sessions.Idle = Duration(s.Sessions.Idle.Or(min(DefaultSessionIdle, time.Duration(filled.Sessions.Absolute))))
	filled.Registration.DCRLimits.MaxClients = cmp.Or(s.Registration.DCRLimits.MaxClients, DefaultDCRClients)
	filled.Registration.DCRLimits.Lifetime = Duration(s.Registration.DCRLimits.Lifetime.Or(DefaultDCRLifetime))
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
