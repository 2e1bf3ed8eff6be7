package page_test

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/page"
)

// TestChangeSays: what a second person must see before he answers.
func TestChangeSays(t *testing.T) {
	m := sample[page.Change](t, "change")
	for what, want := range map[string]string{
		"who wrote it": "<bdi>user:bob</bdi>", "why": "SEC-112", "the object": "Policy notes", "a member before": "<bdi>15</bdi>", "a member after": "<bdi>5</bdi>",
		"what goes": "<del>- decision := {\"allow\": true}</del>", "what comes": "<ins>+     \"editors\" in input.user.group_names</ins>",
		"what has no picture": `\u{202e}`, "who gets what": "<bdi>editors</bdi>", "who gets nothing": "nothing", "how long it waits": "2026-11-21 09:30 UTC",
		"what is answered": `name="hash" value="0a0a`, "a no": `value="deny"`, "a yes": `value="allow"`,
	} {
		if !strings.Contains(shown(t, m), want) {
			t.Errorf("does not show %s", what)
		}
	}
	for _, name := range []string{"change-mine", "change-partly", "change-stands"} {
		if strings.Contains(shown(t, sample[page.Change](t, name)), "<form") {
			t.Errorf("%s can be answered", name)
		}
	}
}

// What is not all on the page, or his own, cannot be answered on it.
func TestChangeRefuses(t *testing.T) {
	for name, change := range map[string]func(*page.Change){
		"no token":     func(m *page.Change) { m.Token = "" },
		"no hash":      func(m *page.Change) { m.Hash = "" },
		"his own":      func(m *page.Change) { m.Mine = true },
		"a part":       func(m *page.Change) { m.Partly = true },
		"not possible": func(m *page.Change) { m.Stands = true },
		"nothing":      func(m *page.Change) { m.Objects = nil },
		"nobody":       func(m *page.Change) { m.Person = page.Person{} },
		"elsewhere":    func(m *page.Change) { m.Action = "https://evil.example/" },
		"a line that is cut": func(m *page.Change) {
			m.Objects = []page.ChangedObject{{Kind: "Policy", Name: "notes", Files: []page.ChangedFile{{Path: "a", Lines: []string{"+" + strings.Repeat("x", 500)}}}}}
		},
		"too many lines": func(m *page.Change) {
			m.Objects = []page.ChangedObject{{Kind: "Policy", Name: "notes", Files: []page.ChangedFile{{Path: "a", Lines: strings.Split(strings.Repeat("+\n", page.MaxChangeLines+1), "\n")}}}}
		},
		"a line of no kind": func(m *page.Change) {
			m.Objects = []page.ChangedObject{{Kind: "Policy", Name: "notes", Files: []page.ChangedFile{{Path: "a", Lines: []string{"x"}}}}}
		},
		"a value that is cut": func(m *page.Change) {
			m.Objects = []page.ChangedObject{{Kind: "Policy", Name: "notes", Members: []page.ChangedMember{{Path: "spec", To: strings.Repeat("x", 500)}}}}
		},
	} {
		m := sample[page.Change](t, "change")
		change(&m)
		if _, err := m.Render(page.Frame{}); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}
