package cimd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// A place without a network has what was carried there, and nothing else.
func TestPreloaded(t *testing.T) {
	p, err := cimd.Preload(encode(t, members()))
	if err != nil {
		t.Fatal(err)
	}
	door := newWeb(func(string) (fetch.Response, error) { t.Error("fetched"); return fetch.Response{}, down() })
	for name, change := range map[string]func(*cimd.Config){
		"offline":        func(c *cimd.Config) { c.Offline = true },
		"without a door": func(c *cimd.Config) { c.Offline, c.Fetch = true, nil },
	} {
		s := source(t, door, newClock().Now, func(c *cimd.Config) { c.Preloaded = p }, change)
		get(t, s)
		other := "https://app.example.com/other.json"
		if _, err := s.Get(t.Context(), acme(), rules(), other); code(t, err) != oauth.CodeCIMDOffline {
			t.Errorf("%s: what is not there: %v", name, err)
		}
		// It stands for a fetch, and for nothing else.
		if _, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: cimd.ModeRegistered}, address); code(t, err) != oauth.CodeCIMDOff {
			t.Errorf("%s: mode registered: %v", name, err)
		}
		if _, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: cimd.ModeHosts}, address); code(t, err) != oauth.CodeCIMDHostUnlisted {
			t.Errorf("%s: no hosts: %v", name, err)
		}
	}
	// With a network it comes first.
	get(t, source(t, door, newClock().Now, func(c *cimd.Config) { c.Preloaded = p }))
}

func TestEgressDenied(t *testing.T) {
	s := source(t, fetch.New(fetch.Policy{Mode: "deny"}), newClock().Now)
	if _, err := s.Get(t.Context(), acme(), rules(), address); code(t, err) != oauth.CodeCIMDAddressRefused {
		t.Errorf("under egress.mode deny: %v", err)
	}
}

func TestPreloadFolder(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		write(fmt.Sprintf("%d.json", i), encode(t, with(members(), "client_id", fmt.Sprintf("https://app.example.com/c%d", i))))
	}
	write("README.md", []byte("not a document"))
	write(".hidden.json", []byte("not a document"))
	p, err := cimd.PreloadFolder(folder)
	if err != nil || p.Len() != 3 {
		t.Fatalf("%d documents, %v", p.Len(), err)
	}
	for name, content := range map[string][]byte{
		"not JSON":          []byte("hello"),
		"twice":             encode(t, with(members(), "client_id", "https://app.example.com/c1")),
		"invalid":           encode(t, without(members(), "redirect_uris")),
		"without client_id": encode(t, without(members(), "client_id")),
		"on loopback":       encode(t, with(members(), "client_id", "http://localhost/c")),
		"too large":         []byte(strings.Repeat(" ", cimd.MaxBytes+1)),
	} {
		write("z.json", content)
		p, err := cimd.PreloadFolder(folder)
		if err == nil || p.Len() != 0 {
			t.Errorf("%s: %d documents, %v", name, p.Len(), err)
		}
	}
	if err := os.Remove(filepath.Join(folder, "z.json")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cimd.PreloadFolder(folder); err == nil {
		t.Error("a pipe is a document")
	}
	if _, err := cimd.PreloadFolder(filepath.Join(folder, "nowhere")); err == nil {
		t.Error("a folder that is not there is empty")
	}
}
