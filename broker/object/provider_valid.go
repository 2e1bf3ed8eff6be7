package object

import (
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/strict"
	"github.com/chancery-dev/chancery/vault/provider"
)

const (
	maxScopeKeys = 256
	maxLeastLife = 12 * time.Hour
	ownName      = "own" // stands for the name of an own manifest while it is checked
)

// Validate implements Spec.
func (s *ProviderSpec) Validate() error {
	var f findings
	f.value("spec.display_name", s.DisplayName, textProblem)
	f.value("spec.client_id", s.ClientID, textProblem)
	f.value("spec.key_id", s.KeyID, textProblem)
	f.value("spec.app_id", s.AppID, textProblem)
	f.oneOf("spec.act_as", s.ActAs, ActAsItself, ActAsEmail)
	f.span("spec.min_ttl", s.MinTTL, time.Second, maxLeastLife)
	f.secretRef("spec.client_secret", s.ClientSecret)
	f.secretRef("spec.private_key", s.PrivateKey)
	f.each("spec.allow.clients", s.Allow.Clients, clientNameProblem)
	f.each("spec.allow.resources", s.Allow.Resources, nameProblem)
	f.each("spec.accounts.email_domains", s.Accounts.EmailDomains, domainProblem)
	s.Network.check(&f)
	m, ok := s.checkManifest(&f)
	s.checkScopes(&f, m)
	if ok {
		s.checkRegistration(&f, m)
	}
	return f.err()
}

// checkManifest finds the manifest, and says why there is none.
func (s *ProviderSpec) checkManifest(f *findings) (provider.Manifest, bool) {
	path := "spec.manifest"
	switch {
	case s.Manifest != "" && len(s.OwnManifest) > 0:
		f.add("spec.own_manifest", "stands beside manifest: expected one of them; an own one that changes %s says extends: %s", quote(s.Manifest), s.Manifest)
		return provider.Manifest{}, false
	case s.Manifest == "" && len(s.OwnManifest) == 0:
		f.add(path, "is required: expected %s, or own_manifest", alternatives(Manifests()))
		return provider.Manifest{}, false
	case s.Manifest == "":
		path = "spec.own_manifest"
	}
	m, err := s.ReadManifest(ownName)
	if err != nil {
		f.add(path, "%s", manifestText(err))
		return provider.Manifest{}, false
	}
	return m, true
}

// manifestText is an error without where it stands in a text that nobody wrote.
func manifestText(err error) string {
	text := strings.TrimPrefix(err.Error(), provider.ErrManifest.Error()+": ")
	return strings.TrimPrefix(text, "line 1: ")
}

// checkScopes: a key is what a client asks for, and what it leads to is one scope each.
func (s *ProviderSpec) checkScopes(f *findings, m provider.Manifest) {
	if len(s.ScopeMap) > maxScopeKeys {
		f.add("spec.scope_map", "%d keys: at most %d", len(s.ScopeMap), maxScopeKeys)
	}
	for _, key := range s.ScopeKeys() {
		if wrong := scopeProblem(key); wrong != "" {
			f.add("spec.scope_map", "%s %s", quote(key), wrong)
			continue
		}
		f.each("spec.scope_map."+key, s.ScopeMap[key], func(scope string) string {
			if m.ScopeSeparator != "" && strings.Contains(scope, m.ScopeSeparator) {
				return "holds what separates scopes here: expected a list of them"
			}
			return scopeProblem(scope)
		})
	}
	f.each("spec.default_scopes", s.DefaultScopes, func(key string) string {
		if _, ok := s.ScopeMap[key]; ok {
			return ""
		}
		if near := strict.Nearest(key, s.ScopeKeys()); near != "" {
			return "is no key of scope_map; did you mean " + quote(near) + "?"
		}
		return "is no key of scope_map"
	})
}

// checkRegistration: what the manifest needs is there, and what it could not use is not.
func (s *ProviderSpec) checkRegistration(f *findings, m provider.Manifest) {
	needs := m.Needs()
	if needs.ClientID && s.ClientID == "" {
		f.add("spec.client_id", "is required: it is our name at the provider")
	}
	if needs.ClientSecret && s.ClientSecret.IsZero() {
		f.add("spec.client_secret", "is required with %s: expected {env: NAME} or {file: PATH}", m.TokenRequestAuthMethod)
	}
	if (needs.PrivateKey || s.InstallationID != "") && s.PrivateKey.IsZero() {
		f.add("spec.private_key", "is required, in PEM: expected {env: NAME} or {file: PATH}")
	}
	if s.InstallationID != "" {
		if m.Installation == nil {
			f.add("spec.installation_id", "the manifest knows no installations")
		}
		if !digits(s.InstallationID) {
			f.add("spec.installation_id", "is no number")
		}
	}
	if s.ActAs == ActAsEmail && m.Kind != provider.JWTBearer {
		f.add("spec.act_as", "email is for service accounts (jwt_bearer), not for %s", m.Kind)
	}
	if err := m.CheckConfig(s.ConnectionConfig); err != nil {
		f.add("spec.connection_config", "%s", strings.TrimPrefix(manifestText(err), "connection_config: "))
	}
}

func digits(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// Warnings says what lends nothing, and what lends more than it seems to.
func (s *ProviderSpec) Warnings() []Problem {
	var f findings
	f.denies("spec.allow.clients", s.Allow.Clients, "nothing is lent to any client")
	f.denies("spec.allow.resources", s.Allow.Resources, "nothing is lent at any resource")
	if len(s.ScopeMap) == 0 {
		f.addCode("absent_denies", "spec.scope_map", "absent: there is nothing that a client may ask for")
	}
	for _, key := range s.ScopeKeys() {
		if len(s.ScopeMap[key]) == 0 {
			f.addCode("scope_is_whole", "spec.scope_map."+key, "leads to no scope of the provider: who is granted it is lent all that the credential can do")
		}
	}
	m, err := s.ReadManifest(ownName)
	if err != nil {
		return f.problems
	}
	if s.RequireNarrowed && m.Downscope == nil && m.Kind != provider.ClientCredentials && m.Kind != provider.JWTBearer && s.InstallationID == "" {
		f.addCode("never_narrowed", "spec.require_narrowed", "the provider cannot narrow what it gave: only a credential that has nothing else is lent")
	}
	if m.Revoke == nil && m.Kind == provider.OAuth2 {
		f.addCode("not_revocable", "spec.manifest", "the provider cannot revoke: what is removed here stays good there until it ends or somebody ends it")
	}
	return f.problems
}

// secretsOf are the references of a provider.
func (s *ProviderSpec) secretsOf() map[string]SecretRef {
	return map[string]SecretRef{"spec.client_secret": s.ClientSecret, "spec.private_key": s.PrivateKey}
}

// providers warns of secrets that will not be read.
func (d *draft) providers() {
	for _, e := range d.entries {
		if e.object == nil || e.action == Unchanged {
			continue
		}
		s, ok := e.object.Spec.(*ProviderSpec)
		if !ok {
			continue
		}
		refs := s.secretsOf()
		for _, path := range []string{"spec.client_secret", "spec.private_key"} {
			if r := refs[path]; !r.IsZero() && !d.path.mayRefer(d.request.Manager, r) {
				d.warn(Problem{
					Object: e.object.Label(), Path: path, Code: "secret_reference",
					Text: "references are resolved only for objects of the configuration file, so that whoever may write a Provider does not read the " +
						"server's files by it: nothing is lent until the object is among objects:, or the reference among admin.secret_references",
				})
			}
		}
	}
}
