package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
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
	initUnit     = "chancery.service"
	initDatabase = "chancery.db"
)

// Environment variables that hold the database's URLs where it is PostgreSQL: they have passwords.
const (
	envDatabaseURL = "CHANCERY_DATABASE_URL"
	envOwnerURL    = "CHANCERY_DATABASE_OWNER_URL"
)

// initFlags say what is made.
type initFlags struct {
	profile, out, publicURL, database string
	force                             bool
}

func (c *command) initCommand() *cobra.Command {
	var f initFlags
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented chancery.yaml, a keyring, a first admin credential and a systemd unit",
		Long: `Write a commented chancery.yaml, the keyring that seals signing keys, and a first admin credential in a file that only you can read
(0600); in profiles production and regulated a systemd unit too. In profile regulated there is no such credential: people sign in, and
objects come from the configuration; egress.mode is deny.

Nothing that is there is overwritten, and nothing is left half-made. With --force the configuration and the unit are written anew; a
keyring and a credential that are there are kept, always.

With --database postgres the URLs come from the environment (` + envDatabaseURL + ` and, for migrate, ` + envOwnerURL + `): they hold
passwords. "chancery config validate --strict" names what is still to be filled in.

Keep the keyring: without it what the database holds sealed cannot be opened.`,
		Example: `  chancery init
  chancery init --profile production --database postgres --public-url https://auth.acme.com --out /etc/chancery`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return c.initialise(f) },
	}
	cmd.Flags().StringVar(&f.profile, "profile", string(config.Dev), "dev, production or regulated")
	cmd.Flags().StringVar(&f.out, "out", ".", "folder to write into; made if it is not there")
	cmd.Flags().StringVar(&f.publicURL, "public-url", "", "the issuer, server.public_url (default: http://127.0.0.1:8080)")
	cmd.Flags().StringVar(&f.database, "database", "sqlite", "sqlite, in the folder, or postgres, by the environment")
	cmd.Flags().BoolVar(&f.force, "force", false, "write configuration and unit anew; keyring and credential are kept")
	return cmd
}

// initialise makes the keyring first and the configuration last: what names the others is there when they are.
func (c *command) initialise(f initFlags) error {
	folder, err := filepath.Abs(f.out)
	if err != nil {
		return err
	}
	settings, err := f.settings(folder)
	if err != nil {
		return err
	}
	text, err := config.Template(settings) // refuses what serve would refuse
	if err != nil {
		return err
	}
	profile := config.Profile(f.profile)
	if profile != config.Dev && strings.ContainsFunc(folder, notUnitPath) {
		return errors.New("--out: a systemd unit is written that names this folder: letters, digits and / . _ - + @ : , are expected in its path")
	}
	files := []initFile{{name: initConfig, text: string(text), anew: f.force}}
	if profile != config.Dev {
		files = append(files, initFile{name: initUnit, text: unitFor(folder, f.database), anew: f.force})
	}
	if profile != config.Regulated {
		token := make([]byte, 32)
		_, _ = rand.Read(token) // never fails (crypto/rand)
		files = append(files, initFile{name: initToken, text: base64.RawURLEncoding.EncodeToString(token) + "\n", keep: f.force})
	}
	if err := writeInit(folder, files, f.force); err != nil {
		return err
	}
	return c.sayInit(folder, f)
}

func (f initFlags) settings(folder string) (map[string]any, error) {
	settings := map[string]any{"profile": f.profile, "vault.keyring.file": filepath.Join(folder, initKeyring)}
	switch f.database {
	case "sqlite":
		settings["database.url"] = "sqlite://" + filepath.ToSlash(filepath.Join(folder, initDatabase))
	case "postgres":
		settings["database.url.env"], settings["database.owner_url.env"] = envDatabaseURL, envOwnerURL
	default:
		return nil, fmt.Errorf("--database: sqlite or postgres is expected; a URL with its password belongs into %s", envDatabaseURL)
	}
	if f.publicURL != "" {
		settings["server.public_url"] = f.publicURL
	}
	if profile := config.Profile(f.profile); profile != config.Regulated {
		settings["admin.token.file"] = filepath.Join(folder, initToken)
	} else {
		settings["egress.mode"] = "deny"
	}
	return settings, nil
}

