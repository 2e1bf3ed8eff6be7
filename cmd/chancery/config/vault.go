package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// The backends of vault.backend.
const (
	BackendKeyring = "keyring"
	BackendTransit = "transit"
)

// VaultTransit names a Transit engine of Vault or OpenBao. Its address is that of references {vault: MOUNT/PATH#KEY}, too.
type VaultTransit struct {
	Address   string        `key:"address" doc:"URL of the server of Vault or OpenBao: https, or http on loopback"`
	Mount     string        `key:"mount" doc:"path of the transit mount"`
	Key       string        `key:"key" doc:"name of the transit key: derived, not exportable"`
	Namespace string        `key:"namespace" doc:"namespace of the server"`
	CABundle  string        `key:"ca_bundle" doc:"PEM file of the authorities that the server's certificate may have; empty: the system's"`
	Timeout   time.Duration `key:"timeout" doc:"longest call, its second try included; at most 1900ms"`
	Auth      TransitAuth   `key:"auth"`
	Cache     TransitCache  `key:"cache"`
}

// TransitAuth is how we log in.
type TransitAuth struct {
	Method      string `key:"method" doc:"token, approle, kubernetes or cert"`
	Mount       string `key:"mount" doc:"path of the auth method; empty: its usual one"`
	Token       Ref    `key:"token" doc:"token: the token, by reference"`
	RoleID      string `key:"role_id" doc:"approle: the role id, which is no secret"`
	SecretID    Ref    `key:"secret_id" doc:"approle: the secret id, by reference; read anew at each login"`
	Role        string `key:"role" doc:"kubernetes: the role; cert: the certificate role, or empty"`
	JWTFile     string `key:"jwt_file" doc:"kubernetes: file of the service account's token; read anew at each login"`
	Certificate string `key:"certificate" doc:"cert: PEM file of our certificate"`
	Key         string `key:"key" doc:"cert: PEM file of its private key"`
}

// TransitCache keeps opened data keys in memory. Without it each secret that is opened is asked of the server, which sees
// each use and can end it.
type TransitCache struct {
	Keys int           `key:"keys" doc:"most data keys that are kept in memory; 0: none; refused in regulated"`
	For  time.Duration `key:"for" doc:"longest time that one is kept"`
}

// Bounds of what may be set.
const (
	maxVaultTimeout = 1900 * time.Millisecond // a request that needs a secret is refused within two seconds (F8)
	maxCachedKeys   = 100_000
	maxCachedFor    = time.Hour
)

// Used tells whether there is a server at all: its keys seal, or references lead there.
func (t VaultTransit) Used() bool { return t.Address != "" }

// Network is how the server is reached: who writes the configuration names its address, in one's own networks too.
func (t VaultTransit) Network() fetch.Network {
	return fetch.Network{CABundle: t.CABundle, AllowPrivateAddresses: true}
}

func (v Vault) validate(p Profile, e Egress) error {
	err := oneOf("vault.backend", v.Backend, BackendKeyring, BackendTransit)
	if v.Backend == BackendKeyring && v.Keyring.File == "" {
		err = errors.Join(err, errors.New("vault.keyring.file: required"))
	}
	if !v.Transit.Used() {
		if v.Backend == BackendTransit {
			err = errors.Join(err, errors.New("vault.transit.address: required where vault.backend is transit"))
		}
		return err
	}
	return errors.Join(err, v.Transit.validate(p, e))
}

