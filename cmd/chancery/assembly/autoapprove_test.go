package assembly_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// TestAutoApproveIsForLoopback: nothing else assembles with it, whoever asks.
func TestAutoApproveIsForLoopback(t *testing.T) {
	options := func(t *testing.T) assembly.Options {
		t.Helper()
		folder := t.TempDir()
		loaded, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]any{
			"profile": string(config.Dev), "server.public_url": "http://127.0.0.1:8080", "server.listen": "127.0.0.1:0", "admin.listen": "127.0.0.1:0",
			"database.url": "sqlite://" + filepath.Join(folder, "chancery.db"), "vault.keyring.file": filepath.Join(folder, "keyring"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		return assembly.Options{
			Config: loaded, Log: slog.New(slog.DiscardHandler), Now: time.Now, DevDocuments: true, AutoApprove: "alice@acme.com",
		}
	}
	for name, c := range map[string]struct {
		change func(*assembly.Options)
		ok     bool
	}{
		"development on loopback":  {func(*assembly.Options) {}, true},
		"by name":                  {func(o *assembly.Options) { o.Config.Server.PublicURL = "http://localhost:8080" }, true},
		"production":               {func(o *assembly.Options) { o.Config.Profile = config.Production }, false},
		"regulated":                {func(o *assembly.Options) { o.Config.Profile = config.Regulated }, false},
		"no profile":               {func(o *assembly.Options) { o.Config.Profile = "" }, false},
		"not dev":                  {func(o *assembly.Options) { o.DevDocuments = false }, false},
		"a public name":            {func(o *assembly.Options) { o.Config.Server.PublicURL = "https://auth.acme.com" }, false},
		"a name like ours":         {func(o *assembly.Options) { o.Config.Server.PublicURL = "http://localhost.acme.com:8080" }, false},
		"no public name":           {func(o *assembly.Options) { o.Config.Server.PublicURL = "" }, false},
		"every address":            {func(o *assembly.Options) { o.Config.Server.Listen = ":8080" }, false},
		"every address, said":      {func(o *assembly.Options) { o.Config.Server.Listen = "0.0.0.0:8080" }, false},
		"a network":                {func(o *assembly.Options) { o.Config.Server.Listen = "10.0.0.1:8080" }, false},
		"the admin API elsewhere":  {func(o *assembly.Options) { o.Config.Admin.Listen = "[::]:8081" }, false},
		"what cannot be an origin": {func(o *assembly.Options) { o.Config.Server.PublicURL = "http://%" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			c.change(&o)
			s, err := assembly.New(t.Context(), o)
			if err == nil {
				if err := s.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if refused := err != nil && strings.Contains(err.Error(), "loopback only"); refused == c.ok || c.ok && err != nil {
				t.Error(err)
			}
		})
	}
}
