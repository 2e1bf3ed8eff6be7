package page_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/page"
)

// TestApprovalSays: what an approver must see before he answers; and that the one for whom it is cannot answer.
func TestApprovalSays(t *testing.T) {
	m := sample[page.Approval](t, "approval")
	for what, want := range map[string]string{
		"why he is asked": "in the group <bdi>security</bdi>", "the client": "<bdi>Claude Code</bdi>", "for whom": "<bdi>bob@acme.example</bdi>", "the resource": "Access to <bdi>Team notes</bdi>",
		"a scope in words": "Change and delete notes in your name", "its risk": "High risk", "how long it lasts": "at most <bdi>10</bdi> minutes", "how long it waits": "2026-11-21 09:30 UTC",
		"who is signed in": "Signed in as <bdi>alice@acme.example</bdi>", "that it is good once": "good for one time", "a no": `value="deny"`, "a yes": `value="allow"`,
	} {
		if !strings.Contains(shown(t, m), want) {
			t.Errorf("does not show %s", what)
		}
	}
	for _, name := range []string{"approval-mine", "approval-others"} {
		text := shown(t, sample[page.Approval](t, name))
		if strings.Contains(text, "<form") || strings.Contains(text, "<button") || !strings.Contains(text, "waits for somebody else") {
			t.Errorf("%s can be answered", name)
		}
	}
	for name, change := range map[string]func(*page.Approval){
		"to oneself":  func(m *page.Approval) { m.Mine = true },
		"no token":    func(m *page.Approval) { m.Token = "" },
		"nobody":      func(m *page.Approval) { m.Person = page.Person{} },
		"no end":      func(m *page.Approval) { m.Lifetime = 0 },
		"no group":    func(m *page.Approval) { m.Group = "" },
		"no scope":    func(m *page.Approval) { m.Access[0].Scopes = nil },
		"another way": func(m *page.Approval) { m.Action = "https://evil.example/" },
	} {
		m := sample[page.Approval](t, "approval")
		m.Access = append([]page.Access{}, m.Access...)
		change(&m)
		if _, err := m.Render(page.Frame{}); err == nil {
			t.Errorf("%s is shown", name)
		}
	}
}
