package approvals_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestSecondPersonOnAPage: what a pipeline applies waits; bob finds it, sees it line by line with what it changes of who gets what, and
// allows exactly that; eve, who may write policies, and a stranger see nothing. What he rejects is not made.
func TestSecondPersonOnAPage(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e, nil, fourEyes)
		w.Apply(w.Server(), asksForIt)
		file := filepath.Join(t.TempDir(), "notes.yaml")
		propose := func(from, to string) string {
			if err := os.WriteFile(file, []byte(strings.Replace(notesPolicy, from, to, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			if o := w.Run("apply", "-f", file, "--note", "SEC-113"); o.Status != 2 {
				t.Fatalf("%s", o)
			}
			found := w.Run("proposal", "list", "--output", "json").Stdout
			id := found[strings.Index(found, "prop_"):]
			return id[:strings.IndexByte(id, '"')]
		}
		id := propose(`"lifetime": 300`, `"lifetime": 120, "step_up": {"max_age": 60}`)
		link := w.Issuer + "/interact/" + id
		if page := harness.NewPerson(t, "bob").Open(link); strings.Contains(page.Body, "step_up") {
			t.Error("a stranger sees what is proposed")
		}
		eve := signedIn(t, w, "eve")
		if page := eve.Open(link); page.Status == http.StatusOK || strings.Contains(page.Body, "step_up") {
			t.Errorf("eve: %d %s", page.Status, page.Body)
		}
		if page := eve.Open(w.Issuer + "/approvals"); strings.Contains(page.Body, id) {
			t.Error("it waits for eve")
		}
		bob := signedIn(t, w, "bob")
		if page := bob.Open(w.Issuer + "/approvals"); !strings.Contains(page.Body, "/interact/"+id) {
			t.Fatalf("nothing waits for bob: %s", page.Body)
		}
		page := bob.Open(link)
		for _, want := range []string{"SEC-113", "modules.notes.rego", "<del>-   &#34;lifetime&#34;: 300,</del>", "<ins>+   &#34;lifetime&#34;: 120, &#34;step_up&#34;: {&#34;max_age&#34;: 60},</ins>"} {
			if !strings.Contains(page.Body, want) {
				t.Errorf("the page does not say %q:\n%s", want, page.Body)
			}
		}
		form, found := page.Button("decision", "allow")
		if !found {
			t.Fatalf("%s", page.Body)
		}
		if forged := bob.Send(form, url.Values{"decision": {"allow"}, "hash": {strings.Repeat("0", 64)}}); forged.Status < 400 {
			t.Errorf("another content was allowed: %d", forged.Status)
		}
		if done := bob.Press(page, "decision", "allow"); done.Status != http.StatusOK || !strings.Contains(done.Body, "exactly as you saw it") {
			t.Fatalf("%d %s", done.Status, done.Body)
		}
		if twice := bob.Send(form, url.Values{"decision": {"deny"}}); twice.Status != http.StatusConflict {
			t.Errorf("a second answer counts: %d %s", twice.Status, twice.Body)
		}
		if o := w.Run("policy", "publish", id); o.Status != 0 {
			t.Fatalf("%s", o)
		}
		if o := w.Run("policy", "history", "notes"); !strings.Contains(o.Stdout, "user:bob") {
			t.Errorf("%s", o)
		}

		// What changes who gets what shows it in the access matrix. It is rejected, and cannot be published.
		id = propose(`"scopes": ["notes:read"]`, `"scopes": []`)
		page = bob.Open(w.Issuer + "/interact/" + id)
		if !strings.Contains(page.Body, "What it changes of who gets what") || !strings.Contains(page.Body, "fresh sign-in") {
			t.Errorf("no access matrix: %s", page.Body)
		}
		if done := bob.Press(page, "decision", "deny"); done.Status != http.StatusOK || !strings.Contains(done.Body, "rejected") {
			t.Fatalf("%d %s", done.Status, done.Body)
		}
		if o := w.Run("policy", "publish", id); o.Status != 1 || !strings.Contains(o.Stderr, "proposal_state") {
			t.Errorf("%s", o)
		}
	})
}

// TestPublishWithinMaxFlips: what would have turned a recorded decision is refused where the author or the server tolerates none.
func TestPublishWithinMaxFlips(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		w := world(t, e, map[string]any{"policy.max_flips": 1}, "")
		read := func(user string) {
			w.Send(w.Server(), w.NewCall(w.IdP.IDJAG(user)).With("scope", "notes:read")).Granted(t)
		}
		read(idptest.Alice)
		file := filepath.Join(t.TempDir(), "notes.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(notesPolicy, `if not writes`, `if { not writes; input.user.id == "usr_nobody" }`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := w.Run("policy", "publish", "-f", file, "--max-flips", "0"); o.Status != 1 || !strings.Contains(o.Stderr, "; at most") {
			t.Errorf("%s", o)
		}
		read(idptest.Alice)
		if o := w.Run("policy", "publish", "-f", file, "--max-flips", "5"); o.Status != 1 || !strings.Contains(o.Stderr, "at most 1 are tolerated") {
			t.Errorf("the author tolerates more than the server does: %s", o)
		}
		if o := w.Run("apply", "-f", file); o.Status != 1 || !strings.Contains(o.Stderr, "; at most") {
			t.Errorf("%s", o)
		}
		if o := w.Run("delete", "policy", "notes"); o.Status != 1 {
			t.Errorf("%s", o)
		}
		read(idptest.Alice)
		if err := os.WriteFile(file, []byte(strings.Replace(notesPolicy, "What reads is granted", "Whoever reads may", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		if o := w.Run("policy", "publish", "-f", file, "--max-flips", "0"); o.Status != 0 {
			t.Errorf("%s", o)
		}
	})
}
