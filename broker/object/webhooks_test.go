package object_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/object"
)

const hookedDoc = `apiVersion: chancery/v1
kind: Tenant
metadata: {name: default}
spec:
  webhooks:
    - {url: "https://hooks.acme.com/a", secret: {env: HOOK}, events: [connection.revoked, approval.requested]}
    - {url: "https://hooks.acme.com/b", secret: {env: HOOK}, events: [connection.alert]}
`

func TestWebhooksRefuse(t *testing.T) {
	for name, test := range map[string]struct{ from, to, path, text string }{
		"no url":           {`url: "https://hooks.acme.com/a", `, "", "spec.webhooks[0].url", "is required"},
		"http":             {"https://hooks.acme.com/a", "http://hooks.acme.com/a", "spec.webhooks[0].url", "is not https"},
		"the same twice":   {"https://hooks.acme.com/b", "https://hooks.acme.com/a", "spec.webhooks[1].url", "is there twice"},
		"no secret":        {"secret: {env: HOOK}, events: [connection.revoked", "events: [connection.revoked", "spec.webhooks[0].secret", "is required"},
		"an unknown event": {"connection.revoked", "connection.removed", "spec.webhooks[0].events[0]", "is unknown: expected connection.created"},
		"an event twice":   {"connection.revoked, approval.requested", "connection.revoked, connection.revoked", "spec.webhooks[0].events[1]", "listed twice"},
	} {
		t.Run(name, func(t *testing.T) {
			decode(t, hookedDoc)
			problems := problemsOf(t, decodeError(t, mutate(t, hookedDoc, test.from, test.to)))
			if !slices.ContainsFunc(problems, func(p object.Problem) bool { return p.Path == test.path && strings.Contains(p.Text, test.text) }) {
				t.Fatalf("nothing at %s says %q: %v", test.path, test.text, problems)
			}
		})
	}
	many := hookedDoc + strings.Repeat(`    - {url: "https://hooks.acme.com/b", secret: {env: HOOK}, events: [connection.alert]}`+"\n", 7)
	if problems := problemsOf(t, decodeError(t, many)); !slices.ContainsFunc(problems, func(p object.Problem) bool { return strings.Contains(p.Text, "at most 8") }) {
		t.Error(problems)
	}
}

func TestWebhooksWarn(t *testing.T) {
	h := newHouse(t)
	quiet := mutate(t, hookedDoc, ", events: [connection.alert]", "")
	if plan := h.apply(t, quiet, by("ci")); !hasWarning(plan.Warnings, "absent_denies", "spec.webhooks[1].events") || !hasWarning(plan.Warnings, "secret_reference", "spec.webhooks[0].secret") {
		t.Error(plan.Warnings)
	}
	if plan := newHouse(t).apply(t, hookedDoc, by(object.ManagerConfig)); len(plan.Warnings) != 0 {
		t.Error(plan.Warnings)
	}
}

// Every event that can be asked for is one that is written.
func TestWebhookEventsAreRegistered(t *testing.T) {
	for _, name := range object.WebhookEvents() {
		if !audit.Type(name).Registered() {
			t.Error(name)
		}
	}
}
