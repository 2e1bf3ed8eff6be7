package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// loginClient is the client_id that login uses where none is said.
const loginClient = "chancery-cli"

func (c *command) loginCommand() *cobra.Command {
	var issuer, clientID string
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in to the admin API as yourself",
		Long: `Sign in through your company's IdP, in a browser on any device, and keep the access token for the commands that ask the admin
API. They use it where neither --token-file nor CHANCERY_ADMIN_TOKEN is given. What you may there is what RoleBindings give you at that
moment; the token says nothing of it. There is no refresh token: when it is over, sign in again.

The tenant needs a Resource whose uri is admin.public_url, a public Client with the device grant for it (` + loginClient + `, unless --client
says another), and a policy that grants it.`,
		Example: "  chancery login\n  chancery login --server https://admin.example.com --issuer https://auth.example.com --tenant acme",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&issuer, "issuer", "", "where people sign in (default: the configuration's server.public_url, or of chancery dev that runs here)")
	cmd.Flags().StringVar(&clientID, "client", loginClient, "client_id of the command")
	c.addRemoteFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, issuer, err := c.loginPlaces(issuer)
		if err != nil {
			return err
		}
		return plainError(c.login(cmd.Context(), server, issuer, clientID))
	}
	return cmd
}

func (c *command) logoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logout", Short: "End your login at the admin API, here and there", Args: cobra.NoArgs,
		Long:    "Revoke the access token that chancery login kept, and forget it. Of a login whose server does not answer only the file's copy goes; exit status 1 then.",
		Example: "  chancery logout",
	}
	var issuer, clientID string
	cmd.Flags().StringVar(&issuer, "issuer", "", "where people sign in (default: the configuration's server.public_url, or of chancery dev that runs here)")
	cmd.Flags().StringVar(&clientID, "client", loginClient, "client_id of the command")
	c.addRemoteFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		server, issuer, err := c.loginPlaces(issuer)
		if err != nil {
			return err
		}
		return plainError(c.logout(cmd.Context(), server, issuer, clientID))
	}
	return cmd
}

func (c *command) tenantName() string {
	if c.remote.tenant == "" {
		return tenant.DefaultName
	}
	return c.remote.tenant
}

// loginPlaces are the admin API and the issuer of the tenant.
func (c *command) loginPlaces(issuer string) (server, at string, err error) {
	if server = c.remote.server; server == "" {
		server = c.env(envAdminURL)
	}
	if server == "" && issuer == "" {
		if server, issuer, err = c.devLoginPlaces(); err != nil {
			return "", "", err
		}
	}
	if server == "" || issuer == "" {
		loaded, err := c.loadConfig()
		if err != nil {
			return "", "", err
		}
		if server == "" {
			if server, err = adminURL(loaded.Admin); err != nil {
				return "", "", err
			}
		}
		if issuer == "" {
			issuer = loaded.Server.PublicURL
		}
	}
	if t := c.tenantName(); t != tenant.DefaultName {
		issuer += "/t/" + url.PathEscape(t)
	}
	for _, place := range []string{server, issuer} {
		u, err := url.Parse(place)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopbackHost(u.Hostname())) {
			return "", "", fmt.Errorf("%q is no https URL; http is for loopback only", place)
		}
	}
	return strings.TrimSuffix(server, "/"), issuer, nil
}

func isLoopbackHost(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host) // 127.example.com is a name, and anybody's
	return err == nil && address.IsLoopback()
}

// deviceWait is the answer of RFC 8628 §3.2.
type deviceWait struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URI        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

// login walks RFC 8628: the person says yes elsewhere, and the command waits.
func (c *command) login(ctx context.Context, server, issuer, clientID string) error {
	var begun deviceWait
	if err := postForm(ctx, issuer+"/device_authorization", url.Values{"client_id": {clientID}, "resource": {server}}, &begun); err != nil {
		return err
	}
	if begun.DeviceCode == "" || begun.URI == "" {
		return errors.New("the server's answer is none of a device authorization")
	}
	_, err := fmt.Fprintf(c.stdout, "Open %s and type the code\n\n    %s\n\nThis command goes on by itself.\n", visible(begun.URI), visible(begun.UserCode))
	if err != nil {
		return err
	}
	got, err := pollDevice(ctx, issuer, clientID, server, begun)
	if err != nil {
		return err
	}
	if !strings.EqualFold(got.TokenType, oauth.TokenTypeBearer) {
		return errors.New("the token is bound to a key, which this command does not keep: set dpop to optional for the Resource")
	}
	all, err := c.logins()
	if err != nil {
		return err
	}
	ends := time.Now().Add(time.Duration(got.ExpiresIn) * time.Second)
	all = slices.DeleteFunc(all, isLogin(server, c.tenantName()))
	all = slices.Insert(all, 0, login{Server: server, Tenant: c.tenantName(), Token: got.AccessToken, ExpiresAt: ends.UTC()})
	if err := c.keepLogins(all); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "signed in at %s until %s\n", visible(server), clock(ends))
	return err
}

type deviceToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
}

// pollDevice asks until the person has answered (RFC 8628 §3.5).
func pollDevice(ctx context.Context, issuer, clientID, server string, begun deviceWait) (deviceToken, error) {
	pause := time.Duration(max(1, begun.Interval)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(1, begun.ExpiresIn))*time.Second)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return deviceToken{}, errors.New("nobody answered in time")
		case <-time.After(pause):
		}
		var got deviceToken
		err := postForm(ctx, issuer+"/token", url.Values{
			"grant_type": {oauth.GrantTypeDeviceCode}, "device_code": {begun.DeviceCode}, "client_id": {clientID}, "resource": {server},
		}, &got)
		refused, isRefusal := errors.AsType[*oauthError](err)
		switch {
		case isRefusal && refused.Code == "authorization_pending":
		case isRefusal && refused.Code == "slow_down":
			pause += 5 * time.Second
		case err != nil:
			return deviceToken{}, err
		default:
			return got, nil
		}
	}
}

// oauthError is an error as RFC 6749 §5.2 writes it.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// Error implements error.
func (r *oauthError) Error() string { return r.Code + ": " + r.Description }

const maxLoginAnswer = 64 << 10

func postForm(ctx context.Context, address string, form url.Values, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	h := remoteHTTP()
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // a code goes nowhere else
	answer, err := h.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxLoginAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		refused := &oauthError{}
		if json.Unmarshal(text, refused) != nil || refused.Code == "" {
			return fmt.Errorf("%s answers %s", address, answer.Status)
		}
		return refused
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// logout revokes the token (RFC 7009) and forgets it.
func (c *command) logout(ctx context.Context, server, issuer, clientID string) error {
	all, err := c.logins()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, isLogin(server, c.tenantName()))
	if i < 0 {
		_, err := fmt.Fprintln(c.stdout, "you are not signed in there")
		return err
	}
	ended := all[i]
	if err := c.keepLogins(slices.Delete(all, i, i+1)); err != nil {
		return err
	}
	if time.Now().Before(ended.ExpiresAt) {
		if err := postForm(ctx, issuer+"/revoke", url.Values{"token": {ended.Token}, "client_id": {clientID}}, nil); err != nil {
			return fmt.Errorf("the token is forgotten here, and counts until %s: %w", clock(ended.ExpiresAt), err)
		}
	}
	_, err = fmt.Fprintln(c.stdout, "signed out at "+visible(server))
	return err
}
