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
}

const maxSecretFile = 64 << 10

// IsZero tells that no secret is named.
func (r Ref) IsZero() bool { return r == Ref{} }

// Resolve reads the secret. A reference to nothing is an error, never an empty secret.
func (r Ref) Resolve(environ func(string) (string, bool)) (secret.Text, error) {
	switch {
	case r.Env != "" && r.File != "":
		return secret.Text{}, errors.New("a secret has one source: env or file")
	case r.Env != "":
		value, ok := environ(r.Env)
		if !ok || value == "" {
			return secret.Text{}, fmt.Errorf("environment variable %s is not set", r.Env)
		}
		return secret.New(value), nil
	case r.File != "":
		return readSecret(r.File)
	}
	return secret.Text{}, errors.New("no secret named: say {env: NAME} or {file: PATH}")
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

// Resolve returns the value.
func (t Text) Resolve(environ func(string) (string, bool)) (secret.Text, error) {
	if !t.Ref.IsZero() {
		return t.Ref.Resolve(environ)
	}
	return secret.New(t.Plain), nil
}

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
