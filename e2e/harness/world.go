package harness

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// Names in every world.
const (
	IdPName  = "okta"
	ClientID = "claude"
	Notes    = "https://mcp.acme.example/notes"
)

// Options describe a world. All may be absent.
type Options struct {
	Engine   Engine
	Replicas int                 // 1 when 0; more need PostgreSQL
	Config   map[string]any      // leaves of the configuration, over those of the harness
	Objects  string              // YAML, applied through the admin API; DefaultObjects when "". {{…}} as Fill says
	IdP      idptest.Options     // Audiences and Clients are added when absent
	DB       *Database           // a fresh one when nil
	Dial     func(string) string // changes the database URL of a replica: a proxy in front
	Env      []string
	Host     string // of the issuer; 127.0.0.1 when ""
	// Failpoints runs the binary that dies where World.DieAt says.
	Failpoints bool
}

// World is everything that a test runs on.
type World struct {
	Folder     string
	Issuer     string
	IdP        *idptest.Running
	DB         *Database
	Replicas   []*Process
	Secret     string // of client claude
	AdminToken string

	t           testing.TB
	environment []string
	objects     string
	binary      func(testing.TB) string
}

// Start starts a world and waits until every replica is ready.
func Start(t testing.TB, o Options) *World {
	t.Helper()
	w := Prepare(t, o)
	for i, p := range w.Replicas { // one after the other: the first one migrates
		p.start()
		p.WaitReady()
		if i == 0 {
			w.Apply(p, w.objects)
			w.Secret = w.NewSecret("", ClientID)
		}
	}
	return w
}

// Prepare writes everything that a start needs, and starts nothing but the IdP.
func Prepare(t testing.TB, o Options) *World {
	t.Helper()
	w := &World{t: t, Folder: t.TempDir(), DB: o.DB, AdminToken: rand.Text() + rand.Text(), environment: o.Env, binary: Binary}
	if o.Failpoints {
		w.binary = Mortal
		w.environment = append(slices.Clone(w.environment), failpointsVariable+"="+w.Folder)
	}
	if w.DB == nil {
		w.DB = NewDatabase(t, o.Engine)
	}
	ports := make([]int, max(1, o.Replicas))
	for i := range ports {
		ports[i] = Port(t)
	}
	w.Issuer = fmt.Sprintf("http://%s:%d", cmp.Or(o.Host, "127.0.0.1"), ports[0])
	w.startIdP(o.IdP)
	must(t, os.WriteFile(w.path("admin-token"), []byte(w.AdminToken+"\n"), 0o600))
	must(t, os.WriteFile(w.path(secretFile), []byte(SignInSecret+"\n"), 0o600))
	if w.objects = o.Objects; w.objects == "" {
		w.objects = DefaultObjects
	}
	for i, port := range ports {
		url := w.DB.URL
		if o.Dial != nil {
			url = o.Dial(url)
		}
		w.Replicas = append(w.Replicas, w.newProcess(i, port, url, o.Config))
	}
	return w
}

func (w *World) path(name string) string { return filepath.Join(w.Folder, name) }

func (w *World) startIdP(options idptest.Options) {
	if options.Audiences == nil {
		options.Audiences = []idptest.Audience{{Issuer: w.Issuer, Resources: []string{Notes}, Scopes: []string{"notes:read", "notes:write"}}}
	}
	if options.Clients == nil {
		options.Clients = []idptest.Client{{ID: ClientID, Secret: "at-the-idp", RedirectURIs: []string{"http://127.0.0.1/callback"}}}
	}
	options.Clients = append(slices.Clone(options.Clients), w.signInClient())
	w.IdP = idptest.Start(w.t, options)
}

