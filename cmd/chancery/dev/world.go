package dev

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// RedirectURI is the agent's at the IdP. Nothing listens there: the code is read from the redirect.
const RedirectURI = "http://127.0.0.1/callback"

// Options say where the surroundings are. Folder, Log and Now are required.
type Options struct {
	Folder string // made if it is not there; what it keeps is used again
	Host   string // "" for the folder's, else localhost
	Port   int    // of the authorization server, the three after it are used too; 0 for free ones, -1 for the folder's, else DefaultPort
	Users  []idptest.User
	Log    *slog.Logger
	Now    func() time.Time
	// Executable is the binary that becomes the child in which policies are checked; empty checks in process.
	Executable string
	// Settings are of the configuration, by key; what the surroundings decide themselves is refused.
	Settings map[string]any
	// AutoApprove names the one of Users who signs in and consents by himself, for programs; "" nobody.
	AutoApprove string
}

// World is the surroundings, running.
type World struct {
	Context

	IdP          *idptest.IdP
	GitHub       *providertest.Server
	Admin        *client.Client
	ClientSecret secret.Text

	options Options
	company *company
	server  *assembly.Server
	stop    []func()
}

// Start runs everything, or nothing.
func Start(ctx context.Context, o Options) (*World, error) {
	w := &World{options: o, Context: Context{folder: o.Folder, Process: os.Getpid()}}
	if err := w.start(ctx); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *World) start(ctx context.Context) error {
	if err := settingsAllowed(w.options.Settings); err != nil {
		return err
	}
	approved, err := approver(w.options.AutoApprove, w.options.Users)
	if err != nil {
		return err
	}
	if err := makeFolder(w.folder); err != nil {
		return err
	}
	listeners, err := w.listen(ctx)
	if err != nil {
		return err
	}
	public, idp, notes, admin := listeners[0], listeners[1], listeners[2], listeners[3]
	if w.company, err = openCompany(w.folder, w.options.Now()); err != nil {
		return err
	}
	if err := w.startGitHub(); err != nil {
		return err
	}
	if err := w.startChancery(ctx, public, admin, approved.Email); err != nil {
		return err
	}
	if err := w.firstObjects(ctx); err != nil {
		return err
	}
	if err := w.applyGitHub(ctx); err != nil {
		return err
	}
	if err := w.startIdP(idp); err != nil {
		return err
	}
	if err := w.startNotes(notes); err != nil {
		return err
	}
	w.stop = append(w.stop, w.remove)
	return w.write()
}

