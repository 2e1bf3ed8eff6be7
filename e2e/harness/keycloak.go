package harness

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Keycloak is a real Keycloak on loopback, for the time of a test.
type Keycloak struct {
	URL     string // without a trailing slash
	Version string

	password string // of the administrator
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
	password := rand.Text()
	start.Env = append(start.Environ(), environment...)
	start.Env = append(start.Env, "KC_BOOTSTRAP_ADMIN_USERNAME="+administrator, "KC_BOOTSTRAP_ADMIN_PASSWORD="+password)
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
	return &Keycloak{URL: exported(t, stdout.String(), "URL"), Version: exported(t, stdout.String(), "VERSION"), password: password}
}

const administrator = "administrator"

// Import adds another realm to one that runs, which takes less than another Keycloak. In the file ${NAME} is the
// environment's, as in StartKeycloak's.
func (k *Keycloak) Import(t testing.TB, realm string, environment ...string) {
	t.Helper()
	raw, err := os.ReadFile(realm)
	must(t, err)
	var pairs []string
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		pairs = append(pairs, "${"+name+"}", value)
	}
	k.Admin(t, http.MethodPost, "/admin/realms", "application/json", []byte(strings.NewReplacer(pairs...).Replace(string(raw))))
}

// Admin asks its admin API, and demands that it agrees.
func (k *Keycloak) Admin(t testing.TB, method, path, contentType string, body []byte) []byte {
	t.Helper()
	form := url.Values{"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {administrator}, "password": {k.password}}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	signedIn := k.send(t, http.MethodPost, "/realms/master/protocol/openid-connect/token", "application/x-www-form-urlencoded", "", []byte(form.Encode()))
	must(t, json.Unmarshal(signedIn, &token))
	return k.send(t, method, path, contentType, "Bearer "+token.AccessToken, body)
}

func (k *Keycloak) send(t testing.TB, method, path, contentType, authorization string, body []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, k.URL+path, bytes.NewReader(body))
	must(t, err)
	request.Header.Set("Content-Type", contentType)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	if response.StatusCode/100 != 2 {
		t.Fatalf("Keycloak: %s %s: %d %s", method, path, response.StatusCode, text)
	}
	return text
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
