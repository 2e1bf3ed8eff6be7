package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/broker/secret"
)

// Ref says where a secret is. The secret itself is never in the file.
type Ref struct {
	Env  string `key:"env" doc:"environment variable that holds it"`
	File string `key:"file" doc:"file that holds it; a trailing newline is dropped"`
	// Vault is MOUNT/PATH#KEY of a KV v2 engine of the server of vault.transit.address.
	Vault string `key:"vault" doc:"MOUNT/PATH#KEY of a KV v2 engine in Vault"`
}

// errNeedsVault: who reads it has nobody to ask.
var errNeedsVault = errors.New("a reference into Vault cannot be read here")

const maxSecretFile = 64 << 10

// IsZero tells that no secret is named.
func (r Ref) IsZero() bool { return r == Ref{} }

// Resolve reads a secret of the environment or a file. A reference to nothing is an error, never an empty secret. What may
// be in Vault is read by Loaded.Secret.
func (r Ref) Resolve(environ func(string) (string, bool)) (secret.Text, error) {
	if err := r.validate(); err != nil {
		return secret.Text{}, err
	}
	switch {
	case r.Env != "":
		value, ok := environ(r.Env)
		if !ok || value == "" {
			return secret.Text{}, fmt.Errorf("environment variable %s is not set", r.Env)
		}
		return secret.New(value), nil
	case r.File != "":
		return readSecret(r.File)
	case r.Vault != "":
		return secret.Text{}, errNeedsVault
	}
	return secret.Text{}, errors.New("no secret named: say {env: NAME}, {file: PATH} or {vault: MOUNT/PATH#KEY}")
}

func (r Ref) validate() error {
	sources := 0
	for _, source := range []string{r.Env, r.File, r.Vault} {
		if source != "" {
			sources++
		}
	}
	if sources > 1 {
		return errors.New("a secret has one source: env, file or vault")
	}
	return nil
}

// KV reads one value of a KV v2 engine, by MOUNT/PATH#KEY.
type KV func(reference string) (string, error)

// UseVault says who reads references into Vault. Without it they are refused.
func (l *Loaded) UseVault(v KV) { l.kv = v }

// Secret reads what a reference names.
func (l *Loaded) Secret(r Ref) (secret.Text, error) {
	if r.Vault == "" || r.validate() != nil {
		return r.Resolve(l.Lookup)
	}
	if l.kv == nil {
		return secret.Text{}, errNeedsVault
	}
	value, err := l.kv(r.Vault)
	if err != nil {
		return secret.Text{}, err
	}
	if value == "" {
		return secret.Text{}, fmt.Errorf("%s: empty", r.Vault)
	}
	return secret.New(value), nil
}

// Text reads a value that is written plainly or by reference.
func (l *Loaded) Text(t Text) (secret.Text, error) {
	if t.Ref.IsZero() {
		return secret.New(t.Plain), nil
	}
	return l.Secret(t.Ref)
}

func readSecret(path string) (secret.Text, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return secret.Text{}, err
	}
	defer file.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return secret.Text{}, err
	}
	if len(raw) > maxSecretFile {
		return secret.Text{}, fmt.Errorf("%s: larger than a secret can be", path)
	}
	value := strings.TrimRight(string(raw), "\r\n")
	if value == "" || !utf8.ValidString(value) {
		return secret.Text{}, fmt.Errorf("%s: empty, or not text", path)
	}
	return secret.New(value), nil
}

// Text is a value that may hold a secret (a database URL with a password): written plainly or by reference.
type Text struct {
	Plain string
	Ref   Ref
}

// IsZero tells that nothing is set.
func (t Text) IsZero() bool { return t == Text{} }

// Shared names the settings whose secret is in a file that everybody on the machine may read.
func (l *Loaded) Shared() []string {
	var shared []string
	for _, leaf := range Leaves() {
		key, isFile := strings.CutSuffix(leaf.Key, ".file")
		if !isFile || len(siblings(leaf.Key)) == 0 {
			continue
		}
		path, _ := l.values[leaf.Key].(string)
		if path == "" {
			continue
		}
		if about, err := os.Stat(path); err == nil && about.Mode().Perm()&0o004 != 0 {
			shared = append(shared, key)
		}
	}
	return shared
}
