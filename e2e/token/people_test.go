package token

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const carol = `
apiVersion: chancery/v1
kind: User
metadata: {name: carol}
spec: {status: active, groups: [notes-editors], identities: [{idp: okta, sub: 00u4carol}]}
---
`

// Where groups come from: what the claim says counts before what the directory says; too many to list is never none.
func TestGroups(t *testing.T) {
	overage := []idptest.Option{
		idptest.WithoutClaim("groups"), idptest.WithClaim("_claim_names", map[string]any{"groups": "src1"}),
		idptest.WithClaim("_claim_sources", map[string]any{"src1": map[string]any{"endpoint": "http://169.254.169.254/groups"}}),
	}
	asCarol := idptest.WithClaim("sub", "00u4carol")
	none := idptest.WithoutClaim("groups")
	cases := []struct {
		name, from string
		options    []idptest.Option
		granted    string
		code       string
	}{
		{"claim", "[claim]", nil, "notes:read notes:write", ""},
		{"claim of one string", "[claim]", []idptest.Option{idptest.WithClaim("groups", idptest.GroupEditors)}, "notes:read notes:write", ""},
		{"claim absent", "[claim]", []idptest.Option{none}, "", "policy_denied"},
		{"claim empty", "[claim]", []idptest.Option{idptest.WithClaim("groups", []string{})}, "", "policy_denied"},
		{"directory not asked", "[claim]", []idptest.Option{asCarol, none}, "", "policy_denied"},
		{"directory", "[directory]", []idptest.Option{asCarol, none}, "notes:read notes:write", ""},
		{"claim not asked", "[directory]", nil, "", "policy_denied"},
		{"claim before directory", "[claim, directory]", []idptest.Option{asCarol, idptest.WithClaim("groups", []string{idptest.GroupReaders})}, "notes:read", ""},
		{"empty claim before directory", "[claim, directory]", []idptest.Option{asCarol, idptest.WithClaim("groups", []string{})}, "", "policy_denied"},
		{"directory after absent claim", "[claim, directory]", []idptest.Option{asCarol, none}, "notes:read notes:write", ""},
		{"directory before claim", "[directory, claim]", []idptest.Option{asCarol, idptest.WithClaim("groups", []string{idptest.GroupReaders})}, "notes:read notes:write", ""},
		{"overage", "[claim]", overage, "", "groups_overage"},
		{"overage before directory", "[claim, directory]", append(overage, asCarol), "", "groups_overage"},
		{"overage not asked", "[directory]", append(overage, asCarol), "notes:read notes:write", ""},
	}
	each(t, harness.DefaultObjects+carol, func(t *testing.T, w *harness.World) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				w.Apply(w.Server(), strings.Replace(harness.DefaultIdP, "[claim, directory]", c.from, 1))
				a := w.Redeem(w.IdP.IDJAG(idptest.Alice, c.options...))
				if c.code != "" {
					a.Refused(t, http.StatusBadRequest, "invalid_grant", c.code)
				} else if a.Granted(t).Scope != c.granted {
					t.Errorf("scope %q, want %q", a.Scope, c.granted)
				}
			})
		}
		t.Run("alias", func(t *testing.T) {
			w.Apply(w.Server(), strings.Replace(harness.DefaultIdP, "claims: {", "claims: {group_aliases: {00g1ab: notes-editors}, ", 1))
			if a := w.Redeem(w.IdP.IDJAG(idptest.Eve, idptest.WithClaim("groups", []string{"00g1ab"}))).Granted(t); a.Scope != "notes:read notes:write" {
				t.Errorf("scope %q", a.Scope)
			}
		})
	})
}

const stepUp = `
apiVersion: chancery/v1
kind: Policy
metadata: {name: strong}
spec:
  role: guard
  modules:
    strong.rego: |
      package chancery.authz
      decision := {"allow": true, "step_up": {"acr_values": ["phr", "phrh"], "max_age": 300}}
---
`

func TestStepUp(t *testing.T) {
	ago := func(d time.Duration) idptest.Option { return idptest.WithClaim("auth_time", time.Now().Add(-d).Unix()) }
	acr := func(v any) idptest.Option { return idptest.WithClaim("acr", v) }
	cases := []struct {
		name    string
		options []idptest.Option
		met     bool
	}{
		{"met", []idptest.Option{acr("phr"), ago(time.Minute)}, true},
		{"met by the other value", []idptest.Option{acr("phrh"), ago(0)}, true},
		{"nothing said", nil, false},
		{"no acr", []idptest.Option{ago(0)}, false},
		{"no auth_time", []idptest.Option{acr("phr")}, false},
		{"another acr", []idptest.Option{acr("pwd"), ago(0)}, false},
		{"acr that begins so", []idptest.Option{acr("phrx"), ago(0)}, false},
		{"acr in capitals", []idptest.Option{acr("PHR"), ago(0)}, false},
		{"two in one acr", []idptest.Option{acr("phr phrh"), ago(0)}, false},
		{"too long ago", []idptest.Option{acr("phr"), ago(6 * time.Minute)}, false},
		{"in the future", []idptest.Option{acr("phr"), ago(-3 * time.Minute)}, false},
		{"at the epoch", []idptest.Option{acr("phr"), idptest.WithClaim("auth_time", 0)}, false},
	}
	each(t, harness.DefaultObjects+stepUp, func(t *testing.T, w *harness.World) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				a := w.Redeem(w.IdP.IDJAG(idptest.Alice, c.options...))
				if c.met {
					a.Granted(t)
					return
				}
				a.Refused(t, http.StatusBadRequest, "insufficient_user_authentication", "step_up_required")
				if a.ACRValues != "phr phrh" || a.MaxAge != float64(300) { // RFC 9470 §3: a string and a number
					t.Errorf("%s", a.Body)
				}
			})
		}
		t.Run("leaves the assertion unused", func(t *testing.T) {
			same := idptest.WithClaim("jti", "step-up")
			w.Redeem(w.IdP.IDJAG(idptest.Alice, same)).Refused(t, http.StatusBadRequest, "insufficient_user_authentication", "step_up_required")
			w.Redeem(w.IdP.IDJAG(idptest.Alice, same, acr("phr"), ago(0))).Granted(t)
			w.Redeem(w.IdP.IDJAG(idptest.Alice, same, acr("phr"), ago(0))).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
		})
		t.Run("who is denied is not challenged", func(t *testing.T) {
			w.Redeem(w.IdP.IDJAG(idptest.Eve)).Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
		})
	})
}

