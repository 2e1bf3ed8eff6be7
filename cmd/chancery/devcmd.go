package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

// envDevFolder names the folder of running surroundings, for who is elsewhere.
const envDevFolder = "CHANCERY_DEV_DIR"

const devWarning = "for development: whoever is on this machine signs in as anybody. Not for production."

const approveWarning = "AUTO-APPROVE: whoever asks from this machine is %s, and consent is given with nobody asked"

// devFlags are of dev itself.
type devFlags struct {
	folder    string
	ephemeral bool
	host      string
	port      int
	export    string
	approve   string
}

func (c *command) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Keep a whole company running on this machine, to build against",
		Long: `Run Chancery, a fake company IdP (alice may read, bob may write after a stronger sign-in, eve may do nothing) and a protected
MCP server, each on a loopback port of its own, until interrupted. Nobody is asked for a password: it listens on loopback only,
refuses anything else, and is not for production.

Keys, objects and addresses are kept in a folder and used again. While it runs, token, exec, dev login, dev issue and the commands
about records find it from the folder in which dev was started, or through ` + envDevFolder + `, with no flags. Neither a
configuration file nor the environment is read; --set changes what is not about where things are.

MCP hosts connect to the sample server with nothing set up: by metadata document, by registering themselves, or as the client
` + "`" + `mcp-host` + "`" + `. A person picks a name at the fake IdP and consents. With --auto-approve nobody is asked, so that programs go through:
that person is signed in at once, and consents to whatever answers to a program on this machine.

--export writes the objects of the running surroundings as files for apply, to begin a staging environment with: replace the IdP's
issuer, the resource's URI and the users. Secrets are in no export.`,
		Example: `  chancery dev
  chancery dev --port 9100 --dir ./state
  chancery dev --ephemeral --port 0 --output json
  chancery dev --set dpop.nonce=required
  chancery dev --ephemeral --auto-approve alice
  chancery dev --export staging/`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "keep nothing: a temporary folder")
	flags.StringVar(&f.host, "host", "", "name or address of this machine to listen on (default: what the folder has, else localhost)")
	flags.IntVar(&f.port, "port", -1, "port of the authorization server; the three after it are used too; 0 for free ones (default: what the folder has, else 9000)")
	flags.StringVar(&f.approve, "auto-approve", "", "sign in this person and consent for him with nobody asked, for programs: alice, bob or eve")
	flags.StringVar(&f.export, "export", "", "write the objects of the running surroundings into a folder, and end")
	_ = cmd.RegisterFlagCompletionFunc("auto-approve", cobra.FixedCompletions(devPeople(), cobra.ShellCompDirectiveNoFileComp)) // fails for an unknown flag alone
	cmd.PersistentFlags().StringVar(&f.folder, "dir", "", "folder of the surroundings ("+envDevFolder+"; default ./"+dev.DefaultFolder+")")
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		if f.export != "" {
			return c.exportDev(cmd.Context(), c.devFolder(f.folder), f.export)
		}
		return c.dev(cmd.Context(), f)
	}
	cmd.AddCommand(c.devLoginCommand(&f.folder), c.devIssueCommand(&f.folder))
	return cmd
}

// devFolder is what the flag says, else the environment, else the one here.
func (c *command) devFolder(flag string) string {
	if flag != "" {
		return flag
	}
	if named := c.env(envDevFolder); named != "" {
		return named
	}
	return dev.DefaultFolder
}

