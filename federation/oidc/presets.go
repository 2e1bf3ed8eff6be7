package oidc

import (
	"net/url"
	"strings"
)

// Preset is what is known of a product's sign-in: the dialect, and what an entry that
// leaves them out may take. It is the only place of this package that knows products
// by name; docs/sign-in.md says where each value comes from.
type Preset struct {
	Dialect Dialect
	Scopes  []string
	// OverageEndpoint is where too many groups are looked up, "" for nowhere.
	OverageEndpoint string
}

// PresetNamed finds a preset, for the issuer of an entry, which may tell variants
// apart.
func PresetNamed(name, issuer string) (Preset, bool) {
	p := Preset{Scopes: []string{"openid", "profile", "email"}, Dialect: Dialect{StepUp: StepUpACRValues}}
	switch name {
	case "generic", "ping":
	case "okta":
		p.Dialect.RequireAtHash = true
		p.Dialect.AssertionAudience = AssertionForTokenEndpoint
		if !isOktaCustom(issuer) { // a custom server knows the scope only where somebody defined it
			p.Scopes = append(p.Scopes, "groups")
		}
	case "keycloak":
		p.Dialect.RequireAtHash = true
	case "entra":
		p.Dialect = Dialect{StepUp: StepUpClaimsACRS, ACRListClaim: "acrs", AssertionAudience: AssertionForTokenEndpoint}
		p.OverageEndpoint = graphOf(issuer) + "/v1.0/me/getMemberGroups"
	case "google":
		p.Dialect = Dialect{AskAuthTime: true, RequireAtHash: true, HostedDomainClaim: "hd", HostedDomainParameter: "hd"}
	default:
		return Preset{}, false
	}
	return p, true
}

// isOktaCustom: a custom authorization server of Okta has a path of its own.
func isOktaCustom(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && strings.HasPrefix(u.Path, "/oauth2/")
}

// graphOf is where the Graph of an Entra cloud is.
func graphOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return "https://graph.microsoft.com"
	}
	switch u.Host {
	case "login.microsoftonline.us":
		return "https://graph.microsoft.us"
	case "login.partner.microsoftonline.cn", "login.chinacloudapi.cn", "sts.chinacloudapi.cn":
		return "https://microsoftgraph.chinacloudapi.cn"
	default:
		return "https://graph.microsoft.com"
	}
}
