package providertest

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Named returns the profile that stands for a manifest; false where there is none. Its facts are from the services' public
// documentation, as the manifests say.
func Named(name string) (Profile, bool) {
	make, ok := map[string]func() Profile{
		"github": github, "github-app": githubApp, "google": google, "microsoft": microsoft, "slack": slack, "atlassian": atlassian, "linear": linear,
		"notion": notion, "salesforce": salesforce, "hubspot": hubspot, "servicenow": servicenow, "box": box, "oauth2": generic,
		"client-credentials": generic, "jwt-bearer": generic, "token-exchange": exchanging,
	}[name]
	if !ok {
		return Profile{}, false
	}
	p := make()
	p.Name = name
	return p, true
}

// GenericHost is where the generic kinds live.
const GenericHost = "as.example.com"

func generic() Profile {
	p := standard(GenericHost)
	p.Basic, p.Rotation = true, "single_use"
	return p
}

func exchanging() Profile {
	p := generic()
	p.Narrow = p.Token
	return p
}

func github() Profile {
	p := standard("github.com")
	p.Authorize, p.Token = "github.com/login/oauth/authorize", "github.com/login/oauth/access_token"
	p.Revoke, p.Probe = "api.github.com/applications/client-1/grant", "api.github.com/user"
	p.Life, p.Rotation = 0, ""
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		m["token_type"], m["scope"] = "bearer", join(i.Scopes, ",")
		return m
	}
	p.Refuse = map[Refusal]Answer{
		BadClient: refuse(200, "incorrect_client_credentials"), BadToken: refuse(200, "bad_refresh_token"), BadCode: refuse(200, "bad_verification_code"),
	}
	p.Ended = func(r *http.Request) string { return value(r, "access_token") }
	p.Who = func(login string) any { return map[string]any{"id": 583231, "login": login} }
	return p
}

func githubApp() Profile {
	p := github()
	p.Life, p.Rotation = 8*time.Hour, "single_use"
	before := p.Issued
	p.Issued = func(i Issued) map[string]any {
		m := before(i)
		m["refresh_token_expires_in"] = 15897600
		return m
	}
	return p
}

func google() Profile {
	p := standard("oauth2.googleapis.com")
	p.Authorize, p.Probe, p.Narrow = "accounts.google.com/o/oauth2/v2/auth", "openidconnect.googleapis.com/v1/userinfo", "sts.googleapis.com/v1/token"
	p.Require = map[string]string{"access_type": "offline", "prompt": "consent"}
	p.Issued = func(i Issued) map[string]any {
		i.Scopes = slices.Clone(i.Scopes)
		for n, s := range i.Scopes {
			if s == "email" {
				i.Scopes[n] = "https://www.googleapis.com/auth/userinfo.email"
			}
		}
		m := issued(i)
		if i.Again {
			delete(m, "refresh_token")
		}
		return m
	}
	p.Who = func(login string) any { return map[string]any{"sub": "1082" + login, "email": login + "@example.com"} }
	return p
}

func microsoft() Profile {
	p := standard("login.microsoftonline.com")
	p.Authorize, p.Token = "login.microsoftonline.com/organizations/oauth2/v2.0/authorize", "login.microsoftonline.com/organizations/oauth2/v2.0/token"
	p.Revoke, p.Probe, p.Rotation = "", "graph.microsoft.com/v1.0/me", "replaced"
	p.Issued = func(i Issued) map[string]any {
		i.Scopes = slices.DeleteFunc(slices.Clone(i.Scopes), func(s string) bool { return s == "offline_access" })
		return issued(i)
	}
	aad := func(status int, code string, number int) Answer {
		return Answer{status, map[string]any{"error": code, "error_codes": []int{number}, "error_description": "AADSTS" + strconv.Itoa(number) + ": canary-description"}}
	}
	p.Refuse[BadClient], p.Refuse[BadToken] = aad(401, "invalid_client", 7000215), aad(400, "invalid_grant", 700082)
	p.Who = func(login string) any {
		return map[string]any{"id": "oid-" + login, "userPrincipalName": login + "@example.com"}
	}
	return p
}

func slack() Profile {
	p := standard("slack.com")
	p.Authorize, p.Token, p.Revoke, p.Probe = "slack.com/oauth/v2/authorize", "slack.com/api/oauth.v2.access", "slack.com/api/auth.revoke", "slack.com/api/auth.test"
	p.Basic, p.ScopeParameter, p.ScopeSeparator, p.Unknown, p.Rotation, p.Life = true, "user_scope", ",", true, "single_use", 12*time.Hour
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		m["token_type"], m["scope"] = "user", join(i.Scopes, ",")
		if i.Again {
			m["ok"] = true
			return m
		}
		m["id"] = "U1"
		return map[string]any{"ok": true, "app_id": "A1", "authed_user": m, "team": map[string]any{"id": "T1"}}
	}
	no := func(code string) Answer { return Answer{200, map[string]any{"ok": false, "error": code}} }
	p.Refuse = map[Refusal]Answer{BadClient: no("bad_client_secret"), BadToken: no("invalid_refresh_token"), BadCode: no("invalid_code")}
	p.Ended = bearer
	p.Who = func(login string) any {
		return map[string]any{"ok": true, "user_id": "U1", "user": login, "team": "Acme"}
	}
	return p
}

