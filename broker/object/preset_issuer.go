package object

import (
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// The issuers that everybody in the world shares.
const (
	googleIssuer = "https://accounts.google.com"
	githubIssuer = "https://token.actions.githubusercontent.com"
	gitlabIssuer = "https://gitlab.com"
)

// presetOfIssuer is the preset whose one product has this issuer, whatever the
// entry calls it: GitHub does not serve fewer people for being called generic.
func presetOfIssuer(issuer string) (name string, known bool) {
	host := hostOf(issuer)
	switch {
	case issuer == googleIssuer:
		return "google", true
	case host == hostOf(githubIssuer):
		return "github-actions", true
	case issuer == gitlabIssuer:
		return "gitlab", true
	case slices.Contains(entraHosts(), host):
		return "entra", true
	default:
		return "", false
	}
}

func hostOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// identify says which claims tell whose a token of the entry is; none where the
// issuer is nobody else's anyway. What the issuer is known for counts beside the
// preset.
func (s *IdentityProviderSpec) identify() []identifying {
	var all []identifying
	name, known := presetOfIssuer(s.Issuer)
	for _, p := range presets() {
		named := p.name == or(s.Preset, DefaultPreset)
		if p.shared != nil && p.shared(s.Issuer) && (p.name == name || named && !known) {
			all = append(all, p.identifying...)
		}
	}
	for _, platform := range sharedIssuers() {
		if slices.Contains(platform.issuers, strings.TrimSuffix(s.Issuer, "/")) {
			all = append(all, platform.identifying...)
		}
	}
	return all
}

// sharedIssuer is a platform that has no preset, and whose one issuer speaks for all of its customers.
type sharedIssuer struct {
	issuers     []string
	identifying []identifying
}

// sharedIssuers lists those that are known. Platforms that give each customer an issuer (CircleCI, Bitbucket, Azure
// DevOps, Vercel for a team) are not among them: there the issuer says whose a token is. Names that a customer chooses
// within its own walls, such as a pipeline's or a project's, identify nobody.
func sharedIssuers() []sharedIssuer {
	organization := identifying{claim: "sub", prefixes: []string{"organization:"}}
	return []sharedIssuer{
		{ // Buildkite
			issuers:     []string{"https://agent.buildkite.com"},
			identifying: append(claimsOf("organization_slug", "organization_id", "pipeline_id"), organization),
		},
		{ // HCP Terraform
			issuers: []string{"https://app.terraform.io", "https://app.eu.terraform.io"},
			identifying: append(claimsOf("terraform_organization_id", "terraform_organization_name", "terraform_project_id", "terraform_workspace_id"),
				organization),
		},
		{ // Vercel, without an issuer of the team's own
			issuers:     []string{"https://oidc.vercel.com"},
			identifying: append(claimsOf("owner", "owner_id", "project_id"), identifying{claim: "sub", prefixes: []string{"owner:"}}),
		},
		{ // Pulumi Cloud
			issuers:     []string{"https://api.pulumi.com/oidc"},
			identifying: append(claimsOf("org"), identifying{claim: "sub", prefixes: []string{"pulumi:deploy:org:", "pulumi:environments:org:"}}),
		},
	}
}

// in tells whether the rules hold one that says whose the token is.
func (i identifying) in(claims []federation.ClaimEquals) bool {
	if i.app && !slices.ContainsFunc(claims, func(c federation.ClaimEquals) bool { return c.String() == "claims.idtyp" && c.Value == "app" }) {
		return false
	}
	return slices.ContainsFunc(claims, func(c federation.ClaimEquals) bool {
		if len(c.Path) != 1 || c.Path[0] != i.claim {
			return false
		}
		return len(i.prefixes) == 0 || slices.ContainsFunc(i.prefixes, func(p string) bool { return strings.HasPrefix(c.Value, p) && c.Value != p })
	})
}

// String is the claim as administrators write it.
func (i identifying) String() string {
	path := federation.ClaimPath([]string{i.claim})
	switch {
	case len(i.prefixes) > 0:
		return path + " (beginning with " + alternatives(i.prefixes) + ")"
	case i.app:
		return path + " (with claims.idtyp: app)"
	default:
		return path
	}
}

// checkGoogle: Google has one issuer.
func checkGoogle(s *IdentityProviderSpec) (code, path, text string) {
	if s.Issuer != googleIssuer {
		return "google_issuer", "spec.issuer", "Google's issuer is " + googleIssuer + ", for every organisation"
	}
	return "", "", ""
}

// checkSPIFFE: a trust domain has no metadata to find keys by, and an https issuer
// is no trust domain: whose workloads it speaks of is said.
func checkSPIFFE(s *IdentityProviderSpec) (code, path, text string) {
	trustDomain, inner, isID := federation.ParseSPIFFEID(s.Issuer)
	switch {
	case isID && inner != "":
		return "spiffe_issuer", "spec.issuer", "names a workload: the issuer is its trust domain, " + federation.SPIFFEIssuer(trustDomain)
	case isID && s.JWKS.URI == "" && !s.JWKS.HasInlineKeys():
		return "spiffe_keys", "spec.jwks", "a trust domain has no discovery: expected uri (the bundle endpoint) or inline (the bundle's keys)"
	case isID && len(s.Assertions.Tenants) > 0:
		return "spiffe_trust_domains", "spec.assertions.tenants", "the issuer is one trust domain: leave the list out"
	case !isID && len(s.Assertions.Tenants) == 0:
		return "spiffe_trust_domains", "spec.assertions.tenants",
			"lists the trust domains that an https issuer speaks for, such as [acme.example]; without it there would be none"
	}
	for _, name := range s.Assertions.Tenants {
		if _, inner, ok := federation.ParseSPIFFEID(federation.SPIFFEIssuer(name)); !ok || inner != "" {
			return "spiffe_trust_domains", "spec.assertions.tenants", quote(name) + " is no trust domain: expected its name alone, such as acme.example"
		}
	}
	return "", "", ""
}

func warnOkta(issuer string) (code, text string) {
	if strings.Contains(issuer, "/oauth2/") {
		return "okta_custom_as", "ID-JAGs come from Okta's org server, not from a custom authorization server: the issuer is " +
			strings.SplitN(issuer, "/oauth2/", 2)[0] + ", without /oauth2/…"
	}
	return "", ""
}

func warnKeycloak(issuer string) (code, text string) {
	if !strings.Contains(issuer, "/realms/") {
		return "keycloak_realm", "a Keycloak issuer ends in its realm: https://HOST/realms/REALM"
	}
	return "", ""
}

// warnPing: PingOne has one form; PingFederate, and PingOne under a name of one's own, any.
func warnPing(issuer string) (code, text string) {
	rest, isPingOne := strings.CutPrefix(issuer, "https://auth.pingone.")
	if !isPingOne {
		return "", ""
	}
	_, path, _ := strings.Cut(rest, "/")
	environment, last, _ := strings.Cut(path, "/")
	if !isGUID(environment) || last != "as" {
		return "pingone_issuer", "a PingOne issuer ends in the environment's id and /as: https://auth.pingone.REGION/ENVIRONMENT/as, where REGION is " +
			"com, eu, ca, asia, sg or com.au"
	}
	return "", ""
}

// warnGitHub: github.com, an enterprise's own issuer there or with data residency, or an enterprise's server.
func warnGitHub(issuer string) (code, text string) {
	u, err := url.Parse(issuer)
	if err != nil {
		return "", "" // Validate says why
	}
	slug := strings.TrimPrefix(u.Path, "/")
	switch {
	case "https://"+u.Host == githubIssuer && (u.Path == "" || slug != "" && !strings.Contains(slug, "/")),
		strings.HasPrefix(u.Host, "token.actions.") && strings.HasSuffix(u.Host, ".ghe.com"),
		u.Path == "/_services/token":
		return "", ""
	}
	return "github_issuer", "the issuer of GitHub Actions is " + githubIssuer + " (with /ENTERPRISE behind it if the enterprise says so), " +
		"https://token.actions.SUBDOMAIN.ghe.com, or of a GitHub Enterprise Server https://HOST/_services/token"
}

// warnKubernetes: the name by which a cluster calls itself is no name outside.
func warnKubernetes(issuer string) (code, text string) {
	host, _, _ := strings.Cut(hostOf(issuer), ":")
	if strings.HasPrefix(host, "kubernetes.default") {
		return "kubernetes_internal", "is the cluster's name for itself, and every cluster has it: keep it as the issuer only if the tokens say so, and name " +
			"this cluster's keys by jwks.inline (kubectl get --raw /openid/v1/jwks) or jwks.uri"
	}
	return "", ""
}
