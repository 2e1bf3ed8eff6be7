package transit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/vault/api"
)

// Auth logs in at Vault. A login's secret is read anew each time, so that one that was replaced on disk counts.
type Auth interface {
	// Login gives a token, as Vault answers a login or a lookup of the token itself.
	Login(ctx context.Context, c *api.Client) (*api.Secret, error)
}

// Text gives a secret when it is needed.
type Text func() (string, error)

// File reads a secret from a file.
func File(path string) Text {
	return func() (string, error) {
		raw, err := os.ReadFile(path) //nolint:gosec // an administrator's configuration
		return strings.TrimSpace(string(raw)), err
	}
}

var errEmpty = errors.New("a credential for Vault is empty")

func (t Text) value() (string, error) {
	if t == nil {
		return "", errEmpty
	}
	value, err := t()
	if err == nil && value == "" {
		err = errEmpty
	}
	return value, err
}

// TokenAuth is a token that somebody else made.
type TokenAuth struct{ Token Text }

// Login implements Auth: the token says itself how long it lives.
func (a TokenAuth) Login(ctx context.Context, c *api.Client) (*api.Secret, error) {
	token, err := a.Token.value()
	if err != nil {
		return nil, err
	}
	c.SetToken(token)
	found, err := c.Logical().ReadWithContext(ctx, "auth/token/lookup-self")
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, errNoToken
	}
	ttl, err := found.TokenTTL()
	if err != nil {
		return nil, err
	}
	renewable, err := found.TokenIsRenewable()
	if err != nil {
		return nil, err
	}
	return &api.Secret{Auth: &api.SecretAuth{ClientToken: token, LeaseDuration: int(ttl.Seconds()), Renewable: renewable}}, nil
}

// AppRoleAuth is a role id and a secret id (mount "approle" when empty).
type AppRoleAuth struct {
	Mount    string
	RoleID   string
	SecretID Text
}

// Login implements Auth.
func (a AppRoleAuth) Login(ctx context.Context, c *api.Client) (*api.Secret, error) {
	secret, err := a.SecretID.value()
	if err != nil {
		return nil, err
	}
	return login(ctx, c, a.Mount, "approle", map[string]any{"role_id": a.RoleID, "secret_id": secret})
}

// KubernetesAuth is a role and the pod's service account token (mount "kubernetes" when empty).
type KubernetesAuth struct {
	Mount string
	Role  string
	Token Text
}

// Login implements Auth.
func (a KubernetesAuth) Login(ctx context.Context, c *api.Client) (*api.Secret, error) {
	token, err := a.Token.value()
	if err != nil {
		return nil, err
	}
	return login(ctx, c, a.Mount, "kubernetes", map[string]any{"role": a.Role, "jwt": token})
}

// CertificateAuth is the client certificate of Config.TLS (mount "cert" when empty); Role may be empty.
type CertificateAuth struct{ Mount, Role string }

// Login implements Auth.
func (a CertificateAuth) Login(ctx context.Context, c *api.Client) (*api.Secret, error) {
	body := map[string]any{}
	if a.Role != "" {
		body["name"] = a.Role
	}
	return login(ctx, c, a.Mount, "cert", body)
}

var errNoToken = errors.New("the login gave no token")

func login(ctx context.Context, c *api.Client, mount, method string, body map[string]any) (*api.Secret, error) {
	if mount == "" {
		mount = method
	}
	c.ClearToken()
	answer, err := c.Logical().WriteWithContext(ctx, "auth/"+mount+"/login", body)
	if err != nil {
		return nil, err
	}
	if answer == nil || answer.Auth == nil || answer.Auth.ClientToken == "" {
		return nil, fmt.Errorf("%s: %w", method, errNoToken)
	}
	return answer, nil
}
