package broker

import (
	"net/http"
	"slices"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
)

// The scopes of OpenID Connect that are served where people sign in (OpenID Connect Core §5.4, §11).
func identityScopes() []string { return []string{"email", "offline_access", "openid", "profile"} }

// peopleMetadata is what holds only where people sign in: each member is absent elsewhere.
type peopleMetadata struct {
	ResponseModes       []string `json:"response_modes_supported,omitempty"`
	PromptValues        []string `json:"prompt_values_supported,omitempty"`
	ClaimsSupported     []string `json:"claims_supported,omitempty"`
	IssuerIdentified    bool     `json:"authorization_response_iss_parameter_supported,omitempty"` // RFC 9207 §3
	PushEndpoint        string   `json:"pushed_authorization_request_endpoint,omitempty"`          // RFC 9126 §5
	DeviceEndpoint      string   `json:"device_authorization_endpoint,omitempty"`                  // RFC 8628 §4
	UserInfoEndpoint    string   `json:"userinfo_endpoint,omitempty"`
	EndSessionEndpoint  string   `json:"end_session_endpoint,omitempty"` // OpenID Connect RP-Initiated Logout §2.1
	RequestParameter    *bool    `json:"request_parameter_supported,omitempty"`
	RequestURIParameter *bool    `json:"request_uri_parameter_supported,omitempty"` // the default of Discovery §3 is true
	PushRequired        *bool    `json:"require_pushed_authorization_requests,omitempty"`
}

// comersMetadata is about clients that nobody here made.
type comersMetadata struct {
	RegistrationEndpoint string `json:"registration_endpoint,omitempty"`
	Documents            bool   `json:"client_id_metadata_document_supported,omitempty"`
}

// served tells what is routed, so that nothing is advertised that nobody answers.
type served map[string]bool

// browser is what it is called that people can come at all.
const browser = "people"

func (s *Server) served() served {
	all := served{}
	for _, route := range s.Routes() {
		all[route] = true
	}
	all[browser] = s.People != nil
	return all
}

// signIn tells whether people can sign in to the tenant.
func (has served) signIn(t *snapshot.Tenant) bool {
	return has[browser] && len(t.SignIn.IdPs) > 0
}

func (has served) at(t *snapshot.Tenant, method, path string) string {
	if !has[method+" "+path] {
		return ""
	}
	return t.Issuer + path
}

func (has served) people(t *snapshot.Tenant) peopleMetadata {
	if !has.signIn(t) {
		return peopleMetadata{}
	}
	no := new(bool)
	return peopleMetadata{
		ResponseModes: []string{"query", "form_post"},
		PromptValues:  []string{"none", "login", "consent", "select_account"},
		ClaimsSupported: []string{
			"acr", "amr", "at_hash", "aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "name", "nonce", "sid", "sub",
		},
		IssuerIdentified:   true,
		PushEndpoint:       has.at(t, http.MethodPost, "/par"),
		DeviceEndpoint:     has.at(t, http.MethodPost, "/device_authorization"),
		UserInfoEndpoint:   has.at(t, http.MethodGet, "/userinfo"),
		EndSessionEndpoint: has.at(t, http.MethodGet, "/end_session"),
		RequestParameter:   no, RequestURIParameter: no, PushRequired: no,
	}
}

// comers: a client that learns of a way in takes it before any other, so each is told only where it leads somewhere.
// Where documents are not read but administrators register clients by the URLs of theirs, such a client_id works once one
// did; that is told unless clients can register themselves, who would not then.
func (has served) comers(t *snapshot.Tenant, dev bool) comersMetadata {
	if !has.signIn(t) { // all that such a client can get begins with a person
		return comersMetadata{}
	}
	var m comersMetadata
	if mode := t.Registration.Dynamic.Mode; mode == snapshot.DynamicOpen || mode == snapshot.DynamicToken {
		m.RegistrationEndpoint = has.at(t, http.MethodPost, "/register")
	}
	rules := t.Registration.Documents
	m.Documents = rules.Reads(dev) || rules.Mode == cimd.ModeRegistered && m.RegistrationEndpoint == ""
	return m
}

// grantTypes are those that somebody can use here.
func (has served) grantTypes(t *snapshot.Tenant) []string {
	return slices.DeleteFunc(oauth.GrantTypes(), func(grant string) bool {
		switch grant {
		case oauth.GrantTypeAuthorizationCode, oauth.GrantTypeRefreshToken:
			return !has.signIn(t)
		case oauth.GrantTypeDeviceCode:
			return !has.signIn(t) || has.at(t, http.MethodPost, "/device_authorization") == ""
		case oauth.GrantTypeSAML2Bearer:
			return t.SignIn.SAML == nil
		case oauth.GrantTypeTokenExchange:
			return len(t.Providers()) == 0
		default:
			return false
		}
	})
}

func (has served) scopes(t *snapshot.Tenant) []string {
	scopes := []string{}
	for _, r := range t.ActiveResources() {
		scopes = append(scopes, r.ScopeNames...)
	}
	if has.signIn(t) {
		scopes = append(scopes, identityScopes()...)
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

func (has served) responseTypes(t *snapshot.Tenant) []string {
	if has.signIn(t) {
		return []string{"code"}
	}
	return []string{} // RFC 8414 §2 requires the member
}

// holders are the ways to come to the token endpoint, none among them where something can be had without a credential of
// the client's own: a public client's code, an assertion that is bound to a key, a workload's token.
func (has served) holders(t *snapshot.Tenant) []client.Method {
	if has.signIn(t) || t.PublicClientAssertions || len(t.Workloads) > 0 {
		return append(client.Methods(), client.MethodNone)
	}
	return client.Methods()
}

// revokers: a public client has something to revoke only where it can have a token.
func (has served) revokers(t *snapshot.Tenant) []client.Method {
	if has.signIn(t) || t.PublicClientAssertions {
		return append(client.Methods(), client.MethodNone)
	}
	return client.Methods()
}