func (t VaultTransit) validate(p Profile, e Egress) error {
	u, err := url.Parse(t.Address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "": // not quoted: it may hold a credential
		return errors.New("vault.transit.address: an absolute URL without user, query and fragment is expected")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return errors.New("vault.transit.address: https is expected; http is for loopback only")
	}
	for _, name := range []struct{ key, value string }{{"mount", t.Mount}, {"key", t.Key}} {
		if !isVaultPath(name.value) || (name.key == "key" && strings.Contains(name.value, "/")) {
			err = errors.Join(err, fmt.Errorf("vault.transit.%s: %q is no name there", name.key, name.value))
		}
	}
	if t.Timeout < 50*time.Millisecond || t.Timeout > maxVaultTimeout {
		err = errors.Join(err, fmt.Errorf("vault.transit.timeout: %s: 50ms to %s is expected", t.Timeout, maxVaultTimeout))
	}
	if networkErr := t.Network().Validate(); networkErr != nil {
		err = errors.Join(err, fmt.Errorf("vault.transit.ca_bundle: %w", networkErr))
	}
	if !isLoopback(u.Hostname()) {
		if egressErr := fetch.New(e.Policy()).Judge(t.Address, t.Network()); egressErr != nil {
			err = errors.Join(err, fmt.Errorf("vault.transit.address: %w", egressErr))
		}
	}
	return errors.Join(err, t.Auth.validate(), t.Cache.validate(p))
}

func (a TransitAuth) validate() error {
	const key = "vault.transit.auth."
	err := oneOf(key+"method", a.Method, "token", "approle", "kubernetes", "cert")
	need := func(name string, absent bool) {
		if absent {
			err = errors.Join(err, fmt.Errorf("%s%s: required for method %s", key, name, a.Method))
		}
	}
	switch a.Method {
	case "token":
		need("token", a.Token.IsZero())
	case "approle":
		need("role_id", a.RoleID == "")
		need("secret_id", a.SecretID.IsZero())
	case "kubernetes":
		need("role", a.Role == "")
		need("jwt_file", a.JWTFile == "")
	case "cert":
		need("certificate", a.Certificate == "")
		need("key", a.Key == "")
	}
	for name, ref := range map[string]Ref{"token": a.Token, "secret_id": a.SecretID} {
		if ref.Vault != "" {
			err = errors.Join(err, fmt.Errorf("%s%s: what opens Vault cannot lie in it", key, name))
		}
	}
	if a.Mount != "" && !isVaultPath(a.Mount) {
		err = errors.Join(err, fmt.Errorf("%smount: %q is no path of a mount", key, a.Mount))
	}
	return err
}

func (c TransitCache) validate(p Profile) error {
	const key = "vault.transit.cache"
	switch {
	case c.Keys == 0 && c.For == 0:
		return nil
	case p == Regulated:
		return errors.New(key + ": refused in profile regulated: each use of a secret is asked of the server")
	case c.Keys < 1 || c.Keys > maxCachedKeys || c.For <= 0 || c.For > maxCachedFor: // one without the other bounds nothing
		return fmt.Errorf("%s: keys of 1 to %d and for of at most %s go together", key, maxCachedKeys, maxCachedFor)
	}
	return nil
}

// references: what leads into Vault needs a server to lead to.
func (c *Config) references() error {
	var err error
	for key, ref := range map[string]Ref{
		"admin.token": c.Admin.Token, "database.url": c.Database.URL.Ref, "database.owner_url": c.Database.OwnerURL.Ref, "telemetry.otlp_headers": c.Telemetry.OTLPHeaders,
	} {
		switch {
		case ref.Vault == "":
		case !isVaultReference(ref.Vault):
			err = errors.Join(err, fmt.Errorf("%s.vault: %q is not MOUNT/PATH#KEY", key, ref.Vault))
		case !c.Vault.Transit.Used():
			err = errors.Join(err, fmt.Errorf("%s.vault: vault.transit.address says where Vault is; it is not set", key))
		}
	}
	return err
}

func isVaultReference(reference string) bool {
	path, name, cut := strings.Cut(reference, "#")
	return cut && name != "" && strings.Contains(path, "/") && isVaultPath(path)
}

func isVaultPath(path string) bool {
	return path != "" && !strings.ContainsAny(path, "?#%\\ ") && !strings.Contains(path, "..") && !strings.HasPrefix(path, "/") && !strings.HasSuffix(path, "/")
}
