package tutorial

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const root = "../.."

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestTutorial types the page from the top to the end.
func TestTutorial(t *testing.T) {
	d := newDesk(t)
	count := 0
	for _, b := range blocks(d.here.Replace(page(t))) {
		switch {
		case b.file != "":
			d.write(b)
		case b.language == "console":
			for _, c := range commands(b.text) {
				d.typeIn(c)
				count++
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d commands were found", count)
	}
}

// desk is a developer's: a folder, a terminal, and what runs in others.
type desk struct {
	t       *testing.T
	folder  string
	environ []string
	port    int
	here    *strings.Replacer // the addresses of this test, for those of the page
	exports string            // what was exported in the terminal
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, folder: t.TempDir(), port: freeRun(t)}
	bin := filepath.Dir(harness.Binary(t))
	d.environ = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	own := harness.Port(t)
	d.here = strings.NewReplacer(
		"localhost:9000", fmt.Sprintf("localhost:%d", d.port),
		"localhost:9001", fmt.Sprintf("localhost:%d", d.port+1),
		"localhost:9002", fmt.Sprintf("localhost:%d", d.port+2),
		"localhost:9003", fmt.Sprintf("localhost:%d", d.port+3),
		"localhost:9100", fmt.Sprintf("localhost:%d", own),
		"go run ./hello", filepath.Join(d.folder, "hello", "hello"), // built where the page says to put them
		"go run ./agent", filepath.Join(d.folder, "agent", "agent"),
		"$ make build\n", "", // the binary is there
		`$ export PATH="$PWD/bin:$PATH"`+"\n", "",
	)
	return d
}

// freeRun finds four ports in a row.
func freeRun(t *testing.T) int {
	t.Helper()
	for range 100 {
		first := harness.Port(t)
		free := first+3 < 65536
		for port := first + 1; free && port <= first+3; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no four ports in a row are free")
	return 0
}

// write puts a block where the page says; a program is compiled, with the SDK of this checkout.
func (d *desk) write(b block) {
	d.t.Helper()
	path := filepath.Join(d.folder, b.file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(b.text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	if b.language != "go" {
		return
	}
	binary := filepath.Join(filepath.Dir(path), filepath.Base(filepath.Dir(path)))
	command := exec.CommandContext(d.t.Context(), "go", "build", "-o", binary, path)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		d.t.Fatalf("%s does not compile: %v\n%s", b.file, err, out)
	}
}

func (d *desk) typeIn(c typed) {
	d.t.Helper()
	switch {
	case c.command == "chancery dev":
		c.command = fmt.Sprintf("exec chancery dev --port %d", d.port)
		compare(d.t, c, d.keep(c.command, "Ctrl-C ends it."))
	case strings.HasSuffix(c.command, " &"):
		d.keep("exec "+strings.TrimSuffix(c.command, " &"), "")
	case strings.HasPrefix(c.command, "export "):
		d.exports += c.command + "\n"
	default:
		d.run(c)
	}
}

// start runs chancery dev without a word of the page.
func (d *desk) start() { d.keep(fmt.Sprintf("exec chancery dev --port %d", d.port), "Ctrl-C ends it.") }

// address is where one of the surroundings is: 0 authorization server, 1 IdP, 2 sample server.
func (d *desk) address(which int) string { return fmt.Sprintf("http://localhost:%d", d.port+which) }

func (d *desk) run(c typed) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", d.exports+c.command)
	command.Dir, command.Env = d.folder, d.environ
	out, err := command.CombinedOutput()
	if failed := err != nil; failed != c.fails() {
		d.t.Fatalf("$ %s\n%v\n%s", c.command, err, out)
	}
	compare(d.t, c, string(out))
}

// output is what a program in the background said so far.
type output struct {
	mu   sync.Mutex
	said bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said.String()
}

// keep runs a program until the test ends, and returns what it said up to a line.
func (d *desk) keep(line, until string) string {
	d.t.Helper()
	var said output
	command := exec.CommandContext(context.WithoutCancel(d.t.Context()), "bash", "-c", line)
	command.Dir, command.Env, command.Stdout, command.Stderr = d.folder, d.environ, &said, &said
	if err := command.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	})
	for deadline := time.Now().Add(time.Minute); !strings.Contains(said.String(), until); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("$ %s\n%s", line, said.String())
		}
	}
	return said.String()
}