// makeFolder: what is in one that is made is for its owner, and for no version control.
func makeFolder(path string) error {
	switch info, err := os.Lstat(path); {
	case err == nil:
		return checkFolder(path, info)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return writePrivate(filepath.Join(path, ".gitignore"), []byte("*\n"))
}

// listen opens the ports and says what is where.
func (w *World) listen(ctx context.Context) ([]net.Listener, error) {
	kept, err := w.keptPlace()
	if err != nil {
		return nil, err
	}
	at, err := placeFor(kept, w.options.Host, w.options.Port)
	if err != nil {
		return nil, err
	}
	listeners, err := at.listenAll(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range listeners {
		w.stop = append(w.stop, func() { _ = l.Close() })
	}
	origin := func(i int) string { return "http://" + net.JoinHostPort(at.Host, strconv.Itoa(at.Ports[i])) }
	w.Issuer, w.Resource, w.AdminURL = origin(0), origin(2)+"/mcp", origin(3)
	w.Context.IdP = ContextIdP{Name: IdPName, Issuer: origin(1), ClientID: IdPAgentID}
	w.Client = ContextAgent{ID: AgentID}
	return listeners, writeJSON(filepath.Join(w.folder, filePlace), at)
}

func (w *World) keptPlace() (*place, error) {
	path := filepath.Join(w.folder, filePlace)
	text, err := readPrivate(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p place
	if err := strictly(path, text, &p); err != nil {
		return nil, err
	}
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &p, nil
}

// serve answers on a listener until the surroundings end.
func (w *World) serve(l net.Listener, h http.Handler) {
	server := &http.Server{Handler: onlyHere(h), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l) // ends with ErrServerClosed
	}()
	w.stop = append(w.stop, func() { _ = server.Close(); <-done })
}

func (w *World) startNotes(l net.Listener) error {
	n, err := newNotes(w.Issuer, w.Resource, w.options.Now)
	if err != nil {
		return err
	}
	w.serve(l, n.handler())
	return nil
}

// settable begin the keys that may be set; where things are is not among them.
var settable = []string{"audit.checkpoint_every", "decisions.", "dpop.", "keys.algorithm", "keys.rotate_every", "limits.", "log.", "policy.", "server.cors_origins", "telemetry."}

func settingsAllowed(settings map[string]any) error {
	for key := range settings {
		if !slices.ContainsFunc(settable, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			return fmt.Errorf("--set %s: dev decides that itself; %s may be set", key, strings.Join(settable, ", "))
		}
	}
	return nil
}

func (w *World) startChancery(ctx context.Context, public, admin net.Listener, autoApprove string) error {
	token, err := keptSecret(filepath.Join(w.folder, fileAdmin))
	if err != nil {
		return err
	}
	folder, err := filepath.Abs(w.folder)
	if err != nil {
		return err
	}
	settings := map[string]any{
		"audit.checkpoint_every": "1s",
		"log.format":             "text",
		"log.level":              "warn",
		"server.cors_origins":    []string{"http://localhost:6274", "http://127.0.0.1:6274"}, // MCP Inspector asks from a page
	}
	maps.Copy(settings, w.options.Settings)
	maps.Copy(settings, map[string]any{
		"profile":            string(config.Dev),
		"server.public_url":  w.Issuer,
		"server.listen":      public.Addr().String(),
		"admin.listen":       admin.Addr().String(),
		"admin.public_url":   w.AdminURL, // people may come in, once there are a Resource and RoleBindings for it
		"admin.token.file":   filepath.Join(folder, fileAdmin),
		"database.url":       "sqlite://" + filepath.ToSlash(filepath.Join(folder, fileDatabase)),
		"vault.keyring.file": filepath.Join(folder, fileKeyring),

		"admin.secret_references": []string{"file:" + w.company.secretFile, "file:" + w.gitHubSecret()},
	})
	// Neither file nor environment: what a service's settings say of where to listen is not for these surroundings.
	loaded, err := config.Load(config.Sources{File: os.DevNull, Flags: settings})
	if err != nil {
		return err
	}
	w.server, err = assembly.New(ctx, assembly.Options{
		DevDocuments: true, AutoApprove: autoApprove,
		Config: loaded, Log: w.options.Log, Now: w.options.Now, Executable: w.options.Executable, Public: public, Admin: admin,
	})
	if err != nil {
		return err
	}
	if err := w.server.Start(ctx); err != nil {
		return err
	}
	w.stop = append(w.stop, func() { _ = w.server.Stop(context.WithoutCancel(ctx)) })
	w.Admin, err = client.New(w.AdminURL, token, tenant.DefaultName, &http.Client{Timeout: 30 * time.Second, Transport: Direct()})
	return err
}

// Direct dials without a proxy: everything is on this machine.
func Direct() http.RoundTripper { return &http.Transport{} }

// firstObjects makes the objects in a folder that has none yet. The client's secret is made last, and its file says that all
// of it is done: what an administrator changes afterwards stays.
func (w *World) firstObjects(ctx context.Context) error {
	path := filepath.Join(w.folder, fileClient)
	if text, err := readPrivate(path); err == nil {
		w.ClientSecret = secret.New(strings.TrimSpace(string(text)))
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var text strings.Builder
	if err := objects.Execute(&text, objectValues{
		Company: CompanyName, IdP: w.Context.IdP.Issuer, Resource: w.Resource, Secret: w.company.secretFile, Certificate: w.company.certificatePEM(),
	}); err != nil {
		return err
	}
	written, err := object.Decode(strings.NewReader(text.String()), object.Options{})
	if err != nil {
		return err
	}
	if _, err := w.Admin.ApplyAll(ctx, written, client.ApplyOptions{Manager: object.ManagerAPI}); err != nil {
		return err
	}
	live, err := w.Admin.Secrets(ctx, AgentID)
	if err != nil {
		return err
	}
	for _, s := range live { // of a start that did not come this far
		if err := w.Admin.RevokeSecret(ctx, AgentID, s.ID); err != nil {
			return err
		}
	}
	made, err := w.Admin.AddSecret(ctx, AgentID)
	if err != nil {
		return err
	}
	w.ClientSecret = made.Text
	return writePrivate(path, []byte(made.Text.Reveal()+"\n"))
}

// Wait serves until the context ends, or Chancery fails, and drains.
func (w *World) Wait(ctx context.Context) error {
	err := w.server.Wait(ctx)
	w.Close()
	return err
}

// Close ends everything, the newest first.
func (w *World) Close() {
	for _, stop := range slices.Backward(w.stop) {
		stop()
	}
	w.stop = nil
}
