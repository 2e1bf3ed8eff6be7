package cimd

import (
	"errors"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/strict"
)

// MaxBytes bounds a document (draft §6: 5 kilobytes).
const MaxBytes = 5 << 10

// known are the members that mean something here; none may be written in another
// case. Others are ignored (RFC 7591 §2): software_statement, software_id,
// contacts, scope and all that is not listed.
func known() strict.Names {
	return strict.Reserve("client_id", "client_name", "redirect_uris", "grant_types", "response_types", "application_type",
		"token_endpoint_auth_method", "token_endpoint_auth_signing_alg", "jwks", "jwks_uri", "client_uri", "logo_uri", "tos_uri",
		"policy_uri", "dpop_bound_access_tokens", "require_pushed_authorization_requests")
}

// Parse reads the document of u. It establishes no trust in what it says.
func Parse(document []byte, u URL) (*Document, error) {
	members, err := strict.Object(document, strict.Limits{Bytes: MaxBytes, Reserved: known(), NoNUL: true})
	if errors.Is(err, strict.ErrSize) {
		return nil, oauth.Fail(oauth.CodeCIMDTooLarge, err)
	}
	if err != nil {
		return nil, oauth.Fail(oauth.CodeCIMDMalformed, err)
	}
	d := &Document{url: u}

	// 1. It is the document of this URL, and of no other (draft §4.1: simple string
	// comparison). A zero URL is nobody's.
	if id, _ := members["client_id"].(string); id == "" || id != u.raw {
		return nil, refuse(oauth.CodeCIMDClientIDMismatch, id, u.raw)
	}
	// 2. Nothing in it is a secret (draft §4.1): everybody can read it.
	if err := checkSecrets(members); err != nil {
		return nil, err
	}
	// 3. Who it says it is, and where people can look.
	if d.name, err = clientName(members); err != nil {
		return nil, err
	}
	if err := d.readPages(members); err != nil {
		return nil, err
	}
	// 4. Where answers go.
	if d.redirectURIs, err = redirectURIs(members); err != nil {
		return nil, err
	}
	if d.application, err = applicationType(members, d.redirectURIs); err != nil {
		return nil, err
	}
	// 5. Which flows.
	if d.grantTypes, err = grantTypes(members); err != nil {
		return nil, err
	}
	if err := checkResponseTypes(members); err != nil {
		return nil, err
	}
	// 6. How it authenticates.
	if err := d.readAuth(members); err != nil {
		return nil, err
	}
	// 7. What it wants to be held to.
	if d.requireDPoP, err = boolean(members, "dpop_bound_access_tokens"); err != nil {
		return nil, err
	}
	if d.requirePAR, err = boolean(members, "require_pushed_authorization_requests"); err != nil {
		return nil, err
	}
	d.seal()
	return d, nil
}

func redirectURIs(members map[string]any) ([]string, error) {
	list, present, err := texts(members, "redirect_uris")
	if err != nil {
		return nil, err
	}
	if !present || len(list) == 0 || len(list) > maxRedirects {
		return nil, refuse(oauth.CodeCIMDRedirectURIsMissing, "", "1 to 50 redirect URIs")
	}
	for _, uri := range list {
		if expected := redirectProblem(uri); expected != "" {
			return nil, refuse(oauth.CodeCIMDRedirectURIRefused, uri, expected)
		}
	}
	return list, nil
}

// applicationType: OpenID Connect Dynamic Client Registration §2 keeps web clients
// off the machine. Its default is web; clients that leave it out and list loopback
// only are native all the same (docs/divergences.md).
func applicationType(members map[string]any, redirects []string) (string, error) {
	declared, present, err := text(members, "application_type")
	if err != nil {
		return "", err
	}
	machine := slices.ContainsFunc(redirects, func(uri string) bool { return !isWebRedirect(uri) })
	switch {
	case !present && machine, declared == ApplicationNative:
		return ApplicationNative, nil
	case !present, declared == ApplicationWeb && !machine:
		return ApplicationWeb, nil
	case declared == ApplicationWeb:
		return "", refuse(oauth.CodeCIMDApplicationType, declared, "native, since a redirect URI is on the machine")
	default:
		return "", refuse(oauth.CodeCIMDApplicationType, declared, "web or native")
	}
}

// grantTypes are what is left of those that the document lists: one document
// serves every authorization server, and may list what others give.
func grantTypes(members map[string]any) ([]string, error) {
	listed, present, err := texts(members, "grant_types")
	if err != nil {
		return nil, err
	}
	if !present { // RFC 7591 §2
		return []string{GrantAuthorizationCode}, nil
	}
	// Without a code there is nothing that a refresh token could come from.
	if !slices.Contains(listed, GrantAuthorizationCode) {
		return nil, refuse(oauth.CodeCIMDGrantTypes, strings.Join(listed, " "), GrantAuthorizationCode)
	}
	given := []string{GrantAuthorizationCode}
	if slices.Contains(listed, GrantRefreshToken) {
		given = append(given, GrantRefreshToken)
	}
	return given, nil
}

func checkResponseTypes(members map[string]any) error {
	listed, present, err := texts(members, "response_types")
	if err != nil {
		return err
	}
	if present && !slices.Contains(listed, "code") { // RFC 7591 §2.1
		return refuse(oauth.CodeCIMDResponseTypes, strings.Join(listed, " "), "code")
	}
	return nil
}

// readAuth: draft §4.1. Absent is public, unless there are keys: then it is not
// known whether they have to be used, and a check that might be meant is not left
// out.
func (d *Document) readAuth(members map[string]any) error {
	declared, present, err := text(members, "token_endpoint_auth_method")
	if err != nil {
		return err
	}
	_, hasSet := members["jwks"]
	_, hasURI := members["jwks_uri"]
	switch {
	case !present && !hasSet && !hasURI, declared == string(client.MethodNone):
		d.method = client.MethodNone
	case declared == string(client.MethodPrivateKeyJWT):
		d.method = client.MethodPrivateKeyJWT
	default:
		return refuse(oauth.CodeCIMDAuthMethod, declared, "none or private_key_jwt")
	}
	algorithm, _, err := text(members, "token_endpoint_auth_signing_alg")
	if err != nil {
		return err
	}
	if algorithm == "none" || strings.HasPrefix(algorithm, "HS") { // RFC 7591 §2: MUST NOT be none
		return refuse(oauth.CodeCIMDAuthMethod, algorithm, "an asymmetric algorithm")
	}
	return d.readKeys(members)
}
