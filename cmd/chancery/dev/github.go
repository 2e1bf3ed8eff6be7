package dev

import (
	"context"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// The fake GitHub: a provider whose refresh tokens are good once, with one account, which whoever is sent there owns.
const (
	GitHubName  = "github"
	GitHubScope = "profile:read" // the key of scope_map that leads to read:user
	GitHubLogin = "alice-at-github"
)

// fileGitHub holds our secret there.
const fileGitHub = "github-secret"

// startGitHub starts it on a port of its own.
func (w *World) startGitHub() error {
	profile, _ := providertest.Named("github-app")
	profile.Redirect = w.Issuer + "/connect/" + GitHubName + "/callback"
	w.GitHub = providertest.Start(profile, w.options.Now)
	w.GitHub.As(GitHubLogin)
	w.stop = append(w.stop, w.GitHub.Close)
	return writePrivate(w.gitHubSecret(), []byte(providertest.ClientSecret+"\n"))
}

func (w *World) gitHubSecret() string {
	path := filepath.Join(w.folder, fileGitHub)
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}

// GitHubAPI is an address of its API.
func (w *World) GitHubAPI(path string) string { return w.GitHub.URL() + "/api.github.com" + path }

// gitHubObject says where it is this time. It is a manifest of the company's own over the one that comes with the product.
var gitHubObject = template.Must(template.New("github").Parse(strings.TrimLeft(`
apiVersion: chancery/v1
kind: Provider
metadata: {name: github}
spec:
  display_name: GitHub (fake)
  own_manifest:
    extends: github
    name: github
    authorization_url: {{.At}}/github.com/login/oauth/authorize
    token_url: {{.At}}/github.com/login/oauth/access_token
    refresh: {rotation: single_use}
    expiry: {source: expires_in}
    revoke: {url: "{{.At}}/api.github.com/applications/{client_id}/grant", method: DELETE, token: access, format: json, parameter: access_token, auth: client_secret_basic}
    probe: {url: "{{.At}}/api.github.com/user", id: id, label: [login]}
  network: {allow_private_addresses: true}
  client_id: {{.ClientID}}
  client_secret: {file: {{printf "%q" .Secret}}}
  scope_map: {"profile:read": ["read:user"], "repo:write": ["repo"]}
  allow: {clients: [notes-agent], resources: [notes]}
`, "\n")))

// applyGitHub makes the Provider so, each time: its port is another one.
func (w *World) applyGitHub(ctx context.Context) error {
	var text strings.Builder
	err := gitHubObject.Execute(&text, map[string]string{"At": w.GitHub.URL(), "ClientID": providertest.ClientID, "Secret": w.gitHubSecret()})
	if err != nil {
		return err
	}
	written, err := object.Decode(strings.NewReader(text.String()), object.Options{})
	if err != nil {
		return err
	}
	_, err = w.Admin.ApplyAll(ctx, written, client.ApplyOptions{Manager: "dev"})
	return err
}