func atlassian() Profile {
	p := standard("auth.atlassian.com")
	p.Authorize, p.Token, p.Revoke = "auth.atlassian.com/authorize", "auth.atlassian.com/oauth/token", ""
	p.Probe, p.Sites = "api.atlassian.com/me", "api.atlassian.com/oauth/token/accessible-resources"
	p.JSON, p.Rotation, p.Window = true, "reuse_window", time.Minute
	p.Require = map[string]string{"audience": "api.atlassian.com", "prompt": "consent"}
	p.Issued = func(i Issued) map[string]any {
		i.Scopes = slices.DeleteFunc(slices.Clone(i.Scopes), func(s string) bool { return s == "offline_access" })
		return issued(i)
	}
	p.Refuse[BadClient], p.Refuse[BadToken], p.Refuse[BadCode] = refuse(401, "access_denied"), refuse(401, "access_denied"), refuse(403, "invalid_grant")
	p.Who = func(login string) any {
		return map[string]any{"account_id": "5b10:" + login, "email": login + "@example.com"}
	}
	p.Sited = []any{map[string]any{"id": "cloud-1", "url": "https://acme.atlassian.net", "name": "acme"}}
	return p
}

func linear() Profile {
	p := standard("linear.app")
	p.Authorize, p.Token, p.Revoke, p.Probe = "linear.app/oauth/authorize", "api.linear.app/oauth/token", "api.linear.app/oauth/revoke", "api.linear.app/graphql"
	p.ScopeSeparator, p.Rotation, p.Life = ",", "single_use", 24*time.Hour
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		m["scope"] = i.Scopes // a list
		return m
	}
	p.Who = func(login string) any {
		return map[string]any{"data": map[string]any{"viewer": map[string]any{"id": "lin-" + login, "email": login + "@example.com"}}}
	}
	return p
}

func notion() Profile {
	p := standard("api.notion.com")
	p.Authorize, p.Token, p.Revoke, p.Probe = "api.notion.com/v1/oauth/authorize", "api.notion.com/v1/oauth/token", "api.notion.com/v1/oauth/revoke", ""
	p.Basic, p.JSON, p.Unknown, p.Rotation, p.Life = true, true, true, "single_use", 0
	p.Require = map[string]string{"owner": "user"}
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		delete(m, "scope")
		m["token_type"], m["bot_id"], m["workspace_name"] = "bearer", "bot-1", "Workspace of "+i.Login
		return m
	}
	return p
}

func salesforce() Profile {
	p := standard("login.salesforce.com")
	services := "login.salesforce.com/services/oauth2/"
	p.Authorize, p.Token, p.Revoke, p.Probe = services+"authorize", services+"token", services+"revoke", services+"userinfo"
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		delete(m, "expires_in")
		m["issued_at"], m["instance_url"], m["id"] = strconv.FormatInt(i.At.UnixMilli(), 10), "https://acme.my.salesforce.com", "https://login.salesforce.com/id/00D/005"
		if i.Again {
			delete(m, "refresh_token")
		}
		return m
	}
	p.Refuse[BadClient] = refuse(400, "invalid_client_id")
	p.Who = func(login string) any {
		return map[string]any{"user_id": "005", "preferred_username": login + "@acme.com"}
	}
	return p
}

func hubspot() Profile {
	p := standard("api.hubapi.com")
	p.Authorize, p.Token = "app.hubspot.com/oauth/authorize", "api.hubapi.com/oauth/v1/token"
	p.Revoke, p.Probe = "api.hubapi.com/oauth/v1/refresh-tokens/*", "api.hubapi.com/account-info/v3/details"
	p.Unknown, p.Life = true, 30*time.Minute
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		delete(m, "scope")
		return m
	}
	no := func(code string) Answer {
		return Answer{400, map[string]any{"status": code, "message": "canary-description"}}
	}
	p.Refuse = map[Refusal]Answer{BadClient: no("BAD_CLIENT_SECRET"), BadToken: no("BAD_REFRESH_TOKEN"), BadCode: no("BAD_AUTH_CODE")}
	p.Ended = func(r *http.Request) string { return path.Base(r.URL.Path) }
	p.Who = func(string) any { return map[string]any{"portalId": 62515, "uiDomain": "app.hubspot.com"} }
	return p
}

func servicenow() Profile {
	p := standard("acme.service-now.com")
	p.Authorize, p.Token, p.Revoke = "acme.service-now.com/oauth_auth.do", "acme.service-now.com/oauth_token.do", "acme.service-now.com/oauth_revoke_token.do"
	p.Probe, p.Unknown, p.Life = "acme.service-now.com/api/now/ui/user/current_user", true, 30*time.Minute
	p.Who = func(login string) any {
		return map[string]any{"result": map[string]any{"user_sys_id": "6816", "user_name": login}}
	}
	return p
}

func box() Profile {
	p := standard("api.box.com")
	p.Authorize, p.Token, p.Revoke, p.Probe = "account.box.com/api/oauth2/authorize", "api.box.com/oauth2/token", "api.box.com/oauth2/revoke", "api.box.com/2.0/users/me"
	p.Narrow, p.Unknown, p.Rotation = p.Token, true, "single_use"
	p.Issued = func(i Issued) map[string]any {
		m := issued(i)
		delete(m, "scope")
		m["restricted_to"] = []any{}
		return m
	}
	return p
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}
func join(s []string, by string) string { return strings.Join(s, by) }
