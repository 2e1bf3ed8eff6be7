package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/story"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/federation/idptest"
)

const redirectURI = "http://127.0.0.1/callback"

// world is everything that the demo runs on: a fake IdP, Chancery with embedded storage, and a protected MCP server, each
// on a loopback port of its own.
type world struct {
	executable   string
	folder       string
	issuer       string
	resource     string
	clientSecret secret.Text
	idp          *idptest.IdP
	server       *assembly.Server
	admin        *client.Client
	stop         []func()
}

func build(ctx context.Context, log *slog.Logger, executable string) (*world, error) {
	w := &world{executable: executable}
	if err := w.build(ctx, log); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) build(ctx context.Context, log *slog.Logger) error {
	var err error
	if w.folder, err = os.MkdirTemp("", "chancery-demo-"); err != nil {
		return err
	}
	w.stop = append(w.stop, func() { _ = os.RemoveAll(w.folder) })
	public, err := w.listen(ctx)
	if err != nil {
		return err
	}
	adminListener, err := w.listen(ctx)
	if err != nil {
		return err
	}
	notesListener, err := w.listen(ctx)
	if err != nil {
		return err
	}
	w.issuer = "http://" + public.Addr().String()
	w.resource = "http://" + notesListener.Addr().String() + "/mcp"
	if err := w.startIdP(); err != nil {
		return err
	}
	if err := w.startChancery(ctx, log, public, adminListener); err != nil {
		return err
	}
	return w.startNotes(notesListener)
}

func (w *world) listen(ctx context.Context) (net.Listener, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.stop = append(w.stop, func() { _ = l.Close() })
	return l, nil
}

func (w *world) startIdP() error {
	idp, stop, err := idptest.Listen(idptest.Options{
		Clients: []idptest.Client{{ID: idpAgentID, RedirectURIs: []string{redirectURI}, IDs: map[string]string{w.issuer: agentID}}},
		Audiences: []idptest.Audience{{
			Issuer: w.issuer, Resources: []string{w.resource}, Scopes: []string{scopeRead, scopeWrite},
		}},
	})
	if err != nil {
		return err
	}
	w.idp = idp
	w.stop = append(w.stop, stop)
	return nil
}

func (w *world) startChancery(ctx context.Context, log *slog.Logger, public, adminListener net.Listener) error {
	secretFile, err := w.secretFile("client-secret")
	if err != nil {
		return err
	}
	tokenFile, err := w.secretFile("admin-token")
	if err != nil {
		return err
	}
	objectsFile := filepath.Join(w.folder, "objects.yaml")
	var text strings.Builder
	if err := objects.Execute(&text, objectValues{IdP: w.idp.Issuer(), Resource: w.resource, SecretFile: secretFile.path}); err != nil {
		return err
	}
	if err := os.WriteFile(objectsFile, []byte(text.String()), 0o600); err != nil {
		return err
	}
	w.clientSecret = secretFile.value
	loaded, err := config.Load(config.Sources{File: os.DevNull, Flags: map[string]any{
		"server.public_url":      w.issuer,
		"server.listen":          public.Addr().String(),
		"admin.listen":           adminListener.Addr().String(),
		"admin.token.file":       tokenFile.path,
		"database.url":           "sqlite://" + filepath.Join(w.folder, "chancery.db"),
		"vault.keyring.file":     filepath.Join(w.folder, "keyring"),
		"audit.checkpoint_every": "1s",
		"objects":                []string{objectsFile},
	}})
	if err != nil {
		return err
	}
	w.server, err = assembly.New(ctx, assembly.Options{Config: loaded, Log: log, Now: time.Now, Executable: w.executable, Public: public, Admin: adminListener})
	if err != nil {
		return err
	}
	if err := w.server.Start(ctx); err != nil {
		return err
	}
	w.stop = append(w.stop, func() { _ = w.server.Stop(context.WithoutCancel(ctx)) })
	w.admin, err = client.New("http://"+adminListener.Addr().String(), tokenFile.value, tenant.DefaultName, &http.Client{Timeout: 10 * time.Second})
	return err
}

func (w *world) startNotes(l net.Listener) error {
	n, err := newNotes(w.issuer, w.resource, time.Now)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", n.handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	w.stop = append(w.stop, func() { _ = server.Close() })
	return nil
}

type secretFile struct {
	path  string
	value secret.Text
}

func (w *world) secretFile(name string) (secretFile, error) {
	f := secretFile{path: filepath.Join(w.folder, name), value: secret.New(randomText())}
	return f, os.WriteFile(f.path, []byte(f.value.Reveal()), 0o600)
}

// close ends everything, the newest first.
func (w *world) close() {
	for _, stop := range slices.Backward(w.stop) {
		stop()
	}
}

// nameOf says whom a request goes to.
func (w *world) nameOf(u *url.URL) string {
	at := u.Scheme + "://" + u.Host
	switch {
	case strings.HasPrefix(w.issuer, at):
		return "chancery"
	case strings.HasPrefix(w.idp.Issuer(), at):
		return "identity provider"
	case strings.HasPrefix(w.resource, at):
		return "notes"
	}
	return at
}

// explain asks the admin API for the story of a request.
func (w *world) explain(ctx context.Context, trace string) ([]string, error) {
	raw, err := w.admin.Explain(ctx, trace)
	if err != nil {
		return nil, err
	}
	var told story.Story
	if err := json.Unmarshal(raw, &told); err != nil {
		return nil, err
	}
	if told.Code != "policy_denied" {
		return nil, fmt.Errorf("the story of %s is about %q", trace, told.Code)
	}
	return told.Lines(), nil
}

// export waits until a checkpoint covers what happened, and takes the whole log and the public checkpoint keys.
func (w *world) export(ctx context.Context) (export []byte, keys []audit.PublicKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	jwks, err := w.admin.CheckpointKeys(ctx)
	if err != nil {
		return nil, nil, err
	}
	if keys, err = audit.ParseJWKS(jwks); err != nil {
		return nil, nil, err
	}
	for {
		var out bytes.Buffer
		if err := w.admin.ExportAudit(ctx, &out); err != nil {
			return nil, nil, err
		}
		report, err := audit.Verify(bytes.NewReader(out.Bytes()), audit.Expect{Keys: keys})
		if err == nil && report.Unproven == 0 {
			return out.Bytes(), keys, nil
		}
		select {
		case <-ctx.Done():
			return nil, nil, errors.Join(errors.New("no checkpoint covers what happened"), err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}
