package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	oidclib "github.com/coreos/go-oidc/v3/oidc"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/strict"
)

// metadata is what sign-in needs of an IdP's discovery document.
type metadata struct {
	authorization, token         string
	userinfo, endSession, pushed string // "" when there is none
	namesItself                  bool   // authorization_response_iss_parameter_supported (RFC 9207 §3)
	pushedOnly                   bool   // require_pushed_authorization_requests (RFC 9126 §5)
}

// Why metadata is refused.
var (
	errMetadata = errors.New("oidc: unusable metadata")
	errMoved    = errors.New("oidc: an endpoint moved to another host")
	errIssuer   = errors.New("oidc: the metadata is another issuer's")
)

var metadataNames = strict.Reserve(
	"issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint", "jwks_uri",
	"pushed_authorization_request_endpoint", "require_pushed_authorization_requests", "authorization_response_iss_parameter_supported",
)

// discover reads the discovery document (OpenID Connect Discovery 1.0 §4). go-oidc
// finds it and compares the issuer; what it says is read strictly here. Its keys are
// not: jwks_uri is federation/jwks's to follow.
func (rp *RelyingParty) discover(ctx context.Context, p *federation.IdentityProvider) (*metadata, error) {
	client, err := rp.client(p.Keys.Network, gate{statuses: []int{http.StatusOK}, reserved: metadataNames})
	if err != nil {
		return nil, err
	}
	provider, err := oidclib.NewProvider(oidclib.ClientContext(ctx, client), p.Issuer)
	if mismatch, ok := errors.AsType[*oidclib.IssuerMismatchError](err); ok {
		return nil, fmt.Errorf("%w: %s", errIssuer, federation.Clip(mismatch.Discovered))
	}
	if err != nil {
		return nil, err
	}
	var document json.RawMessage
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("%w: %w", errMetadata, err)
	}
	return readMetadata(document, p)
}

func readMetadata(document []byte, p *federation.IdentityProvider) (*metadata, error) {
	members, err := strict.Object(document, strict.Limits{Bytes: maxAnswer, Reserved: metadataNames, NoNUL: true})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMetadata, err)
	}
	if members["issuer"] != p.Issuer { // Discovery §4.3: the identical string
		return nil, errIssuer
	}
	m := &metadata{}
	for _, endpoint := range []struct {
		name     string
		into     *string
		required bool
	}{
		{"authorization_endpoint", &m.authorization, true},
		{"token_endpoint", &m.token, true},
		{"userinfo_endpoint", &m.userinfo, false},
		{"end_session_endpoint", &m.endSession, false},
		{"pushed_authorization_request_endpoint", &m.pushed, false},
	} {
		value, present := members[endpoint.name]
		if !present && !endpoint.required {
			continue
		}
		text, _ := value.(string)
		if !isEndpoint(text, p.Keys.Network) {
			return nil, fmt.Errorf("%w: %s", errMetadata, endpoint.name)
		}
		*endpoint.into = text
	}
	for name, into := range map[string]*bool{
		"authorization_response_iss_parameter_supported": &m.namesItself, "require_pushed_authorization_requests": &m.pushedOnly,
	} {
		value, present := members[name]
		flag, ok := value.(bool)
		if present && !ok { // "true" must not be read as no
			return nil, fmt.Errorf("%w: %s", errMetadata, name)
		}
		*into = flag
	}
	if m.pushedOnly && m.pushed == "" {
		return nil, fmt.Errorf("%w: pushed_authorization_request_endpoint", errMetadata)
	}
	return m, nil
}

// isEndpoint: an https URL (http on loopback, where the entry allows it) that says
// nothing of ours. The browser is sent to one of them, past the door.
func isEndpoint(s string, n fetch.Network) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || strings.Contains(s, "#") || !isPlain(s) {
		return false
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return false
	}
	for name := range query {
		if slices.Contains(ownParameters, name) {
			return false
		}
	}
	return u.Scheme == "https" || u.Scheme == "http" && n.AllowPrivateAddresses && isLoopback(u.Hostname())
}

// hosts are where an IdP's endpoints are.
func (m *metadata) hosts() [5]string {
	var hosts [5]string
	for i, endpoint := range []string{m.authorization, m.token, m.userinfo, m.endSession, m.pushed} {
		if u, err := url.Parse(endpoint); err == nil && endpoint != "" {
			hosts[i] = u.Scheme + "://" + strings.ToLower(u.Host)
		}
	}
	return hosts
}

// moved tells whether an endpoint that was known is on another host now (F12). One that
// is new or gone is not.
func (m *metadata) moved(known *metadata) bool {
	now, before := m.hosts(), known.hosts()
	for i := range now {
		if now[i] != "" && before[i] != "" && now[i] != before[i] {
			return true
		}
	}
	return false
}

// metadata is what is known of the entry's IdP, or a refusal.
func (rp *RelyingParty) metadata(ctx context.Context, owner string, e *Entry, trail *federation.Trail) (*metadata, error) {
	m, err := rp.known.get(ctx, owner, e.Provider, rp.now, rp.discover)
	switch {
	case err == nil:
		trail.Pass("metadata", e.Provider.Issuer, "usable")
		return m, nil
	case errors.Is(err, errMoved):
		return nil, trail.Refuse(federation.CodeIdPMoved, "metadata", "", "the hosts that were known", err)
	case errors.Is(err, errIssuer):
		return nil, trail.Refuse(federation.CodeIdPMetadataUnusable, "metadata", "another issuer", e.Provider.Issuer, err)
	case isUnreachable(err):
		return nil, trail.Refuse(federation.CodeIdPUnavailable, "metadata", "", e.Provider.Issuer, err)
	default:
		return nil, trail.Refuse(federation.CodeIdPMetadataUnusable, "metadata", "", "a usable document", err)
	}
}

// isUnreachable tells failures of the network and the peer from what a person must
// mend.
func isUnreachable(err error) bool {
	return errors.Is(err, fetch.ErrTransport) || errors.Is(err, fetch.ErrTimeout) || errors.Is(err, errAway) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}
