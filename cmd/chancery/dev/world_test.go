package dev_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

func start(t *testing.T, o dev.Options) *dev.World {
	t.Helper()
	o.Users, o.Log, o.Now = dev.People(), slog.New(slog.DiscardHandler), time.Now
	if o.Folder == "" {
		o.Folder = t.TempDir()
	}
	w, err := dev.Start(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func find(t *testing.T, folder string) *dev.Context {
	t.Helper()
	c, err := dev.Find(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryBreak: each is answered as it must be, and so is an assertion that nobody broke.
func TestEveryBreak(t *testing.T) {
	w := start(t, dev.Options{})
	c := find(t, w.Folder())
	client := &http.Client{Transport: dev.Direct(), Timeout: 10 * time.Second}
	present := func(t *testing.T, i dev.Issue) dev.Answer {
		t.Helper()
		assertion, err := c.Assertion(i)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.Present(t.Context(), client, assertion)
		if err == nil && i.Break != nil && i.Break.Twice {
			answer, err = c.Present(t.Context(), client, assertion)
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if a := present(t, dev.Issue{User: "alice"}); !a.As(nil) || a.Scope != dev.ScopeRead {
		t.Errorf("%+v", a)
	}
	if a := present(t, dev.Issue{User: "bob"}); a.Code != "step_up_required" {
		t.Errorf("%+v", a)
	}
	if a := present(t, dev.Issue{User: "bob", ACR: dev.StrongSignIn}); !a.As(nil) || !strings.Contains(a.Scope, dev.ScopeWrite) {
		t.Errorf("%+v", a)
	}
	if a := present(t, dev.Issue{User: "eve"}); a.Code != "policy_denied" {
		t.Errorf("%+v", a)
	}
	for _, b := range dev.Breaks() {
		t.Run(b.Name, func(t *testing.T) {
			if a := present(t, dev.Issue{User: "alice", Break: &b}); !a.As(&b) || a.Trace == "" {
				t.Errorf("%+v, want %s %s", a, b.Error, b.Code)
			}
		})
	}
	if _, err := c.Assertion(dev.Issue{User: "mallory"}); err == nil {
		t.Error("a stranger gets an assertion")
	}
}

// TestNamesOfBreaks: the names that the documentation uses are there, once each.
func TestNamesOfBreaks(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range dev.Breaks() {
		if seen[b.Name] {
			t.Errorf("%s twice", b.Name)
		}
		seen[b.Name] = true
	}
	for _, name := range []string{"aud", "typ", "jti", "client_id", "expired", "iss", "signature", "exp", "scope", "cnf"} {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if _, err := dev.BreakNamed("nonsense"); err == nil || !strings.Contains(err.Error(), "--list") {
		t.Error(err)
	}
}

// TestRestart: addresses, secrets, the IdP's key and changed objects are those of before.
func TestRestart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state")
	first := start(t, dev.Options{Folder: folder})
	before := find(t, folder)
	if _, err := first.Admin.Delete(t.Context(), "User", "eve", false); err != nil {
		t.Fatal(err)
	}
	secretText := first.ClientSecret.Reveal()
	kid := first.IdP.Keys()
	certificate := readFile(t, filepath.Join(folder, "idp.crt"))
	first.Close()
	if _, err := dev.Find(folder); !errors.Is(err, dev.ErrNotRunning) {
		t.Errorf("after the end: %v", err)
	}
	second := start(t, dev.Options{Folder: folder, Port: -1})
	after := find(t, folder)
	if before.Issuer != after.Issuer || before.Resource != after.Resource || before.IdP != after.IdP || before.AdminURL != after.AdminURL {
		t.Errorf("%+v, before %+v", after, before)
	}
	if second.ClientSecret.Reveal() != secretText || string(second.IdP.Keys()) != string(kid) {
		t.Error("a secret or the IdP's key is another one")
	}
	if readFile(t, filepath.Join(folder, "idp.crt")) != certificate {
		t.Error("the certificate that an object names is another one")
	}
	if _, err := second.Admin.Get(t.Context(), "User", "eve"); err == nil {
		t.Error("what was deleted is there again")
	}
	if _, err := second.Admin.Get(t.Context(), "User", "alice"); err != nil {
		t.Error(err)
	}
	second.Close()
	_, err := dev.Start(t.Context(), dev.Options{Folder: folder, Port: 9, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), before.Issuer) {
		t.Errorf("another port for the same objects: %v", err)
	}
}

func TestFilesAreTheOwners(t *testing.T) {
	w := start(t, dev.Options{})
	entries, err := os.ReadDir(w.Folder())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Name(), "chancery.db") { // the folder guards it
			continue
		}
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if err := os.Chmod(filepath.Join(w.Folder(), "context.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := dev.Find(w.Folder()); err == nil || errors.Is(err, dev.ErrNotRunning) {
		t.Errorf("a context that others could have written: %v", err)
	}
}

// TestFilesOfOthers: what is believed is a file of ours.
func TestFilesOfOthers(t *testing.T) {
	good := `{"issuer":"http://localhost","resource":"http://localhost:1/mcp","admin_url":"http://localhost:2","idp":{"issuer":"http://localhost:3"}}`
	write := func(t *testing.T, folder, name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, arrange := range map[string]func(t *testing.T, folder string) error{
		"a link": func(t *testing.T, folder string) error {
			return os.Symlink(write(t, folder, "x", good), filepath.Join(folder, "context.json"))
		},
		"a folder": func(_ *testing.T, folder string) error { return os.Mkdir(filepath.Join(folder, "context.json"), 0o700) },
		"a pipe": func(_ *testing.T, folder string) error {
			return syscall.Mkfifo(filepath.Join(folder, "context.json"), 0o600)
		},
		"too large": func(t *testing.T, folder string) error {
			write(t, folder, "context.json", good+strings.Repeat(" ", 64<<10))
			return nil
		},
		"open to the group": func(t *testing.T, folder string) error {
			return os.Chmod(write(t, folder, "context.json", good), 0o640)
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := arrange(t, folder); err != nil {
				t.Fatal(err)
			}
			if _, err := dev.Find(folder); err == nil || errors.Is(err, dev.ErrNotRunning) {
				t.Error(err)
			}
		})
	}
	folder := t.TempDir()
	write(t, folder, "context.json", good)
	if _, err := dev.Find(folder); err != nil {
		t.Error(err)
	}
}

// TestContextOfElsewhere: a context may name this machine only.
func TestContextOfElsewhere(t *testing.T) {
	for name, text := range map[string]string{
		"another machine": `{"issuer":"http://auth.example","resource":"http://localhost:1/mcp","admin_url":"http://localhost:2","idp":{"issuer":"http://localhost:3"}}`,
		"https":           `{"issuer":"https://localhost","resource":"http://localhost:1/mcp","admin_url":"http://localhost:2","idp":{"issuer":"http://localhost:3"}}`,
		"no admin":        `{"issuer":"http://localhost","resource":"http://localhost:1/mcp","idp":{"issuer":"http://localhost:3"}}`,
		"unknown member":  `{"issuer":"http://localhost","extra":1}`,
		"damaged":         `{`,
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "context.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := dev.Find(folder); err == nil || errors.Is(err, dev.ErrNotRunning) {
				t.Error(err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    dev.Options
		want string
	}{
		"port taken":       {dev.Options{Port: number}, "port " + port + " is taken"},
		"every address":    {dev.Options{Host: "0.0.0.0"}, "not loopback"},
		"a name":           {dev.Options{Host: "dev.example"}, "not loopback"},
		"another machine":  {dev.Options{Host: "192.0.2.1"}, "not loopback"},
		"beyond the ports": {dev.Options{Port: 65533}, "65532"},
		"another place":    {dev.Options{Settings: map[string]any{"server.listen": "0.0.0.0:9000"}}, "dev decides that itself"},
		"another database": {dev.Options{Settings: map[string]any{"database.url": "sqlite:///tmp/x"}}, "dev decides that itself"},
		"a wrong setting":  {dev.Options{Settings: map[string]any{"keys.algorithm": "none"}}, "keys.algorithm"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Folder, c.o.Log, c.o.Now = t.TempDir(), slog.New(slog.DiscardHandler), time.Now
			w, err := dev.Start(t.Context(), c.o)
			if err == nil {
				w.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if _, err := dev.Find(c.o.Folder); !errors.Is(err, dev.ErrNotRunning) {
				t.Errorf("a context is left: %v", err)
			}
		})
	}
}

// TestLocalhostIsOursAlone: both families answer, and who holds one of them stops the start.
func TestLocalhostIsOursAlone(t *testing.T) {
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return // this machine has one family only
	}
	address, ok := probe.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal(probe.Addr())
	}
	o := dev.Options{Folder: t.TempDir(), Port: address.Port, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	if w, err := dev.Start(t.Context(), o); err == nil {
		w.Close()
		t.Error("somebody else answers at [::1]")
	}
	probe.Close()
	w := start(t, dev.Options{})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(w.Issuer, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		response, err := http.Get("http://" + host + ":" + port + "/readyz")
		if err != nil {
			t.Error(err)
			continue
		}
		response.Body.Close()
	}
}
