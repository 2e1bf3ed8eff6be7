package dev

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/secret"
)

// DefaultFolder is where state is kept, below the folder in which the command is run.
const DefaultFolder = ".chancery-dev"

// ErrNotRunning says that the folder names no running surroundings.
var ErrNotRunning = errors.New("chancery dev is not running here")

// Context says where running surroundings are. It is in the folder for as long as they run, and what it names are addresses
// of this machine.
type Context struct {
	Issuer   string       `json:"issuer"`
	Resource string       `json:"resource"`
	AdminURL string       `json:"admin_url"`
	IdP      ContextIdP   `json:"idp"`
	Client   ContextAgent `json:"client"`
	Process  int          `json:"process"`

	folder string
}

// ContextIdP is the fake IdP, and who the agent is there.
type ContextIdP struct {
	Name     string `json:"name"`
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
}

// ContextAgent is the agent at Chancery.
type ContextAgent struct {
	ID string `json:"id"`
}

// Find reads the context of a folder: ErrNotRunning where there is none.
func Find(folder string) (*Context, error) {
	path := filepath.Join(folder, fileContext)
	text, err := readPrivate(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w (there is no %s)", ErrNotRunning, path)
	}
	if err != nil {
		return nil, err
	}
	c := &Context{folder: folder}
	if err := strictly(path, text, c); err != nil {
		return nil, err
	}
	for _, address := range []string{c.Issuer, c.Resource, c.AdminURL, c.IdP.Issuer} {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" || CheckHost(u.Hostname()) != nil {
			return nil, fmt.Errorf("%s: %q is no address of this machine", path, address)
		}
	}
	return c, nil
}

func strictly(path string, text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s is damaged, or of another version: start chancery dev again (%w)", path, err)
	}
	return nil
}

// Folder is where it was found.
func (c *Context) Folder() string { return c.folder }

// AdminToken is the credential of the admin API.
func (c *Context) AdminToken() (secret.Text, error) { return c.read(fileAdmin) }

// ClientSecret is the agent's at Chancery.
func (c *Context) ClientSecret() (secret.Text, error) { return c.read(fileClient) }

func (c *Context) read(name string) (secret.Text, error) {
	text, err := readPrivate(filepath.Join(c.folder, name))
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(strings.TrimSpace(string(text))), nil
}

func (c *Context) write() error { return writeJSON(filepath.Join(c.folder, fileContext), c) }

// remove forgets the context, if it is still the one of this process.
func (c *Context) remove() {
	if now, err := Find(c.folder); err == nil && now.Process == c.Process {
		_ = os.Remove(filepath.Join(c.folder, fileContext))
	}
}

func writeJSON(path string, record any) error {
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	return writePrivate(path, append(text, '\n'))
}

// Session is a sign-in at the fake IdP: whom `chancery token` acts for.
type Session struct {
	User         string
	IDToken      secret.Text
	RefreshToken secret.Text
	Expires      time.Time // of the ID token
}

// sessionFile is how a session is kept.
type sessionFile struct {
	User         string    `json:"user"`
	IDToken      string    `json:"id_token"`
	RefreshToken string    `json:"refresh_token"`
	Expires      time.Time `json:"expires"`
}

// KeepSession remembers a sign-in, in place of the one before.
func (c *Context) KeepSession(s Session) (path string, err error) {
	path = filepath.Join(c.folder, fileSession)
	return path, writeJSON(path, sessionFile{s.User, s.IDToken.Reveal(), s.RefreshToken.Reveal(), s.Expires})
}

// ErrNobody says that nobody has signed in yet.
var ErrNobody = errors.New("nobody has signed in: chancery dev login alice")

// Session is the newest sign-in.
func (c *Context) Session() (Session, error) {
	path := filepath.Join(c.folder, fileSession)
	text, err := readPrivate(path)
	if errors.Is(err, os.ErrNotExist) {
		return Session{}, ErrNobody
	}
	if err != nil {
		return Session{}, err
	}
	var f sessionFile
	if err := strictly(path, text, &f); err != nil {
		return Session{}, err
	}
	return Session{User: f.User, IDToken: secret.New(f.IDToken), RefreshToken: secret.New(f.RefreshToken), Expires: f.Expires}, nil
}