// initFile is one of the files that init makes.
type initFile struct {
	name, text string
	anew       bool // takes the place of one that is there
	keep       bool // one that is there stays
}

// writeInit makes all files or none: each is written beside its place, and only when all are they get their names.
func writeInit(folder string, files []initFile, force bool) (err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	about, err := os.Stat(folder)
	if err != nil {
		return err
	}
	if about.Mode().Perm()&0o002 != 0 { // who may write there may put another keyring in its place
		return fmt.Errorf("%s: everybody may write there (mode %04o): chmod o-w it, or say another --out", folder, about.Mode().Perm())
	}
	ring := filepath.Join(folder, initKeyring)
	hasRing, err := there(ring)
	if err != nil {
		return err
	}
	if hasRing && !force {
		return alreadyThere(ring)
	}
	var wanted []initFile
	for _, f := range files {
		found, err := there(filepath.Join(folder, f.name))
		switch {
		case err != nil:
			return err
		case found && f.keep:
			continue
		case found && !f.anew:
			return alreadyThere(filepath.Join(folder, f.name))
		}
		wanted = append(wanted, f)
	}
	var made []string
	defer func() {
		if err != nil {
			for _, path := range made {
				_ = os.Remove(path)
			}
		}
	}()
	for _, f := range wanted {
		path := filepath.Join(folder, "."+f.name+".new")
		_ = os.Remove(path) // of one that was interrupted
		opened, err := newFile(path)
		if err != nil {
			return err
		}
		made = append(made, path)
		if err := finish(opened, f.text); err != nil {
			return err
		}
	}
	if !hasRing {
		if _, err := keyring.Create(ring, time.Now()); err != nil {
			return err
		}
		made = append(made, ring)
	}
	for _, f := range slices.Backward(wanted) { // the configuration last
		from, to := filepath.Join(folder, "."+f.name+".new"), filepath.Join(folder, f.name)
		place := os.Link // fails where something is
		if f.anew {
			place = os.Rename
		}
		if err := place(from, to); err != nil {
			return err
		}
		if !f.anew {
			made = append(made, to)
			if err := os.Remove(from); err != nil {
				return err
			}
		}
	}
	return nil
}

func there(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func alreadyThere(path string) error {
	return fmt.Errorf("%s is there already, and is not overwritten", path)
}

func (c *command) sayInit(folder string, f initFlags) error {
	profile := config.Profile(f.profile)
	path := func(name string) string { return filepath.Join(folder, name) }
	made := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(made, "%s\tthe configuration (profile %s)\n%s\tseals what is secret in the database; keep a copy elsewhere\n", path(initConfig), profile, path(initKeyring))
	if profile != config.Regulated {
		_, _ = fmt.Fprintf(made, "%s\tthe credential of the admin API\n", path(initToken))
	}
	if profile != config.Dev {
		_, _ = fmt.Fprintf(made, "%s\tfor systemd; the files belong to its user then: chown -R chancery: %s\n", path(initUnit), folder)
	}
	_ = made.Flush()
	if profile != config.Dev && f.publicURL == "" {
		_, _ = fmt.Fprintln(c.stderr, "warning: server.public_url is a loopback address; it is the issuer in every token: set it before anything else")
	}
	at := " --config " + path(initConfig)
	_, err := fmt.Fprintf(c.stdout, "\nNext:\n")
	if f.database == "postgres" {
		_, _ = fmt.Fprintf(c.stdout, "  export %s=… %s=…     docs/operations.md says how to make the roles\n", envDatabaseURL, envOwnerURL)
	}
	if profile != config.Dev {
		_, _ = fmt.Fprintf(c.stdout, "  chancery config validate --strict%s\n", at)
		_, err = fmt.Fprintf(c.stdout, "  chancery migrate up%s\n", at)
	}
	_, _ = fmt.Fprintf(c.stdout, "  chancery serve%s\n", at)
	if profile != config.Dev {
		_, _ = fmt.Fprintf(c.stdout, "  chancery doctor%s\n", at)
	}
	if profile != config.Regulated {
		_, err = fmt.Fprintf(c.stdout, "  chancery apply%s -f objects/\n", at)
	}
	return err
}