// A refusal by policy leaves the assertion unused: what is mended can be tried again.
func TestDenialLeavesTheAssertion(t *testing.T) {
	each(t, "", func(t *testing.T, w *harness.World) {
		assertion := w.IdP.IDJAG(idptest.Eve)
		w.Redeem(assertion).Refused(t, http.StatusBadRequest, "invalid_grant", "policy_denied")
		w.Apply(w.Server(), strings.Replace(harness.DefaultPolicy, "[notes-readers]", "[notes-readers, contractors]", 1))
		w.Redeem(assertion).Granted(t)
		w.Redeem(assertion).Refused(t, http.StatusBadRequest, "invalid_grant", "jti_replayed")
	})
}

func TestDisabled(t *testing.T) {
	disabled := func(object string) string { return strings.Replace(object, "spec:", "spec:\n  disabled: true", 1) }
	alice := func(spec string) string {
		return "apiVersion: chancery/v1\nkind: User\nmetadata: {name: alice}\nspec: {" + spec + "identities: [{idp: okta, sub: 00u1alice}]}\n"
	}
	cases := []struct {
		name, change, mended string
		status               int
		oauthError, code     string
	}{
		{"user", alice("status: disabled, "), alice("status: active, "), 400, "invalid_grant", "subject_disabled"},
		{"guest", alice("attributes: {guest: true}, "), alice("attributes: {guest: false}, "), 400, "invalid_grant", "guest_denied"},
		{"client", disabled(harness.DefaultClient), harness.DefaultClient, 401, "invalid_client", "client_authentication_failed"},
		{"client expired", strings.Replace(harness.DefaultClient, "spec:", "spec:\n  expires_at: 2020-01-01T00:00:00Z", 1), harness.DefaultClient, 401, "invalid_client", "client_authentication_failed"},
		{"IdP", disabled(harness.DefaultIdP), harness.DefaultIdP, 400, "invalid_grant", "assertion_untrusted"},
		{"resource", disabled(harness.DefaultResource), harness.DefaultResource, 400, "invalid_grant", "resource_unknown"},
		{"grant type", strings.Replace(harness.DefaultClient, "urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials", 1), harness.DefaultClient, 400, "unauthorized_client", "client_grant_not_allowed"},
		{"algorithm", strings.Replace(harness.DefaultIdP, "[ES256, RS256]", "[RS256]", 1), harness.DefaultIdP, 400, "invalid_grant", "assertion_untrusted"},
		{"profile", strings.Replace(harness.DefaultIdP, "profiles: [id-jag]", "profiles: [jwt-bearer]", 1), harness.DefaultIdP, 400, "invalid_grant", "assertion_untrusted"},
		{"presenters", strings.Replace(harness.DefaultIdP, "clients: [claude]", "clients: [another]", 1), harness.DefaultIdP, 400, "invalid_grant", "issuer_client_not_allowed"},
		{"presenters, idjag-06", strings.Replace(harness.DefaultIdP, "clients: [claude]", "clients: []\n    error_profile: idjag-06", 1), harness.DefaultIdP, 400, "access_denied", "issuer_client_not_allowed"},
		{"resource, idjag-06", strings.Replace(harness.DefaultIdP, "resources: [notes]", "resources: []\n    error_profile: idjag-06", 1), harness.DefaultIdP, 400, "invalid_grant", "resource_unknown"},
		{"scope ceiling", strings.Replace(harness.DefaultIdP, "scopes: [notes:read, notes:write]", "scopes: []", 1), harness.DefaultIdP, 400, "invalid_scope", "scope_empty"},
	}
	each(t, "", func(t *testing.T, w *harness.World) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				w.Apply(w.Server(), c.change)
				w.Redeem(w.IdP.IDJAG(idptest.Alice)).Refused(t, c.status, c.oauthError, c.code)
				w.Apply(w.Server(), c.mended)
				w.Redeem(w.IdP.IDJAG(idptest.Alice)).Granted(t)
			})
		}
		t.Run("policy, idjag-06", func(t *testing.T) {
			w.Apply(w.Server(), strings.Replace(harness.DefaultIdP, "clients: [claude]", "clients: [claude]\n    error_profile: idjag-06", 1))
			w.Redeem(w.IdP.IDJAG(idptest.Eve)).Refused(t, http.StatusBadRequest, "access_denied", "policy_denied")
		})
		t.Run("no policy", func(t *testing.T) {
			w.Apply(w.Server(), harness.DefaultIdP)
			if _, err := w.Server().Admin.Delete(t.Context(), "Policy", "notes", false); err != nil {
				t.Fatal(err)
			}
			w.Redeem(w.IdP.IDJAG(idptest.Alice)).Refused(t, http.StatusBadRequest, "invalid_grant", "policy_none")
		})
	})
}
