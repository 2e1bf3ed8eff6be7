package snapshot

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/client"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// identityProvider is an IdentityProvider object as federation reads it. Absent lists stay absent: they allow nothing.
func identityProvider(stored object.Stored) (federation.IdentityProvider, error) {
	parsed, err := specOf[*object.IdentityProviderSpec](stored)
	if err != nil {
		return federation.IdentityProvider{}, err
	}
	return trusted(stored, parsed, parsed.WithDefaults())
}

// trusted is the entry of the registry; spec is what filled was before its defaults.
func trusted(stored object.Stored, written, spec *object.IdentityProviderSpec) (federation.IdentityProvider, error) {
	keys := jwks.Source{
		Issuer: spec.Issuer, URI: spec.JWKS.URI,
		Network: fetch.Network{
			CABundle: spec.Network.CABundle, Proxy: spec.Network.Proxy, AllowPrivateAddresses: spec.Network.AllowPrivateAddresses,
		},
	}
	alone := written.SpeaksSAMLAlone()
	if alone { // there is nothing to discover at an entity ID
		keys = jwks.Source{Network: keys.Network}
	}
	var err error
	if spec.JWKS.HasInlineKeys() {
		if keys.Inline, err = json.Marshal(spec.JWKS.Inline); err != nil {
			return federation.IdentityProvider{}, fmt.Errorf("jwks.inline: %w", err)
		}
	}
	if keys.NotAfter, err = moment(spec.JWKS.NotAfter); err != nil {
		return federation.IdentityProvider{}, fmt.Errorf("jwks.not_after: %w", err)
	}
	a := spec.Assertions
	return federation.IdentityProvider{
		UID: stored.UID, Name: stored.Name, Preset: spec.Preset, Issuer: spec.Issuer, Disabled: spec.Disabled, Keys: keys,
		Dialect: spec.Dialect(), SAMLAlone: alone,
		Assertions: federation.AssertionRules{
			Profiles: named[federation.Profile](a.Profiles), Algorithms: a.Algorithms,
			MaxLifetime: time.Duration(a.MaxLifetime), ClockSkew: time.Duration(a.ClockSkew),
			Clients: a.Clients, Resources: a.Resources, Scopes: a.Scopes,
			DefaultScopes: a.AbsentScope == object.AbsentScopeDefault,
			Reuse:         federation.Reuse(a.Reuse), Errors: federation.ErrorProfile(a.ErrorProfile),
			Tenants: a.Tenants, SAMLEntityIDs: a.SAMLEntityIDs, Audiences: a.Audiences,
		},
		Subject: federation.SubjectRules{
			Match:        named[federation.MatchBy](spec.Subject.Match),
			Provision:    spec.Subject.Provision == object.ProvisionJustInTime,
			EmailDomains: spec.Subject.EmailDomains, AllowGuests: spec.Subject.Guests == object.GuestsAllow,
		},
		Claims: federation.ClaimRules{
			Groups: spec.Claims.Groups, GroupsFrom: named[federation.GroupsFrom](spec.Claims.GroupsFrom),
			FetchOverage: spec.Claims.GroupsOverage == object.OverageFetch, GroupAliases: spec.Claims.GroupAliases,
		},
	}, nil
}

// newResource is a Resource object, with what its scopes imply in any number of steps. algorithm is the configuration's,
// for a resource that says none.
func newResource(stored object.Stored, algorithm string) (*Resource, error) {
	parsed, err := specOf[*object.ResourceSpec](stored)
	if err != nil {
		return nil, err
	}
	spec := parsed.WithDefaults()
	if parsed.Token.Algorithm == "" && algorithm != "" {
		spec.Token.Algorithm = algorithm
	}
	canonical, err := oauth.CanonicalResource(spec.URI)
	if err != nil {
		return nil, err
	}
	r := &Resource{
		UID: stored.UID, Name: stored.Name, URI: spec.URI, Canonical: canonical, Disabled: spec.Disabled,
		Scopes: map[string]string{}, ScopeNames: slices.Sorted(maps.Keys(spec.Scopes)), Risk: map[string]string{}, Implies: map[string][]string{},
		DefaultScopes: spec.DefaultScopes, Lifetime: time.Duration(spec.Token.Lifetime), DPoPRequired: spec.Token.DPoP == object.DPoPRequired,
		Algorithm: spec.Token.Algorithm, TokenClaims: spec.Token.Claims, ServerClient: spec.Server.Client,
	}
	for name, scope := range spec.Scopes {
		r.Scopes[name] = scope.Description
		if scope.Risk != "" {
			r.Risk[name] = scope.Risk
		}
		if implied := implies(spec.Scopes, name); len(implied) > 0 {
			r.Implies[name] = implied
		}
	}
	return r, nil
}

