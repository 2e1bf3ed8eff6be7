package object_test

import (
	"strings"
	"testing"
)

// TestIssuersThatEverybodyShares: a rule of a platform that has no preset and one issuer for all of its customers says
// whose the token is.
func TestIssuersThatEverybodyShares(t *testing.T) {
	const preset, match = "preset: github-actions\n  issuer: https://token.actions.githubusercontent.com", `{sub: "repo:acme/app:ref:refs/heads/main", "claims.repository": acme/app, claims.run: 7, claims.protected: true}`
	docs := func(t *testing.T, issuer, rules string) string {
		t.Helper()
		return mutate(t, mutate(t, workloadDocs(), preset, "preset: generic\n  issuer: "+issuer), match, rules)
	}
	for issuer, rules := range map[string]struct{ good, bad []string }{
		"https://agent.buildkite.com": {
			good: []string{"{claims.organization_slug: acme}", "{claims.organization_id: x-0184}", "{claims.pipeline_id: x-0184}", `{sub: "organization:acme:pipeline:app:ref:refs/heads/main"}`},
			bad:  []string{"{claims.pipeline_slug: app}", "{claims.build_branch: main}", "{sub: main}", `{sub: "organization:"}`, "{claims.x.organization_slug: acme}"},
		},
		"https://app.terraform.io": {
			good: []string{"{claims.terraform_organization_name: acme}", "{claims.terraform_workspace_id: ws-1}", `{sub: "organization:acme:project:a:workspace:b:run_phase:apply"}`},
			bad:  []string{"{claims.terraform_workspace_name: prod}", "{claims.terraform_run_phase: apply}", "{claims.terraform_project_name: app}"},
		},
		"https://app.eu.terraform.io": {good: []string{"{claims.terraform_organization_id: org-1}"}, bad: []string{"{claims.terraform_workspace_name: prod}"}},
		"https://oidc.vercel.com": {
			good: []string{"{claims.owner_id: team_1}", "{claims.project_id: prj_1}", `{sub: "owner:acme:project:app:environment:production"}`},
			bad:  []string{"{claims.project: app}", "{claims.environment: production}"},
		},
		"https://oidc.vercel.com/":    {good: []string{"{claims.owner: acme}"}, bad: []string{"{claims.project: app}"}},
		"https://api.pulumi.com/oidc": {good: []string{"{claims.org: acme}", `{sub: "pulumi:deploy:org:acme:project:app"}`}, bad: []string{"{claims.stack: prod}", `{sub: "pulumi:deploy:org:"}`}},
		// An issuer of one's own identifies by itself.
		"https://oidc.circleci.com/org/0184990a-477b-4fa8-9968-496074483cee": {good: []string{"{claims.vcs-ref: main}"}},
		"https://oidc.vercel.com/acme":                                       {good: []string{"{claims.project: app}"}},
	} {
		for _, rule := range rules.good {
			newHouse(t).apply(t, docs(t, issuer, rule), by("ci"))
		}
		for _, rule := range rules.bad {
			problems := problemsOf(t, newHouse(t).applyError(t, docs(t, issuer, rule), by("ci")))
			if len(problems) != 1 || problems[0].Code != "workload_not_identified" || !strings.Contains(problems[0].Text, issuer) {
				t.Errorf("%s %s: %v", issuer, rule, problems)
			}
		}
	}
}

// TestRulesLeadToClientsOfTheirOwn: a client with a credential that a rule leads to is warned of, whether it comes with the
// rule or is there already.
func TestRulesLeadToClientsOfTheirOwn(t *testing.T) {
	const code = "workload_client_has_credential"
	secret := mutate(t, workloadDocs(), "method: workload", "method: client_secret_basic")
	h := newHouse(t)
	plan := h.apply(t, secret, by("ci"))
	if !hasWarning(plan.Warnings, code, "") {
		t.Errorf("with the rule: %v", plan.Warnings)
	}
	if plan := h.apply(t, mutate(t, workloadDoc, "claims.run: 7", "claims.run: 8"), by("ci")); !hasWarning(plan.Warnings, code, "") {
		t.Errorf("there already: %v", plan.Warnings)
	}
	if plan := newHouse(t).apply(t, workloadDocs(), by("ci")); hasWarning(plan.Warnings, code, "") {
		t.Errorf("made for rules: %v", plan.Warnings)
	}
}
