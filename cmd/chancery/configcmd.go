package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// loadConfig reads file, environment and --set, the strongest last.
func (c *command) loadConfig() (*config.Loaded, error) {
	flags, err := config.ParseSettings(c.settings)
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(config.Sources{File: c.configFile, Environ: c.environ, Flags: flags})
	if err == nil {
		assembly.UseVault(loaded, slog.New(slog.DiscardHandler), time.Now)
	}
	return loaded, err
}

func (c *command) configCommand() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "Check, explain and print the configuration"}
	parent.AddCommand(
		c.validateCommand(),
		&cobra.Command{
			Use: "explain KEY", Short: "Say what a setting means, what it is and where that came from", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error { return c.explainConfig(args[0]) },
		},
		&cobra.Command{
			Use: "effective", Short: "Print the merged configuration, secrets hidden", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				loaded, err := c.loadConfig()
				if err != nil {
					return err
				}
				text, err := loaded.Effective()
				if err != nil {
					return err
				}
				_, err = c.stdout.Write(text)
				return err
			},
		},
	)
	return parent
}

func (c *command) validateCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use: "validate", Short: "Check the configuration",
		Long: `Check the configuration. With --strict it must also be complete on this machine: every secret that it refers to is there, every file can
be read, the keyring opens, and outside profile dev the issuer is no loopback address. What is missing is named, all of it.`,
		Example: `  chancery config validate
  chancery config validate --strict --config /etc/chancery/chancery.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			loaded, err := c.loadConfig()
			if err != nil {
				return err
			}
			if strict {
				err = incomplete(loaded)
			}
			if err := errors.Join(loaded.Served(), err); err != nil {
				return err
			}
			from := loaded.Path
			if from == "" {
				from = "defaults and environment"
			}
			_, err = fmt.Fprintf(c.stdout, "%s: valid (profile %s)\n", from, loaded.Profile)
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "what it refers to must be there")
	return cmd
}

// incomplete names what has to be filled in before serve starts.
func incomplete(l *config.Loaded) error {
	var missing []error
	need := func(key string, err error) {
		if err != nil {
			missing = append(missing, fmt.Errorf("%s: %w", key, err))
		}
	}
	if l.Profile != config.Dev && strings.HasPrefix(l.Server.PublicURL, "http://") {
		need("server.public_url", errors.New("it is a loopback address; it is the issuer in every token"))
	}
	if url, err := l.Text(l.Database.URL); err != nil {
		need("database.url", err)
	} else if _, err := store.Held(url.Reveal()); errors.Is(err, store.ErrURL) {
		need("database.url", err)
	}
	if !l.Database.OwnerURL.IsZero() && l.Database.Migrate == "auto" {
		_, err := l.Text(l.Database.OwnerURL)
		need("database.owner_url", err)
	}
	if !l.Admin.Token.IsZero() && l.Origin("admin.token.env") != config.OriginDefault {
		_, err := l.Secret(l.Admin.Token)
		need("admin.token", err)
	}
	if l.Server.TLS.Cert != "" {
		_, err := tls.LoadX509KeyPair(l.Server.TLS.Cert, l.Server.TLS.Key)
		need("server.tls", err)
	}
	if l.Vault.Backend == config.BackendKeyring {
		if _, err := keyring.Load(l.Vault.Keyring.File); err != nil && l.Profile != config.Dev {
			need("vault.keyring.file", err)
		}
	}
	if l.Vault.Transit.Used() {
		need("vault.transit", assembly.CheckTransit(l))
	}
	for _, path := range l.Objects {
		_, err := os.Stat(path)
		need("objects", err)
	}
	if _, err := l.TelemetryHeader(); err != nil {
		missing = append(missing, err)
	}
	return errors.Join(missing...)
}

func (c *command) explainConfig(key string) error {
	loaded, err := c.loadConfig()
	if err != nil {
		return err
	}
	found, err := loaded.Explain(key)
	if err != nil {
		return err
	}
	for i, e := range found {
		if i > 0 {
			_, _ = fmt.Fprintln(c.stdout)
		}
		value := "(not set)"
		if e.Value != nil {
			value = fmt.Sprint(e.Value)
		}
		_, err = fmt.Fprintf(c.stdout, "%s\n  %s\n  type         %s\n  value        %s\n  from         %s\n  environment  %s\n", e.Key, e.Doc, e.Type, value, e.Origin, e.Env())
	}
	return err
}