// implies lists what a scope implies, sorted. Scopes that the resource does not have imply nothing and are not implied.
func implies(scopes map[string]object.Scope, name string) []string {
	reached := map[string]bool{}
	next := slices.Clone(scopes[name].Implies)
	for len(next) > 0 {
		s := next[0]
		next = next[1:]
		if _, known := scopes[s]; !known || reached[s] || s == name {
			continue
		}
		reached[s] = true
		next = append(next, scopes[s].Implies...)
	}
	return slices.Sorted(maps.Keys(reached))
}

// newClient is a Client object with its live secrets.
func newClient(stored object.Stored, secrets []object.Secret) (*client.Client, error) {
	parsed, err := specOf[*object.ClientSpec](stored)
	if err != nil {
		return nil, err
	}
	spec := parsed.WithDefaults()
	c := &client.Client{
		UID: stored.UID, Name: stored.Name, ClientID: spec.ClientID, DisplayName: spec.DisplayName, Owner: spec.Owner,
		Type: client.Type(spec.Type), Disabled: spec.Disabled,
		Auth: client.Auth{
			Method: client.Method(spec.Auth.Method), Audience: client.Audience(spec.Auth.Audience),
			Keys: jwks.Source{Issuer: spec.ClientID, URI: spec.Auth.JWKSURI},
		},
		GrantTypes: spec.GrantTypes, Scopes: spec.Scopes, Resources: spec.Resources,
		RedirectURIs: spec.RedirectURIs, PostLogoutURIs: spec.PostLogoutRedirectURIs, MustPush: spec.RequirePushedAuthorizationRequests,
		Approved: spec.Consent == object.ConsentAdmin, Origin: client.OriginCompany,
		RequireDPoP: spec.DPoP == object.DPoPRequired, Plan: spec.Plan, Environment: spec.Environment,
	}
	if c.ExpiresAt, err = moment(spec.ExpiresAt); err != nil {
		return nil, fmt.Errorf("expires_at: %w", err)
	}
	if spec.Auth.HasInlineKeys() {
		if c.Auth.Keys.Inline, err = json.Marshal(spec.Auth.JWKS); err != nil {
			return nil, fmt.Errorf("auth.jwks: %w", err)
		}
	}
	for _, s := range secrets {
		// A digest that was made in a way which is not known here can match nothing.
		if s.Scheme != client.SchemeSHA256 || len(s.Digest) != len(client.SecretDigest{}.Digest) {
			continue
		}
		c.Auth.Secrets = append(c.Auth.Secrets, client.SecretDigest{ID: s.ID, Digest: [32]byte(s.Digest)})
	}
	return c, nil
}

// linkedNowhere stands for identities that were linked to no IdP when the user was applied.
const linkedNowhere = "unlinked"

// newAccount is a User object, and its links to IdPs.
func newAccount(stored object.Stored) (account federation.Account, links []string, err error) {
	parsed, err := specOf[*object.UserSpec](stored)
	if err != nil {
		return federation.Account{}, nil, err
	}
	spec := parsed.WithDefaults()
	person, err := spec.Person()
	if err != nil {
		return federation.Account{}, nil, err
	}
	for _, k := range stored.Keys {
		if link, ok := object.LinkOf(k); ok && !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	if len(links) == 0 && len(spec.Identities) > 0 {
		links = []string{linkedNowhere}
	}
	return federation.Account{
		UID: stored.UID, Name: stored.Name, Email: spec.Email, Status: spec.Status, Groups: spec.Groups, Attributes: spec.Attributes,
		Guest: person.Guest, Kind: person.Kind, HomeTenant: person.HomeTenant, Roles: person.Roles,
		// Every user that can be stored today is kept by hand: what is not listed is not held.
		GroupsComplete: true,
	}, links, nil
}

// moment reads an RFC 3339 time; the zero time for none.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.RFC3339, text)
}

func named[N ~string](list []string) []N {
	if list == nil {
		return nil
	}
	converted := make([]N, len(list))
	for i, s := range list {
		converted[i] = N(s)
	}
	return converted
}
