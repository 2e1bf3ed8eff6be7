package assembly

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault/transit"
)

// NewTransit makes the client of the server of vault.transit. It asks nothing yet.
func NewTransit(c *config.Loaded, log *slog.Logger, now func() time.Time, observe func(operation, outcome string, took time.Duration)) (*transit.Client, error) {
	t := c.Vault.Transit
	auth, err := transitAuth(c)
	if err != nil {
		return nil, err
	}
	trust, err := transitTrust(t)
	if err != nil {
		return nil, err
	}
	client, err := transit.New(transit.Config{
		Address: t.Address, Mount: t.Mount, Key: t.Key, Namespace: t.Namespace, Auth: auth, TLS: trust, Timeout: t.Timeout,
		Cache: transit.Cache{Keys: t.Cache.Keys, For: t.Cache.For}, Log: log, Now: now, Observe: observe,
	})
	if err != nil {
		return nil, fmt.Errorf("vault.%w", err)
	}
	return client, nil
}

// transitAuth reads each login's secret anew, so that one that was replaced counts.
func transitAuth(c *config.Loaded) (transit.Auth, error) {
	a := c.Vault.Transit.Auth
	read := func(ref config.Ref) transit.Text {
		return func() (string, error) {
			text, err := ref.Resolve(c.Lookup)
			return text.Reveal(), err
		}
	}
	switch a.Method {
	case "token":
		return transit.TokenAuth{Token: read(a.Token)}, nil
	case "approle":
		return transit.AppRoleAuth{Mount: a.Mount, RoleID: a.RoleID, SecretID: read(a.SecretID)}, nil
	case "kubernetes":
		return transit.KubernetesAuth{Mount: a.Mount, Role: a.Role, Token: transit.File(a.JWTFile)}, nil
	case "cert":
		return transit.CertificateAuth{Mount: a.Mount, Role: a.Role}, nil
	default:
		return nil, fmt.Errorf("vault.transit.auth.method: %q is not known", a.Method)
	}
}

var errNoAuthority = errors.New("it holds no PEM certificate")

// transitTrust is nil where the machine's authorities judge and we show no certificate.
func transitTrust(t config.VaultTransit) (*tls.Config, error) {
	if t.CABundle == "" && t.Auth.Method != "cert" {
		return nil, nil //nolint:nilnil // the machine's is an answer
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CABundle != "" {
		raw, err := os.ReadFile(t.CABundle)
		if err != nil {
			return nil, fmt.Errorf("vault.transit.ca_bundle: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("vault.transit.ca_bundle: %w", errNoAuthority)
		}
	}
	if t.Auth.Method == "cert" {
		pair, err := tls.LoadX509KeyPair(t.Auth.Certificate, t.Auth.Key)
		if err != nil {
			return nil, fmt.Errorf("vault.transit.auth.certificate: %w", err)
		}
		trust.Certificates = []tls.Certificate{pair}
	}
	return trust, nil
}

// readPatience bounds one look into the KV engine, with its login.
const readPatience = 5 * time.Second

// UseVault lets references into Vault be read, by a client that is made when the first is: commands that read none ask
// nobody.
func UseVault(c *config.Loaded, log *slog.Logger, now func() time.Time) {
	if !c.Vault.Transit.Used() {
		return
	}
	c.UseVault(func(reference string) (string, error) {
		client, err := NewTransit(c, log, now, nil)
		if err != nil {
			return "", err
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(context.Background(), readPatience)
		defer cancel()
		return client.Secret(ctx, reference)
	})
}

// CheckTransit reads everything that vault.transit refers to, and asks nobody.
func CheckTransit(c *config.Loaded) error {
	if _, err := transitTrust(c.Vault.Transit); err != nil {
		return err
	}
	a := c.Vault.Transit.Auth
	var err error
	switch a.Method {
	case "token":
		_, err = a.Token.Resolve(c.Lookup)
	case "approle":
		_, err = a.SecretID.Resolve(c.Lookup)
	case "kubernetes":
		_, err = config.Ref{File: a.JWTFile}.Resolve(c.Lookup)
	}
	return err
}
