package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
)

// Names of the environment that commands about records read.
const (
	envAdminURL   = "CHANCERY_ADMIN_URL"
	envAdminToken = "CHANCERY_ADMIN_TOKEN" //nolint:gosec // a name, not a credential
)

// answerTimeout bounds the wait for the first byte of an answer; a tail waits at most tailWait on the server.
const answerTimeout = 2 * time.Minute

// remoteFlags say which admin API is asked, and about which tenant.
type remoteFlags struct {
	server    string
	tokenFile string
	tenant    string
}

func (c *command) addRemoteFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&c.remote.server, "server", "", "URL of the admin API ("+envAdminURL+"; else the configuration's admin section)")
	flags.StringVar(&c.remote.tokenFile, "token-file", "", "file that holds the admin credential ("+envAdminToken+"; else your chancery login, else the configuration's admin.token)")
	flags.StringVar(&c.remote.tenant, "tenant", "", "tenant (default: default)")
}

// onRecords makes a command that asks the admin API.
func (c *command) onRecords(cmd *cobra.Command, do func(ctx context.Context, admin *client.Client, args []string) error) *cobra.Command {
	c.addRemoteFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		admin, err := c.admin()
		if err != nil {
			return err
		}
		return plainError(do(cmd.Context(), admin, args))
	}
	return cmd
}

// admin makes the client. The configuration is read only for what flags and
// environment leave open; where they say nothing, the surroundings of chancery dev
// that run here come first.
func (c *command) admin() (*client.Client, error) {
	server, token, err := c.adminGiven()
	if err != nil {
		return nil, err
	}
	if server == "" && token.IsZero() {
		if server, token, err = c.devAdminGiven(); err != nil {
			return nil, err
		}
		if login, err := c.loginAt(strings.TrimSuffix(server, "/")); err != nil {
			return nil, err
		} else if !login.IsZero() { // who signed in there means to be himself
			token = login
		}
	}
	if server != "" && token.IsZero() {
		if token, err = c.loginAt(strings.TrimSuffix(server, "/")); err != nil {
			return nil, err
		}
	}
	if server == "" || token.IsZero() {
		loaded, err := c.loadConfig()
		if err != nil {
			return nil, err
		}
		if server == "" {
			if server, err = adminURL(loaded.Admin); err != nil {
				return nil, err
			}
		}
		if token.IsZero() {
			if token, err = c.loginAt(strings.TrimSuffix(server, "/")); err != nil {
				return nil, err
			}
		}
		if token.IsZero() {
			if token, err = loaded.Secret(loaded.Admin.Token); err != nil {
				return nil, fmt.Errorf("there is no admin credential: sign in with chancery login, or say --token-file or %s (admin.token: %w)", envAdminToken, err)
			}
		}
	}
	return client.New(server, token, c.remote.tenant, remoteHTTP())
}

func remoteHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment, // never for loopback
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answerTimeout,
		ForceAttemptHTTP2:     true,
	}}
}

// adminGiven is what flags say, else the environment.
func (c *command) adminGiven() (server string, token secret.Text, err error) {
	if server = c.remote.server; server == "" {
		server = c.env(envAdminURL)
	}
	if c.remote.tokenFile != "" {
		token, err = config.Ref{File: c.remote.tokenFile}.Resolve(nil)
		if err != nil {
			return "", token, fmt.Errorf("--token-file: %w", err)
		}
		return server, token, nil
	}
	return server, secret.New(c.env(envAdminToken)), nil
}

// adminURL is where the configuration says that the admin API is.
func adminURL(a config.Admin) (string, error) {
	if a.PublicURL != "" {
		return a.PublicURL, nil
	}
	_, port, err := net.SplitHostPort(a.Listen)
	if err != nil || port == "0" {
		return "", errors.New("the configuration does not say where the admin API is: say --server or " + envAdminURL)
	}
	return "http://" + a.Listen, nil
}

// plainError says an error of the admin API without control characters: parts of
// it may come from a request that somebody else made.
func plainError(err error) error {
	if err == nil || errors.Is(err, errDiffers) {
		return err
	}
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted")
	}
	return errors.New(visibleLines(err.Error()))
}
