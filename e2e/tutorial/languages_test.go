package tutorial

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var named = regexp.MustCompile(`(?m)^\s*(\w+)[:=]`)

// TestOtherLanguages: what the page shows of them is what the programs do that the tests of the SDKs run.
func TestOtherLanguages(t *testing.T) {
	for language, program := range map[string]string{"ts": "typescript/client.mjs", "python": "python/client.py"} {
		text, err := os.ReadFile(filepath.Join(root, "e2e", "sdk", filepath.FromSlash(program)))
		if err != nil {
			t.Fatal(err)
		}
		shown := blocks(page(t))
		i := slices.IndexFunc(shown, func(b block) bool { return b.language == language })
		if i < 0 {
			t.Errorf("the page shows nothing in %s", language)
			continue
		}
		names := named.FindAllStringSubmatch(shown[i].text, -1)
		for _, m := range names {
			if !regexp.MustCompile(`\b` + m[1] + `\s*[:=]`).Match(text) {
				t.Errorf("%s does not say %s", program, m[1])
			}
		}
		if len(names) < 5 {
			t.Errorf("%s: %q", language, names)
		}
	}
}

// TestSDKsOfOtherLanguages: the official SDKs, in the programs that the page refers to, do both legs against chancery dev and
// call a tool of the sample server.
func TestSDKsOfOtherLanguages(t *testing.T) {
	d := newDesk(t)
	d.start()
	d.run(typed{command: "chancery dev login alice"})
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(d.folder, ".chancery-dev", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	var session struct {
		IDToken string `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(read("session.json")), &session); err != nil {
		t.Fatal(err)
	}
	issuer, idp, resource := d.address(0), d.address(1), d.address(2)+"/mcp"
	task := map[string]any{
		"mode": "cross-app-access", "resource": resource, "issuer": issuer, "client_id": "notes-agent", "client_secret": read("client-secret"),
		"idp": idp, "idp_token_endpoint": idp + "/token", "idp_client_id": "agent-at-acme", "idp_client_secret": "",
		"id_token": session.IDToken, "scope": "notes:read",
	}
	input, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	sdk := filepath.Join(root, "e2e", "sdk")
	for name, program := range map[string][]string{
		"TypeScript": {"node", filepath.Join(sdk, "typescript", "client.mjs")},
		"Python":     {filepath.Join(sdk, "python", ".venv", "bin", "python"), filepath.Join(sdk, "python", "client.py")},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), program[0], program[1:]...)
			var stdout, stderr bytes.Buffer
			command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(input), &stdout, &stderr
			runErr := command.Run()
			var outcome struct {
				Seen struct {
					Subject string   `json:"subject"`
					Scopes  []string `json:"scopes"`
				} `json:"seen"`
			}
			if err := json.Unmarshal(stdout.Bytes(), &outcome); err != nil || runErr != nil {
				t.Fatalf("%v %v: deploy/ci/install-tools.sh installs what this needs\n%s\n%s", runErr, err, &stdout, &stderr)
			}
			if !strings.HasPrefix(outcome.Seen.Subject, "usr_") || !slices.Equal(outcome.Seen.Scopes, []string{"notes:read"}) {
				t.Errorf("%+v", outcome)
			}
		})
	}
}