// TestDevEnds: SIGINT drains and leaves no context behind; started again, without a word about addresses, it goes on.
func TestDevEnds(t *testing.T) {
	d := newDesk(t)
	place := filepath.Join(d.folder, ".chancery-dev", "context.json")
	for _, line := range []string{fmt.Sprintf("--port %d", d.port), "", "--output json"} {
		command := exec.CommandContext(t.Context(), harness.Binary(t), append([]string{"dev"}, strings.Fields(line)...)...)
		var said output
		command.Dir, command.Env, command.Stdout, command.Stderr = d.folder, d.environ, &said, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if _, err := os.Stat(place); err == nil && said.String() != "" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(said.String())
			}
		}
		if !strings.Contains(said.String(), fmt.Sprintf("http://localhost:%d", d.port)) {
			t.Errorf("dev %s says\n%s", line, said.String())
		}
		if err := command.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			t.Errorf("dev %s: %v\n%s", line, err, said.String())
		}
		if _, err := os.Stat(place); err == nil {
			t.Error("a context is left")
		}
	}
}

// TestExec: exec becomes the command: its arguments, its environment, its exit status, and the signals that it gets.
func TestExec(t *testing.T) {
	d := newDesk(t)
	d.start()
	sh := func(line string) (string, int) {
		t.Helper()
		command := exec.CommandContext(t.Context(), "bash", "-c", line)
		command.Dir, command.Env = d.folder, d.environ
		out, _ := command.CombinedOutput()
		return string(out), command.ProcessState.ExitCode()
	}
	if out, status := sh("chancery dev login alice"); status != 0 {
		t.Fatal(out)
	}
	t.Run("exit status", func(t *testing.T) {
		if out, status := sh("chancery exec -- sh -c 'exit 7'"); status != 7 {
			t.Error(status, out)
		}
	})
	t.Run("arguments and environment", func(t *testing.T) {
		out, status := sh(`CHANCERY_ADMIN_TOKEN=canary chancery exec --env T --header-env H -- sh -c 'tr "\0" " " </proc/$$/cmdline; echo "${T%%.*}|${H%% *}|$1|$CHANCERY_ADMIN_TOKEN|$CHANCERY_ACCESS_TOKEN"' x --flag`)
		if status != 0 || !strings.Contains(out, "|Bearer|--flag||\n") || !strings.Contains(out, "\neyJ") && !strings.Contains(out, " eyJ") {
			t.Error(status, out)
		}
		arguments, _, _ := strings.Cut(out, "eyJ")
		if strings.Contains(arguments, "eyJ") || strings.Contains(out, "canary") {
			t.Error(out)
		}
	})
	t.Run("standard input", func(t *testing.T) {
		if out, status := sh("echo piped | chancery exec -- cat"); status != 0 || out != "piped\n" {
			t.Error(status, out)
		}
	})
	t.Run("signals", func(t *testing.T) {
		command := exec.CommandContext(t.Context(), "chancery", "exec", "--", "sh", "-c", `trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done`)
		command.Path = harness.Binary(t)
		command.Err = nil
		var said output
		command.Dir, command.Env, command.Stdout, command.Stderr = d.folder, d.environ, &said, &said
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); !strings.Contains(said.String(), "ready"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal(said.String())
			}
		}
		if err := command.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = command.Wait()
		if command.ProcessState.ExitCode() != 5 || !strings.Contains(said.String(), "caught") {
			t.Error(command.ProcessState, said.String())
		}
	})
	t.Run("no token, no command", func(t *testing.T) {
		if out, status := sh("chancery dev login eve && chancery exec -- touch made; test ! -e made && echo untouched"); status != 0 || !strings.Contains(out, "policy_denied") || !strings.Contains(out, "untouched") {
			t.Error(status, out)
		}
	})
}
