package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// silent is a target that must not be asked.
func silent(t *testing.T) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.NotFound(w, nil)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// Errors quote what others wrote, and file names: none of it drives the terminal.
func TestErrorsAreVisible(t *testing.T) {
	s := shell{t: t, folder: t.TempDir()}
	if got := s.run(exitFailed, "conformance", "--settings", "no\x1b[2Jfile"); strings.Contains(got.stderr, "\x1b") || !strings.Contains(got.stderr, "file") {
		t.Errorf("%q", got.stderr)
	}
}

func TestConformanceWithoutSending(t *testing.T) {
	target, asked := silent(t)
	s := shell{t: t, folder: t.TempDir(), environ: []string{envConformanceSecret + "=a-secret"}}
	settings := filepath.Join(s.folder, "settings.yaml")
	text := "target: " + target + "\nclient: {id: one}\nscopes: [notes:read]\nresource: https://mcp.acme.example/notes\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		status int
		say    string
		args   []string
	}{
		"list":              {exitDone, "cases\n", []string{"--list"}},
		"list as JSON":      {exitDone, `"section": "RFC`, []string{"--list", "--output", "json"}},
		"list of a profile": {exitDone, "assertion.typ_id_jag_for_another_client", []string{"--list", "--profile", "jwt-bearer"}},
		"dry run":           {exitDone, "once.parallel", []string{"--settings", settings, "--dry-run"}},
		"setup":             {exitDone, "kind: IdentityProvider", []string{"--settings", settings, "--print-setup", "chancery", "--idp-listen", "127.0.0.1:19556"}},
		"no target":         {exitFailed, "target", []string{"--client-id", "one"}},
		"no secret file":    {exitFailed, "client", []string{"--settings", settings, "--client-secret-file", filepath.Join(s.folder, "none")}},
		"plain http":        {exitFailed, "--allow-plain-http", []string{"--settings", settings, "--target", "http://auth.example"}},
		"an unknown case":   {exitFailed, "no case is named", []string{"--settings", settings, "--only", "nothing"}},
		"an unknown form":   {exitFailed, "table, json or yaml", []string{"--list", "--output", "xml"}},
		"an unknown setup":  {exitFailed, "keycloak", []string{"--settings", settings, "--print-setup", "okta"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := shell{t: t, folder: s.folder, environ: s.environ}.run(c.status, append([]string{"conformance"}, c.args...)...)
			if said := got.stdout + got.stderr; !strings.Contains(said, c.say) || strings.Contains(said, "a-secret") {
				t.Errorf("it says %.600s", said)
			}
		})
	}
	if asked.Load() > 0 {
		t.Errorf("%d requests to the target", asked.Load())
	}
}

// A target that cannot be asked is no target that passed.
func TestConformanceThatCannotRun(t *testing.T) {
	target, asked := silent(t)
	s := shell{t: t, environ: []string{envConformanceSecret + "=a-secret"}}
	got := s.run(exitFailed, "conformance", "--target", target, "--client-id", "one", "--rate", "100")
	if !strings.Contains(got.stderr, "no metadata found") || strings.Contains(got.stdout, "passed") || asked.Load() == 0 {
		t.Errorf("%s%s", got.stdout, got.stderr)
	}
}