// newProcess writes the configuration of a replica.
func (w *World) newProcess(i, port int, databaseURL string, changes map[string]any) *Process {
	w.t.Helper()
	admin, given := changes["admin.listen"].(string) // of one replica alone
	if !given {
		admin = fmt.Sprintf("127.0.0.1:%d", Port(w.t))
	}
	leaves := map[string]any{
		"profile":                 "dev",
		"server.public_url":       w.Issuer,
		"server.listen":           fmt.Sprintf("127.0.0.1:%d", port),
		"admin.listen":            admin,
		"admin.token":             map[string]any{"file": w.path("admin-token")},
		"admin.secret_references": []string{"file:" + w.path(secretFile), "env:" + ProviderSecret},
		"database.url":            databaseURL,
		"database.migrate":        "auto",
		"vault.keyring.file":      w.path("keyring"),
		"audit.checkpoint_every":  "1s",
		"log.level":               "debug",
	}
	if w.DB.OwnerURL != "" {
		leaves["database.owner_url"] = w.DB.OwnerURL
	}
	maps.Copy(leaves, changes)
	p := &Process{t: w.t, world: w, Base: fmt.Sprintf("http://127.0.0.1:%d", port), log: &buffer{}, config: w.path(fmt.Sprintf("chancery-%d.yaml", i)), ended: make(chan struct{})}
	close(p.ended) // nothing runs yet
	must(w.t, os.WriteFile(p.config, tree(w.t, leaves), 0o600))
	if strings.HasPrefix(admin, "127.0.0.1:") { // nobody sends a credential anywhere else in the clear; nor does a server start there
		p.connect("http://"+admin, w.AdminToken)
	}
	w.t.Cleanup(p.close)
	return p
}

// tree writes dotted leaves as a nested document; JSON is YAML. A nil leaf is left out.
func tree(t testing.TB, leaves map[string]any) []byte {
	t.Helper()
	document := map[string]any{}
	for name, value := range leaves {
		if value == nil {
			continue
		}
		at := document
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			next, ok := at[part].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[part] = next
			}
			at = next
		}
		at[parts[len(parts)-1]] = value
	}
	encoded, err := json.MarshalIndent(document, "", "  ")
	must(t, err)
	return encoded
}

// Fill replaces what a world alone knows in the text of objects.
func (w *World) Fill(text string) string {
	return strings.NewReplacer(
		"{{issuer}}", w.Issuer, "{{idp}}", w.IdP.Issuer(), "{{keys}}", string(w.IdP.Keys()), "{{folder}}", w.Folder,
	).Replace(text)
}

// Server is the first replica.
func (w *World) Server() *Process { return w.Replicas[0] }

// Objects decodes YAML.
func (w *World) Objects(yaml string) []object.Object {
	w.t.Helper()
	objects, err := object.Decode(strings.NewReader(w.Fill(yaml)), object.Options{})
	must(w.t, err)
	return objects
}

// Apply makes objects so through a replica's admin API; the answer has come when it returns.
func (w *World) Apply(p *Process, yaml string) {
	w.t.Helper()
	if err := w.TryApply(p, yaml); err != nil {
		w.t.Fatal(err)
	}
}

// TryApply is Apply for what may be refused.
func (w *World) TryApply(p *Process, yaml string) error {
	w.t.Helper()
	_, err := p.Admin.ApplyAll(w.t.Context(), w.Objects(yaml), client.ApplyOptions{})
	return err
}

// NewSecret has a secret made for a client and returns it.
func (w *World) NewSecret(tenant, name string) string {
	w.t.Helper()
	admin := w.Server().Admin
	if tenant != "" {
		admin = admin.Tenant(tenant)
	}
	made, err := admin.AddSecret(w.t.Context(), name)
	must(w.t, err)
	return made.Text.Reveal()
}

// Output is what a command said.
type Output struct {
	Status         int
	Stdout, Stderr string
}

func (o Output) String() string { return fmt.Sprintf("exit %d: %s%s", o.Status, o.Stdout, o.Stderr) }

// Run runs a command of the binary with the configuration of the first replica.
func (w *World) Run(arguments ...string) Output {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	binary := w.binary(w.t)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience) // a command that serves instead of refusing ends here
	defer cancel()
	command := exec.CommandContext(ctx, binary, append(arguments, "--config", w.Server().config)...)
	command.Env = append(command.Environ(), w.environment...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil && command.ProcessState == nil {
		w.t.Fatal(err)
	}
	return Output{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func randomUint16() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint16(b[:])
}
