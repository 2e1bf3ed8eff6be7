package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
)

// login is a person's access token for one admin API, as it rests in a file of his own.
type login struct {
	Server    string    `json:"server"`
	Tenant    string    `json:"tenant"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// String says nothing of the token.
func (l login) String() string { return "login at " + l.Server }

// GoString is String, for %#v.
func (l login) GoString() string { return l.String() }

// maxLogins bounds the file; the oldest go.
const maxLogins = 32

var errNoHome = errors.New("no folder of your own is known: set HOME or XDG_CONFIG_HOME")

// loginsFile is where logins rest.
func (c *command) loginsFile() (string, error) {
	folder := c.env("XDG_CONFIG_HOME")
	if folder == "" {
		home := c.env("HOME")
		if home == "" {
			home = c.env("USERPROFILE")
		}
		if home == "" {
			return "", errNoHome
		}
		folder = filepath.Join(home, ".config")
	}
	if !filepath.IsAbs(folder) { // else it would depend on where the command is started
		return "", errNoHome
	}
	return filepath.Join(folder, "chancery", "logins.json"), nil
}

// logins reads them, the newest first. A file that others can read is not trusted.
func (c *command) logins() ([]login, error) {
	path, err := c.loginsFile()
	if errors.Is(err, errNoHome) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 it, or remove it and run chancery login", path)
	}
	text, err := os.ReadFile(path) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	var all []login
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// keepLogins replaces the file in one step.
func (c *command) keepLogins(all []login) error {
	path, err := c.loginsFile()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text, err := json.MarshalIndent(all[:min(len(all), maxLogins)], "", "  ")
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".logins-*") // made 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.Write(append(text, '\n'))
	if err := errors.Join(err, draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}

func isLogin(server, tenant string) func(login) bool {
	return func(l login) bool { return l.Server == server && l.Tenant == tenant }
}

// loginAt is the token of the login at a server; zero where there is none.
func (c *command) loginAt(server string) (secret.Text, error) {
	all, err := c.logins()
	if err != nil {
		return secret.Text{}, err
	}
	i := slices.IndexFunc(all, isLogin(server, c.tenantName()))
	if i < 0 {
		return secret.Text{}, nil
	}
	if !time.Now().Before(all[i].ExpiresAt) {
		return secret.Text{}, fmt.Errorf("your login at %s is over: chancery login", server)
	}
	return secret.New(all[i].Token), nil
}
