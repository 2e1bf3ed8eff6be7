package dev_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

// A web page whose name was pointed at this machine (DNS rebinding) is of the same origin as what answers it: neither the
// IdP, which asks for no password, nor the sample server does.
func TestOtherHostsAreRefused(t *testing.T) {
	w := start(t, dev.Options{})
	client := &http.Client{Transport: dev.Direct()}
	for name, address := range map[string]string{
		"IdP": w.Context.IdP.Issuer + "/.well-known/openid-configuration", "sample server": w.Resource,
	} {
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		for host, refused := range map[string]bool{
			at.Host: false, "127.0.0.1:" + at.Port(): false, "[::1]:" + at.Port(): false,
			"evil.example:" + at.Port(): true, "evil.example": true, "localhost.evil.example": true, "127.0.0.1.evil.example": true,
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if got := response.StatusCode == http.StatusMisdirectedRequest; got != refused {
				t.Errorf("%s, Host %s: %d", name, host, response.StatusCode)
			}
		}
	}
}

// What is kept would be others' to replace in a folder that they may write in.
func TestFolderThatOthersMayWriteIn(t *testing.T) {
	for name, place := range map[string]func(path string) error{
		"open":   func(path string) error { return os.Mkdir(path, 0o700) },
		"a link": func(path string) error { return os.Symlink(t.TempDir(), path) },
		"a file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state")
			if err := place(path); err != nil {
				t.Fatal(err)
			}
			if name == "open" {
				if err := os.Chmod(path, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			w, err := dev.Start(t.Context(), dev.Options{Folder: path, Users: dev.People(), Log: slog.New(slog.DiscardHandler), Now: time.Now})
			if err == nil {
				w.Close()
			}
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Error(err)
			}
		})
	}
}
