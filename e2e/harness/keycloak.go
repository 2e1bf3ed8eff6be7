package harness

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// Keycloak is a real Keycloak on loopback, for the time of a test.
type Keycloak struct {
	URL     string // without a trailing slash
	Version string
}

// Keycloak is slow to start where four other things start at the same time.
const keycloakPatience = 4 * time.Minute

// StartKeycloak starts one with a realm file, in which ${NAME} is the environment's
// (NAME=value), and with features beyond those of a plain one. It fails the test when
// there is none: half a proof is none.
func StartKeycloak(t testing.TB, realm, features string, environment ...string) *Keycloak {
	t.Helper()
	path, err := filepath.Abs(realm)
	must(t, err)
	script := filepath.Join(root(t), "deploy", "ci", "keycloak.sh")
	arguments := []string{"start", "--realm", path}
	if features != "" {
		arguments = append(arguments, "--features", features)
	}
	ctx, cancel := context.WithTimeout(t.Context(), keycloakPatience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	start := exec.CommandContext(ctx, script, arguments...)
	start.Env = append(start.Environ(), environment...)
	start.Stdout, start.Stderr = &stdout, &stderr
	if err := start.Run(); err != nil {
		t.Fatalf("deploy/ci/keycloak.sh start: %v\n%s", err, stderr.String())
	}
	folder := exported(t, stdout.String(), "FOLDER")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if output, err := exec.CommandContext(ctx, script, "stop", folder).CombinedOutput(); err != nil {
			t.Errorf("deploy/ci/keycloak.sh stop: %v\n%s", err, output)
		}
	})
	return &Keycloak{URL: exported(t, stdout.String(), "URL"), Version: exported(t, stdout.String(), "VERSION")}
}

// exported reads a line of the script.
func exported(t testing.TB, output, name string) string {
	t.Helper()
	found := regexp.MustCompile(`CHANCERY_TEST_KEYCLOAK_` + name + `='([^']+)'`).FindStringSubmatch(output)
	if found == nil {
		t.Fatalf("deploy/ci/keycloak.sh does not say CHANCERY_TEST_KEYCLOAK_%s: %s", name, output)
	}
	return found[1]
}
