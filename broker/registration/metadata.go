package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation/strict"
)

// MaxBody bounds a registration request.
const MaxBody = 64 << 10

// maxKeys bounds an inline key set as it is kept.
const maxKeys = 16 << 10

// The grant types that a client can register. No other is given to a client that nobody vouches for, whatever it lists: not
// the exchange of an assertion, of a token or of the client's own credential.
const (
	grantAuthorizationCode = oauth.GrantTypeAuthorizationCode
	grantRefreshToken      = oauth.GrantTypeRefreshToken
	grantDeviceCode        = oauth.GrantTypeDeviceCode
)

// Metadata is what was accepted of what a client says of itself (RFC 7591 §2), in its members' own names.
type Metadata struct {
	ClientName      string          `json:"client_name,omitempty"`
	RedirectURIs    []string        `json:"redirect_uris,omitempty"`
	GrantTypes      []string        `json:"grant_types"`
	ResponseTypes   []string        `json:"response_types"`
	Method          client.Method   `json:"token_endpoint_auth_method"`
	ApplicationType string          `json:"application_type"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	ClientURI       string          `json:"client_uri,omitempty"`
	LogoURI         string          `json:"logo_uri,omitempty"`
	TermsURI        string          `json:"tos_uri,omitempty"`
	PolicyURI       string          `json:"policy_uri,omitempty"`
	SoftwareID      string          `json:"software_id,omitempty"`
	SoftwareVersion string          `json:"software_version,omitempty"`
	PostLogoutURIs  []string        `json:"post_logout_redirect_uris,omitempty"`
	RequireDPoP     bool            `json:"dpop_bound_access_tokens,omitempty"`
	RequirePAR      bool            `json:"require_pushed_authorization_requests,omitempty"`
}

// usesSecret tells whether the client authenticates with a secret of ours.
func (m Metadata) usesSecret() bool {
	return m.Method == client.MethodBasic || m.Method == client.MethodPost
}

// Native tells whether any answer would go to a program on the person's machine.
func (m Metadata) Native() bool { return m.ApplicationType == cimd.ApplicationNative }

// reader reads members; the first that is wrong is kept, and nothing is read after it.
type reader struct {
	members map[string]any
	err     error
}

func known() strict.Names {
	return strict.Reserve("client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method",
		"token_endpoint_auth_signing_alg", "application_type", "jwks", "jwks_uri", "client_uri", "logo_uri", "tos_uri", "policy_uri",
		"software_id", "software_version", "software_statement", "post_logout_redirect_uris", "dpop_bound_access_tokens",
		"require_pushed_authorization_requests", "client_id", "client_secret", "registration_access_token", "registration_client_uri")
}

// read makes a body an object. Members that mean nothing here are ignored (RFC 7591 §2), one written in another case than a
// known one is not.
func read(body []byte) (map[string]any, error) {
	members, err := strict.Object(body, strict.Limits{Bytes: MaxBody, Reserved: known(), NoNUL: true})
	if errors.Is(err, strict.ErrSize) {
		return nil, oauth.Fail(oauth.CodeBodyTooLarge, err)
	}
	if err != nil {
		return nil, oauth.Fail(oauth.CodeRegistrationMalformed, err)
	}
	return members, nil
}

// parse holds what a client says to the rules for everybody, and to the tenant's.
func parse(members map[string]any, rules snapshot.Dynamic) (Metadata, error) {
	r := &reader{members: members}
	var m Metadata
	// 1. Whoever sends a statement means it to be believed. No publisher is trusted here (RFC 7591 §3.2.2).
	r.statement()
	// 2. Who it says it is, and where people can look; none of it is fetched.
	m.ClientName = r.name("client_name")
	m.ClientURI, m.LogoURI = r.page("client_uri"), r.page("logo_uri")
	m.TermsURI, m.PolicyURI = r.page("tos_uri"), r.page("policy_uri")
	m.SoftwareID, m.SoftwareVersion = r.short("software_id"), r.short("software_version")
	// 3. Which flows.
	m.GrantTypes = r.grantTypes()
	m.ResponseTypes = r.responseTypes(m.GrantTypes)
	// 4. Where answers go.
	m.RedirectURIs = r.redirects("redirect_uris", rules)
	if r.err == nil && len(m.RedirectURIs) == 0 && slices.Contains(m.GrantTypes, grantAuthorizationCode) {
		r.refuse(oauth.CodeRegistrationRedirectURI, "no redirect_uris", "1 to 50 redirect URIs for authorization_code")
	}
	m.PostLogoutURIs = r.redirects("post_logout_redirect_uris", rules)
	m.ApplicationType = r.applicationType(m.RedirectURIs)
	// 5. How it authenticates.
	r.auth(&m)
	// 6. What it wants to be held to.
	m.RequireDPoP = r.boolean("dpop_bound_access_tokens")
	m.RequirePAR = r.boolean("require_pushed_authorization_requests")
	return m, r.err
}

func (r *reader) refuse(code oauth.Code, received, expected string) {
	if r.err == nil {
		r.err = oauth.Refuse(code, clip(received), expected)
	}
}

// clip cuts a stranger's text for the record.
func clip(s string) string {
	const most = 256
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

func (r *reader) text(name string) (value string, present bool) {
	member, present := r.members[name]
	if !present {
		return "", false
	}
	value, ok := member.(string)
	if !ok {
		r.refuse(oauth.CodeRegistrationMalformed, name, "a string")
	}
	return value, true
}

func (r *reader) texts(name string) (values []string, present bool) {
	member, present := r.members[name]
	if !present {
		return nil, false
	}
	list, ok := member.([]any)
	if !ok {
		r.refuse(oauth.CodeRegistrationMalformed, name, "a list of strings")
	}
	for _, entry := range list {
		value, ok := entry.(string)
		if !ok {
			r.refuse(oauth.CodeRegistrationMalformed, name, "a list of strings")
			return nil, true
		}
		values = append(values, value)
	}
	return values, true
}

func (r *reader) boolean(name string) bool {
	member, present := r.members[name]
	value, ok := member.(bool)
	if present && !ok {
		r.refuse(oauth.CodeRegistrationMalformed, name, "true or false")
	}
	return value
}

func (r *reader) statement() {
	member, present := r.members["software_statement"]
	if !present {
		return
	}
	statement, _ := member.(string)
	if strings.Count(statement, ".") != 2 { // RFC 7591 §2.3: a JWS in compact form
		r.refuse(oauth.CodeSoftwareStatementInvalid, "no compact JWS", "no software_statement")
		return
	}
	r.refuse(oauth.CodeSoftwareStatementUnapproved, "a statement of nobody who is trusted here", "no software_statement")
}

func (r *reader) name(name string) string {
	given, present := r.text(name)
	if !present {
		return ""
	}
	seen, ok := cimd.VisibleName(given)
	if !ok {
		r.refuse(oauth.CodeRegistrationMetadata, name, fmt.Sprintf("1 to %d visible characters", cimd.MaxName))
	}
	return seen
}

// short reads an identifier that is kept for people and for nothing else.
func (r *reader) short(name string) string {
	given, present := r.text(name)
	if !present || given == "" {
		return ""
	}
	return r.name(name)
}

// page: an empty URL is none; some clients send one for what they do not have.
func (r *reader) page(name string) string {
	value, _ := r.text(name)
	if value == "" {
		return ""
	}
	if expected := cimd.PageProblem(value); expected != "" {
		r.refuse(oauth.CodeRegistrationMetadata, name+": "+value, expected)
	}
	return value
}

// grantTypes are what is left of those that the client lists; the answer says which (RFC 7591 §3.2.1).
func (r *reader) grantTypes() []string {
	listed, present := r.texts("grant_types")
	if !present { // RFC 7591 §2
		return []string{grantAuthorizationCode}
	}
	var given []string
	for _, grant := range []string{grantAuthorizationCode, grantRefreshToken, grantDeviceCode} {
		if slices.Contains(listed, grant) {
			given = append(given, grant)
		}
	}
	// Without a person's code there is nothing that a refresh token could come from.
	if !slices.Contains(given, grantAuthorizationCode) && !slices.Contains(given, grantDeviceCode) {
		r.refuse(oauth.CodeRegistrationGrantTypes, strings.Join(listed, " "), grantAuthorizationCode+" or "+grantDeviceCode)
	}
	return given
}

func (r *reader) responseTypes(grants []string) []string {
	listed, present := r.texts("response_types")
	if !slices.Contains(grants, grantAuthorizationCode) {
		return []string{}
	}
	if present && !slices.Contains(listed, "code") { // RFC 7591 §2.1: it goes with authorization_code
		r.refuse(oauth.CodeRegistrationResponseTypes, strings.Join(listed, " "), "code")
	}
	return []string{"code"}
}

func (r *reader) redirects(name string, rules snapshot.Dynamic) []string {
	list, _ := r.texts(name)
	if len(list) > cimd.MaxRedirectURIs {
		r.refuse(oauth.CodeRegistrationRedirectURI, fmt.Sprintf("%d %s", len(list), name), fmt.Sprintf("at most %d", cimd.MaxRedirectURIs))
		return nil
	}
	for _, uri := range list {
		if expected := cimd.RedirectProblem(uri); expected != "" {
			r.refuse(oauth.CodeRegistrationRedirectURI, uri, expected)
			return nil
		}
		if !mayAnswer(uri, rules) {
			r.refuse(oauth.CodeRegistrationRedirectHost, uri, "loopback, or a host of "+strings.Join(rules.Hosts, " "))
			return nil
		}
	}
	return list
}

// mayAnswer: who registers himself says where codes go. That is the person's own machine, or a site that the tenant lists.
func mayAnswer(uri string, rules snapshot.Dynamic) bool {
	if cimd.IsWebRedirect(uri) {
		return cimd.Lists(rules.Hosts, cimd.RedirectHost(uri))
	}
	return strings.HasPrefix(uri, "http://") || oauth.IsApplication(uri)
}

// applicationType: OpenID Connect Dynamic Client Registration §2 keeps web clients off the machine. Cursor says web of URIs
// that are on it; what counts is where the URIs lead, and the answer says so (RFC 7591 §3.2.1).
func (r *reader) applicationType(redirects []string) string {
	declared, present := r.text("application_type")
	if present && declared != cimd.ApplicationWeb && declared != cimd.ApplicationNative {
		r.refuse(oauth.CodeRegistrationMetadata, "application_type: "+declared, "web or native")
	}
	if declared == cimd.ApplicationNative || cimd.Native(redirects) {
		return cimd.ApplicationNative
	}
	return cimd.ApplicationWeb
}

// auth reads how the client authenticates, and its keys, of which exactly one source is needed for private_key_jwt and none
// for anything else: keys beside another method would leave it open whether they have to be used.
func (r *reader) auth(m *Metadata) {
	declared, present := r.text("token_endpoint_auth_method")
	m.Method = client.Method(declared)
	if !present { // RFC 7591 §2
		m.Method = client.MethodBasic
	}
	if !slices.Contains([]client.Method{client.MethodNone, client.MethodBasic, client.MethodPost, client.MethodPrivateKeyJWT}, m.Method) {
		r.refuse(oauth.CodeRegistrationAuthMethod, declared, "none, client_secret_basic, client_secret_post or private_key_jwt")
	}
	if algorithm, _ := r.text("token_endpoint_auth_signing_alg"); !cimd.CheckAlgorithm(algorithm) {
		r.refuse(oauth.CodeRegistrationAuthMethod, algorithm, "an asymmetric algorithm")
	}
	place := r.page("jwks_uri")
	set, hasSet := r.members["jwks"]
	switch {
	case r.err != nil:
	case hasSet && place != "": // RFC 7591 §2: MUST NOT both be present
		r.refuse(oauth.CodeRegistrationKeys, "jwks and jwks_uri", "one of them")
	case m.Method != client.MethodPrivateKeyJWT && (hasSet || place != ""):
		r.refuse(oauth.CodeRegistrationKeys, "keys beside "+string(m.Method), "token_endpoint_auth_method private_key_jwt")
	case m.Method == client.MethodPrivateKeyJWT && !hasSet && place == "":
		r.refuse(oauth.CodeRegistrationKeys, "no keys", "jwks or jwks_uri")
	case hasSet:
		m.JWKS = r.keys(set)
	}
	m.JWKSURI = place
}

func (r *reader) keys(set any) json.RawMessage {
	object, ok := set.(map[string]any)
	if !ok {
		r.refuse(oauth.CodeRegistrationMalformed, "jwks", "an object")
		return nil
	}
	if err := cimd.CheckKeys(object); err != nil {
		r.err = oauth.Fail(oauth.CodeRegistrationKeys, err)
		return nil
	}
	raw, err := json.Marshal(object)
	if err != nil || len(raw) > maxKeys {
		r.refuse(oauth.CodeRegistrationKeys, fmt.Sprintf("%d bytes of keys", len(raw)), fmt.Sprintf("at most %d", maxKeys))
		return nil
	}
	return raw
}
