package grant_test

import (
	"testing"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const (
	entraTenant = "323626f5-1bfe-48cd-8902-ddfdfd44e1ce"
	entraIssuer = "https://login.microsoftonline.com/" + entraTenant + "/v2.0"
	aliceOID    = "7d3f6b1a-50a0-4e9a-9a2d-1f4f3f1b2c3d"
	agentOID    = "12d1b58c-d6e1-4b90-a8de-e8a8cecfb46d"
)

// entra is a world whose IdP is Microsoft Entra.
func entra(t *testing.T, profile string, changes ...change) *world {
	t.Helper()
	return newWorld(t, append([]change{
		{"preset: generic\n  issuer: https://idp.acme.com", "preset: entra\n  issuer: " + entraIssuer},
		{"profiles: [id-jag], algorithms: [ES256], clients: [agent]", "profiles: [" + profile + "], algorithms: [ES256], max_lifetime: 75m, reuse: single_use, clients: [agent, build]"},
		{"identities: [{idp: acme, sub: 00u1alice}]", "identities: [{idp: acme, sub: " + aliceOID + ", tenant: " + entraTenant + "}]"},
	}, changes...)...)
}

func (w *world) shaped(t *testing.T, shape string, options ...idptest.Option) ask {
	t.Helper()
	return w.present(t, must1(w.idp.Shaped(shape, append([]idptest.Option{idptest.WithClaim("jti", "entra-1"), idptest.WithClaim("exp", now.Unix()+3600)}, options...)...)))
}

func (a ask) byAgent() ask { return a.with("client_id", "agent").with("client_secret", secretText) }

// TestAgentOfAPerson: policy sees which agent acts and for whom, in one form; the claims stay as sent.
func TestAgentOfAPerson(t *testing.T) {
	w := entra(t, "jwt-bearer")
	w.granted(t, w.shaped(t, "entra-user").byAgent().with("resource", notesURI))
	in := w.seenByPolicy(t)
	for want, path := range map[string][]string{
		"agent":                                {"actor", "kind"},
		"[3 9 agent_identity]":                 {"actor", "facets"},
		"30cf4c22-9985-4ef7-8756-91cc888176bd": {"actor", "parent_app"},
		"0":                                    {"actor", "depth"},
		"<nil>":                                {"actor", "chain"},
		"3 9 11":                               {"assertion", "claims", "xms_act_fct"},
		aliceOID:                               {"user", "sub"},
		"false":                                {"user", "guest"},
		"complete":                             {"user", "groups_state"},
	} {
		if got := member(in, path...); got != want {
			t.Errorf("%v is %s, want %s", path, got, want)
		}
	}
	if _, there := in["workload"]; there {
		t.Error("a person is no workload")
	}

	w = entra(t, "jwt-bearer")
	w.granted(t, w.shaped(t, "entra-user", idptest.WithClaim("idtyp", "user"), idptest.WithClaim("act", map[string]any{"sub": "bot"})).byAgent().with("resource", notesURI))
	if in := w.seenByPolicy(t); member(in, "subject", "kind") != "person" || member(in, "actor", "depth") != "1" || member(in, "actor", "kind") != "agent" {
		t.Errorf("policy saw %v", in)
	}
}

// TestAgentForItself is a workload to us; what it is to its IdP stays beside that.
func TestAgentForItself(t *testing.T) {
	w := entra(t, "workload", with(buildClient), with(`apiVersion: chancery/v1
kind: Workload
metadata: {name: release}
spec: {idp: acme, client: build, resources: [notes], scopes: ["notes:read"], match: {sub: `+agentOID+`}}`))
	w.granted(t, w.shaped(t, "entra-agent"))
	in := w.seenByPolicy(t)
	for want, path := range map[string][]string{
		"workload":                               {"actor", "kind"},
		"agent":                                  {"subject", "kind"},
		"[3 9 agent_identity]":                   {"actor", "facets"},
		"30cf4c22-9985-4ef7-8756-91cc888176bd":   {"actor", "parent_app"},
		"map[name:release sub:" + agentOID + "]": {"workload"},
		"<nil>":                                  {"user"},
	} {
		if got := member(in, path...); got != want {
			t.Errorf("%v is %s, want %s", path, got, want)
		}
	}
}

// TestGuestOfTheIdP: the IdP's word that somebody is a guest counts, whatever our record of him says.
func TestGuestOfTheIdP(t *testing.T) {
	guest := idptest.WithClaim("acct", 1)
	w := entra(t, "jwt-bearer")
	w.refused(t, w.shaped(t, "entra-user", guest).byAgent().with("resource", notesURI), oauth.CodeGuestDenied)
	w = entra(t, "jwt-bearer", change{"  claims: {groups: groups", "  subject: {match: [sub], guests: allow}\n  claims: {groups: groups"})
	w.granted(t, w.shaped(t, "entra-user", guest).byAgent().with("resource", notesURI))
	if got := member(w.seenByPolicy(t), "user", "guest"); got != "true" {
		t.Errorf("user.guest is %s", got)
	}
}
