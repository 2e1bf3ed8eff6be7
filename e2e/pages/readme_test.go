package pages

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// What the README tells a reader to type is typed, up to the token and the refusal
// of its second use. Only what a test must not do is put differently: the binary is
// built already, and the ports are free ones.
func TestReadmeRedeemsAnAssertion(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "## Redeem an assertion against your own server")
	_, block, begun := strings.Cut(section, "```sh\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !begun || !ended {
		t.Fatal("the README has no such section, or nothing to type in it")
	}
	public, admin := freeAddress(t), freeAddress(t)
	typed := strings.NewReplacer(
		"make build\n", "",
		"bin/chancery", harness.Binary(t),
		"go run ./examples/first-token", buildIdP(t)+" -audience http://"+public,
		"127.0.0.1:8080", public,
	).Replace(block)
	last := typed[strings.LastIndex(typed, "curl "):]
	script := typed + "\necho\n" + last + "\nkill %1\nwait %1\n"

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-e", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "CHANCERY_SERVER__PUBLIC_URL=http://"+public, "CHANCERY_SERVER__LISTEN="+public, "CHANCERY_ADMIN__LISTEN="+admin)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"token_type":"Bearer"`, `"scope":"notes:read"`, `"resource":"https://mcp.example/notes"`, "jti_replayed: "} {
		if strings.Count(string(out), want) != 1 {
			t.Errorf("%s is not there once:\n%s", want, out)
		}
	}
}

func buildIdP(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "first-token")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../examples/first-token").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// freeAddress is one that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
