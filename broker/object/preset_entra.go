package object

import (
	"net/url"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation"
)

// entraCloud is one cloud of Microsoft Entra: where its issuers are.
type entraCloud struct {
	v2 string // https://HOST/TENANT/v2.0
	v1 string // https://HOST/TENANT/, the slash is part of it
}

func entraClouds() []entraCloud {
	return []entraCloud{
		{v2: "login.microsoftonline.com", v1: "sts.windows.net"},
		{v2: "login.microsoftonline.us", v1: "sts.windows.net"},              // US government
		{v2: "login.partner.microsoftonline.cn", v1: "sts.chinacloudapi.cn"}, // 21Vianet
		{v2: "login.chinacloudapi.cn", v1: "sts.chinacloudapi.cn"},
	}
}

func entraHosts() []string {
	var hosts []string
	for _, c := range entraClouds() {
		for _, host := range []string{c.v2, c.v1} {
			if !slices.Contains(hosts, host) {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

// entraTenant takes the tenant out of an issuer of Entra, "" where it has none of
// its two forms.
func entraTenant(issuer string) string {
	for _, c := range entraClouds() {
		if rest, ok := strings.CutPrefix(issuer, "https://"+c.v2+"/"); ok {
			if tid, ok := strings.CutSuffix(rest, "/v2.0"); ok && isGUID(tid) {
				return tid
			}
		}
		if rest, ok := strings.CutPrefix(issuer, "https://"+c.v1+"/"); ok {
			if tid, ok := strings.CutSuffix(rest, "/"); ok && isGUID(tid) {
				return tid
			}
		}
	}
	return ""
}

// isGUID: as Entra writes it, in lower case; another form would not be equal to tid.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		hex := '0' <= s[i] && s[i] <= '9' || 'a' <= s[i] && s[i] <= 'f'
		if hyphen != (s[i] == '-') || !hyphen && !hex {
			return false
		}
	}
	return true
}

// checkEntra: the tenant is pinned by the issuer, so an issuer that names none pins
// nothing.
func checkEntra(s *IdentityProviderSpec) (code, path, text string) {
	if entraTenant(s.Issuer) != "" {
		return "", "", ""
	}
	const forms = "https://login.microsoftonline.com/TENANT/v2.0, or for tokens of version 1 https://sts.windows.net/TENANT/ with its slash; TENANT is the " +
		"directory's id, a GUID in lower case"
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return "", "", "" // Validate says why
	}
	host, rest := u.Host, strings.Trim(u.Path, "/")
	tid, version, _ := strings.Cut(rest, "/")
	isV1 := slices.ContainsFunc(entraClouds(), func(c entraCloud) bool { return c.v1 == host })
	switch {
	case !slices.Contains(entraHosts(), host):
		return "entra_issuer", "spec.issuer", "is on no host of Entra: expected " + forms + "; for the clouds of governments and of China " +
			"https://login.microsoftonline.us, https://login.partner.microsoftonline.cn or https://sts.chinacloudapi.cn"
	case !isGUID(tid):
		return "entra_tenant", "spec.issuer", quote(tid) + " is no directory's id: expected " + forms
	case isV1:
		return "entra_issuer", "spec.issuer", "expected https://" + host + "/" + tid + "/, with the slash and nothing behind it"
	case version == "":
		return "entra_issuer", "spec.issuer", "expected https://" + host + "/" + tid + "/v2.0; tokens of version 1 have the issuer https://" + stsOf(host) + "/" + tid + "/"
	default:
		return "entra_issuer", "spec.issuer", "expected https://" + host + "/" + tid + "/v2.0, without a slash behind it"
	}
}

func stsOf(host string) string {
	for _, c := range entraClouds() {
		if c.v2 == host {
			return c.v1
		}
	}
	return ""
}

// entraDialect: identity is (tid, oid), never an address (T13); sub differs for each application.
func entraDialect(issuer string) federation.Dialect {
	return federation.Dialect{
		TenantClaim: "tid", Tenant: entraTenant(issuer), SubjectClaim: "oid", IDClaim: "uti", NamesApplication: true, AgentClaims: true, GuestClaim: "acct", MemberValue: "0",
	}
}

// pinnedProblem: an issuer that stands for every tenant of a cloud is no trust anchor, by whatever preset (T12).
func pinnedProblem(s string) string {
	if u, err := url.Parse(s); err == nil && slices.Contains(entraHosts(), strings.ToLower(u.Hostname())) {
		for part := range strings.SplitSeq(strings.ToLower(u.EscapedPath()), "/") {
			if federation.IsEveryTenant(part) {
				return "stands for every tenant of Entra: expected the issuer of one tenant, https://" + u.Host + "/TENANT/…, where TENANT is the directory's id"
			}
		}
	}
	if strings.ContainsAny(s, "{}") {
		return "holds a placeholder"
	}
	return ""
}