func (c *command) dev(ctx context.Context, f devFlags) error {
	settings, err := config.ParseSettings(c.settings)
	if err != nil {
		return err
	}
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	folder := c.devFolder(f.folder)
	if f.ephemeral {
		if f.folder != "" {
			return errors.New("--ephemeral keeps nothing: leave --dir out")
		}
		if folder, err = os.MkdirTemp("", "chancery-dev-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }()
	}
	world, err := dev.Start(ctx, dev.Options{
		Folder: folder, Host: f.host, Port: f.port, Users: dev.People(), Log: c.devLog(settings), Now: time.Now, Executable: executable, Settings: settings,
		AutoApprove: f.approve,
	})
	if err != nil {
		return fmt.Errorf("dev: %w", err)
	}
	if err := c.sayDev(world, f); err != nil {
		world.Close()
		return err
	}
	return world.Wait(ctx)
}

// devRecord is what dev says when it is ready.
type devRecord struct {
	Issuer   string `json:"issuer"`
	IdP      string `json:"idp"`
	Resource string `json:"resource"`
	AdminURL string `json:"admin_url"`
	Folder   string `json:"folder"`
	Warning  string `json:"warning"`

	AutoApprove string `json:"auto_approve,omitempty"`
}

func (c *command) sayDev(w *dev.World, f devFlags) error {
	record := devRecord{
		Issuer: w.Issuer, IdP: w.IdP.Issuer(), Resource: w.Resource, AdminURL: w.AdminURL, Folder: w.Folder(), Warning: devWarning, AutoApprove: f.approve,
	}
	return c.print(record, func(out io.Writer) error {
		warning := "Chancery " + devWarning
		if f.approve != "" {
			warning += "\n\n*** " + fmt.Sprintf(approveWarning, f.approve) + " ***"
		}
		kept := "kept; commands that are run here find it"
		if f.ephemeral {
			kept = "removed at the end; elsewhere: export " + envDevFolder + "=" + w.Folder()
		}
		_, err := fmt.Fprintf(out, `%s

  authorization server  %-27s fake IdP   %s (alice, bob, eve)
  sample MCP server     %-27s admin API  %s
  state                 %s (%s)

Next, in a second terminal:
  chancery dev login alice
  chancery token --explain
  chancery dev issue --user alice --break aud
  chancery get resources
  claude mcp add --transport http notes %s

Ctrl-C ends it.
`, warning, w.Issuer, w.IdP.Issuer(), w.Resource, w.AdminURL, visible(w.Folder()), kept, w.Resource)
		return err
	})
}

// devAdmin is a client of the running surroundings' admin API.
func devAdmin(found *dev.Context) (*client.Client, error) {
	token, err := found.AdminToken()
	if err != nil {
		return nil, err
	}
	return client.New(found.AdminURL, token, tenant.DefaultName, remoteHTTP())
}

// devAdminGiven is where running surroundings are asked, if nothing else says where the admin API is: "" where none run here.
func (c *command) devAdminGiven() (server string, token secret.Text, err error) {
	if c.configFile != "" {
		return "", secret.Text{}, nil
	}
	found, err := dev.Find(c.devFolder(""))
	if errors.Is(err, dev.ErrNotRunning) {
		return "", secret.Text{}, nil
	}
	if err != nil {
		return "", secret.Text{}, err
	}
	// Whoever has both here must not change the one and mean the other.
	if _, err := os.Lstat(initConfig); err == nil {
		return "", secret.Text{}, fmt.Errorf("chancery dev runs here, and there is a %s: say --config %s, or --server %s and --token-file", initConfig, initConfig, found.AdminURL)
	}
	token, err = found.AdminToken()
	return found.AdminURL, token, err
}

// devLoginPlaces are the admin API and the issuer of running surroundings, if nothing else says where they are.
func (c *command) devLoginPlaces() (server, issuer string, err error) {
	if server, _, err = c.devAdminGiven(); err != nil || server == "" {
		return "", "", err
	}
	found, err := dev.Find(c.devFolder(""))
	return server, found.Issuer, err
}

// exportDev writes the objects as files that apply reads.
func (c *command) exportDev(ctx context.Context, folder, into string) error {
	found, err := dev.Find(folder)
	if err != nil {
		return err
	}
	admin, err := devAdmin(found)
	if err != nil {
		return err
	}
	objects, err := admin.Export(ctx)
	if err != nil {
		return plainError(err)
	}
	byKind := map[string][]object.Object{}
	for _, o := range objects {
		name := strings.ToLower(string(o.Kind)) + ".yaml"
		byKind[name] = append(byKind[name], o)
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(byKind))
	for _, name := range names {
		path := filepath.Join(into, name)
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is there already, and is not overwritten", path)
		}
	}
	for _, name := range names {
		var text bytes.Buffer
		if err := object.Encode(&text, byKind[name], false); err != nil {
			return err
		}
		path := filepath.Join(into, name)
		f, err := newFile(path)
		if err != nil {
			return err
		}
		if err := finish(f, text.String()); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(c.stdout, visible(path))
	}
	return nil
}

// devLog is quiet unless it is told otherwise.
func (c *command) devLog(settings map[string]any) *slog.Logger {
	l := config.Log{Level: "warn", Format: "text"}
	if level, ok := settings["log.level"].(string); ok {
		l.Level = level
	}
	if format, ok := settings["log.format"].(string); ok {
		l.Format = format
	}
	return c.logger(l)
}
