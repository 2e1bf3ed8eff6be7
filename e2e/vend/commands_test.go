package vend_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// surroundings are a running chancery dev, in a folder of its own.
type surroundings struct {
	t      *testing.T
	folder string // of dev's state
	home   string // where commands run
}

func startDev(t *testing.T) *surroundings {
	t.Helper()
	d := &surroundings{t: t, folder: filepath.Join(t.TempDir(), "state"), home: t.TempDir()}
	command := exec.Command(harness.Binary(t), "dev", "--dir", d.folder, "--host", "127.0.0.1", "--port", "0", "--output", "json")
	command.Dir = d.home
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGINT)
		_ = command.Wait()
	})
	var ready struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(out).Decode(&ready); err != nil || ready.Issuer == "" {
		t.Fatalf("dev is not ready: %v", err)
	}
	return d
}

// run runs a command beside it.
func (d *surroundings) run(arguments ...string) (stdout, stderr string, status int) {
	d.t.Helper()
	command := exec.CommandContext(d.t.Context(), harness.Binary(d.t), arguments...)
	command.Dir = d.home
	command.Env = append(os.Environ(), "CHANCERY_DEV_DIR="+d.folder)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	err := command.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), complaint.String(), ended.ExitCode()
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return out.String(), complaint.String(), 0
}

// good runs one that must end well and complain of nothing.
func (d *surroundings) good(arguments ...string) string {
	d.t.Helper()
	out, complaint, status := d.run(arguments...)
	if status != 0 || complaint != "" {
		d.t.Fatalf("%q ended with %d: %s", arguments, status, complaint)
	}
	return out
}

var wanted = []string{"vend", "github", "--provider-scope", "profile:read"}

func (d *surroundings) vend(format string) string {
	d.t.Helper()
	return d.good(append(wanted, "--format", format)...)
}

// refused runs one that must give nothing away but what is said on standard error.
func (d *surroundings) refused(says string, arguments ...string) string {
	d.t.Helper()
	out, complaint, status := d.run(arguments...)
	if status != 1 || out != "" || !strings.Contains(complaint, says) {
		d.t.Fatalf("%q ended with %d, %q, and said %s", arguments, status, out, complaint)
	}
	return complaint
}

var link = regexp.MustCompile(`http://\S+/interact/lnk_\S+`)

// TestCommands: a person is told where to connect, connects, and what she runs then has the provider's token, and nothing else.
func TestCommands(t *testing.T) {
	d := startDev(t)
	d.refused("chancery dev login", wanted...)
	d.good("dev", "login", "alice")

	complaint := d.refused("connection_required", wanted...)
	address := link.FindString(complaint)
	if address == "" {
		t.Fatalf("no address to open: %s", complaint)
	}
	d.refused("connection_required", "exec", "--provider", "github=profile:read", "--", "sh", "-c", "echo it ran")
	alice := harness.NewPerson(t, "alice")
	page := alice.GoOn(alice.Open(address))
	if page.Status != http.StatusOK {
		t.Fatalf("%d %s", page.Status, page.Body)
	}

	// Each form says the same token.
	raw := strings.TrimSuffix(d.vend("raw"), "\n")
	if raw == "" || strings.ContainsAny(raw, " \n") {
		t.Fatalf("raw: %q", raw)
	}
	header := d.vend("header")
	name, value, _ := strings.Cut(strings.TrimSuffix(header, "\n"), ": ")
	if name != "Authorization" || !strings.HasPrefix(value, "Bearer ") || strings.ContainsAny(strings.TrimPrefix(value, "Bearer "), " \n") {
		t.Errorf("header: %q", header)
	}
	if env := d.vend("env"); !strings.HasPrefix(env, "CHANCERY_GITHUB_TOKEN=") || strings.Count(env, "\n") != 1 || len(env) < len("CHANCERY_GITHUB_TOKEN=x\n") {
		t.Errorf("env: %q", env)
	}
	var record map[string]any
	if err := json.Unmarshal([]byte(d.vend("json")), &record); err != nil {
		t.Fatal(err)
	}
	if record["access_token"] == "" || record["provider"] != "github" || record["account"] != "alice-at-github" || record["scope"] != "profile:read" ||
		record["header"] != "Authorization" || record["scheme"] != "Bearer" || record["cache_until"] == nil || record["decision_id"] == "" {
		t.Errorf("json: %v", record)
	}
	if _, there := record["refresh_token"]; there {
		t.Error("a refresh token is lent")
	}

	d.child()
	d.nothingOnDisk(raw)

	// What is not to be had says why, and the command does not run.
	d.refused("vend_not_allowed", "vend", "gitlab", "--provider-scope", "profile:read")
	d.refused("invalid_scope", "vend", "github", "--provider-scope", "profile:write")
	d.refused("", append(wanted, "--format", "yaml")...)
	d.refused("invalid_scope", "exec", "--provider", "github=profile:write", "--", "sh", "-c", "echo it ran")
	d.good("dev", "login", "eve")
	d.refused("", wanted...)
}

// child: what exec becomes has the token in its environment, alone there, and its exit status is what is seen.
func (d *surroundings) child() {
	d.t.Helper()
	lent := []string{"exec", "--provider", "github=profile:read", "--"}
	environment := d.good(append(lent, "env")...)
	tokens := 0
	for line := range strings.Lines(environment) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		switch {
		case name == "CHANCERY_GITHUB_TOKEN" && value != "":
			tokens++
		case strings.HasPrefix(name, "CHANCERY_") && name != "CHANCERY_DEV_DIR" && os.Getenv(name) != value: // what tests run in is not exec's
			d.t.Errorf("the command has %s", name)
		}
	}
	if tokens != 1 {
		d.t.Errorf("%d tokens in %s", tokens, environment)
	}
	if arguments := d.good(append(lent, "sh", "-c", `tr '\0' ' ' < /proc/$$/cmdline; case "$(tr '\0' ' ' < /proc/$$/cmdline)" in *"$CHANCERY_GITHUB_TOKEN"*) echo SHOWN;; esac`)...); strings.Contains(arguments, "SHOWN\n") {
		d.t.Errorf("the token is among the arguments: %s", arguments)
	}
	if _, _, status := d.run(append(lent, "sh", "-c", "exit 7")...); status != 7 {
		d.t.Errorf("ended with %d", status)
	}
	d.refused("no-such-command", append(lent, "no-such-command")...)
}

// nothingOnDisk: no file of dev's state, nor of where commands ran, has the token.
func (d *surroundings) nothingOnDisk(token string) {
	d.t.Helper()
	for _, root := range []string{d.folder, d.home} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path) //nolint:gosec // folders of this test
			if err == nil && bytes.Contains(text, []byte(token)) {
				d.t.Errorf("%s has the token", path)
			}
			return err
		})
		if err != nil {
			d.t.Error(err)
		}
	}
}
