package mcpconformance_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The suite's scenarios for clients bring an authorization server of their own: there is no way to point them at ours. Each
// that is about authorization has a counterpart, a test that has its name (e2e/sdk), or is named here.
func elsewhere() map[string]string {
	return map[string]string{
		"client-credentials-jwt":               "TestClientCredentials",
		"client-credentials-basic":             "TestClientCredentials",
		"enterprise-managed-authorization":     "TestEnterpriseHandler",
		"dpop":                                 "TestKeysOfPeopleClients",
		"dpop-nonce":                           "TestTypeScriptDPoPNonce",
		"wif-jwt-bearer":                       "TestWorkloads",
		"2025-03-26-oauth-metadata-backcompat": "", // before protected resources had metadata
		"2025-03-26-oauth-endpoint-fallback":   "", // before authorization servers had to
	}
}

// scenarios are what the suite has: another version of it may have more.
const scenarios = 33

func TestEveryClientScenarioHasACounterpart(t *testing.T) {
	list := exec.CommandContext(t.Context(), "node_modules/.bin/node", "node_modules/@modelcontextprotocol/conformance/dist/index.js", "list")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var sources bytes.Buffer
	files, err := filepath.Glob("../*/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(text)
	}
	_, clients, _ := strings.Cut(string(out), "Client scenarios")
	found := regexp.MustCompile(`(?m)^  - auth/(\S+)`).FindAllStringSubmatch(clients, -1)
	if len(found) != scenarios {
		t.Errorf("the suite has %d scenarios, want %d", len(found), scenarios)
	}
	for _, scenario := range found {
		written := `"` + scenario[1]
		if test, is := elsewhere()[scenario[1]]; is && test == "" {
			continue
		} else if is {
			written = "func " + test + "("
		}
		if !strings.Contains(sources.String(), written) {
			t.Errorf("%s has no counterpart", scenario[1])
		}
	}
}
