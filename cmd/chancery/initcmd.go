package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault/keyring"
)

// Names of what init makes.
const (
	initConfig   = "chancery.yaml"
	initKeyring  = "keyring"
	initToken    = "admin-token"
	initDatabase = "chancery.db"
)

func (c *command) initCommand() *cobra.Command {
	var profile, out, publicURL string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented chancery.yaml, a keyring and a first admin credential",
		Long: `Write a commented chancery.yaml, the keyring that seals signing keys, and a first admin credential in a file that only you can read
(0600). Nothing that is there is overwritten. In profile regulated there is no such credential: people sign in, and objects come
from the configuration.

Keep the keyring: without it what the database holds sealed cannot be opened.`,
		Example: `  chancery init
  chancery init --profile production --public-url https://auth.acme.com --out /etc/chancery`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.initialise(config.Profile(profile), out, publicURL) },
	}
	cmd.Flags().StringVar(&profile, "profile", string(config.Dev), "dev, production or regulated")
	cmd.Flags().StringVar(&out, "out", ".", "folder to write into; made if it is not there")
	cmd.Flags().StringVar(&publicURL, "public-url", "", "the issuer, server.public_url (default: http://127.0.0.1:8080)")
	return cmd
}

// initialise makes the keyring first and the configuration last: what names the others is there when they are.
func (c *command) initialise(profile config.Profile, out, publicURL string) (err error) {
	folder, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	settings := map[string]any{
		"profile":            string(profile),
		"database.url":       "sqlite://" + filepath.ToSlash(filepath.Join(folder, initDatabase)),
		"vault.keyring.file": filepath.Join(folder, initKeyring),
	}
	if publicURL != "" {
		settings["server.public_url"] = publicURL
	}
	if profile != config.Regulated {
		settings["admin.token.file"] = filepath.Join(folder, initToken)
	}
	text, err := config.Template(settings) // refuses what serve would refuse
	if err != nil {
		return err
	}
	files := map[string]string{initConfig: string(text)}
	if profile != config.Regulated {
		token := make([]byte, 32)
		_, _ = rand.Read(token) // never fails (crypto/rand)
		files[initToken] = base64.RawURLEncoding.EncodeToString(token) + "\n"
	}
	if err := c.writeInit(folder, files); err != nil {
		return err
	}
	return c.sayInit(folder, profile, publicURL)
}

// writeInit makes all files or, where one is there already, none.
func (c *command) writeInit(folder string, files map[string]string) (err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, name := range []string{initConfig, initKeyring, initToken} {
		path := filepath.Join(folder, name)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is there already, and is not overwritten", path)
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	var made []string
	defer func() {
		if err != nil {
			for _, path := range made {
				_ = os.Remove(path)
			}
		}
	}()
	ring := filepath.Join(folder, initKeyring)
	if _, err := keyring.Create(ring, time.Now()); err != nil {
		return err
	}
	made = append(made, ring)
	for _, name := range []string{initToken, initConfig} {
		text, wanted := files[name]
		if !wanted {
			continue
		}
		path := filepath.Join(folder, name)
		f, err := newFile(path)
		if err != nil {
			return err
		}
		made = append(made, path)
		if err := finish(f, text); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) sayInit(folder string, profile config.Profile, publicURL string) error {
	path := func(name string) string { return filepath.Join(folder, name) }
	_, _ = fmt.Fprintf(c.stdout, "%s  the configuration (profile %s)\n%s  seals what is secret in the database; keep a copy elsewhere\n", path(initConfig), profile, path(initKeyring))
	if profile != config.Regulated {
		_, _ = fmt.Fprintf(c.stdout, "%s  the credential of the admin API\n", path(initToken))
	}
	if profile != config.Dev && publicURL == "" {
		_, _ = fmt.Fprintln(c.stderr, "warning: server.public_url is a loopback address; it is the issuer in every token: set it before anything else")
	}
	if profile == config.Regulated {
		_, _ = fmt.Fprintln(c.stderr, "warning: profile regulated wants policy.isolation: process, which this version does not serve, and will not start before it says in_process")
	}
	at := " --config " + path(initConfig)
	_, err := fmt.Fprintf(c.stdout, "\nNext:\n")
	if profile != config.Dev {
		_, err = fmt.Fprintf(c.stdout, "  chancery migrate up%s\n", at)
	}
	_, _ = fmt.Fprintf(c.stdout, "  chancery serve%s\n", at)
	if profile != config.Regulated {
		_, err = fmt.Fprintf(c.stdout, "  chancery apply%s -f objects/\n", at)
	}
	return err
}
