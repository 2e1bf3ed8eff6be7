package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/bundle"
)

// maxKeyFile bounds a file with a key.
const maxKeyFile = 64 << 10

func (c *command) policyBundleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bundle", Short: "Carry policies as signed OPA bundles"}
	cmd.AddCommand(c.policyBundleExportCommand(), c.policyBundleVerifyCommand(), c.policyBundleImportCommand())
	return cmd
}

// trustedKeys reads --key [ID=]FILE. There is at least one: without a key nothing is verified.
func (c *command) trustedKeys(named []string) ([]bundle.TrustedKey, error) {
	if len(named) == 0 {
		return nil, errors.New("say whose signature is trusted: --key FILE, the public key in PEM")
	}
	var keys []bundle.TrustedKey
	for _, name := range named {
		id, file, found := strings.Cut(name, "=")
		if !found {
			id, file = "", name
		} else if id == "" {
			return nil, fmt.Errorf("--key %s: the key id is empty", name)
		}
		text, err := c.readSome(file, maxKeyFile+1)
		if err != nil {
			return nil, err
		}
		key, err := bundle.ParseTrustedKey(id, text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, other := range keys {
			if other.ID == key.ID {
				return nil, fmt.Errorf("two keys have the key id %s", key.ID)
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (c *command) openBundle(file string, named []string) (bundle.Bundle, error) {
	keys, err := c.trustedKeys(named)
	if err != nil {
		return bundle.Bundle{}, err
	}
	archive, err := c.readSome(file, bundle.MaxArchive+1)
	if err != nil {
		return bundle.Bundle{}, err
	}
	opened, err := bundle.Open(archive, keys)
	if err != nil {
		return opened, fmt.Errorf("%s: %w", file, err)
	}
	return opened, nil
}

// bundled is what the commands say of a bundle.
type bundled struct {
	File      string      `json:"file"`
	Policy    string      `json:"policy,omitempty"`
	Role      policy.Role `json:"role,omitempty"`
	Binds     string      `json:"binds,omitempty"`
	Revision  int64       `json:"revision,omitempty"`
	Hash      string      `json:"hash,omitempty"` // of the policy's content, as revisions have it
	Template  string      `json:"template,omitempty"`
	KeyID     string      `json:"key_id"`
	Algorithm string      `json:"algorithm"`
	SHA256    string      `json:"sha256"`
	Files     []string    `json:"files"`
}

func bundledAs(file string, b bundle.Bundle) bundled {
	src := b.Source
	of := bundled{
		File: file, Policy: src.Name, Role: src.Role, Binds: string(src.Binds), Revision: src.Revision, Template: src.Template,
		KeyID: b.KeyID, Algorithm: b.Algorithm, SHA256: b.SHA256, Files: b.Files,
	}
	if src.Role != "" {
		of.Hash = src.Hash()
	}
	return of
}

func (b bundled) write(w io.Writer) error {
	name := b.Policy
	if name == "" {
		name = "(no name: it was not written by Chancery)"
	}
	for _, line := range [][2]string{
		{"policy", name},
		{"role", strings.TrimSpace(string(b.Role) + " " + b.Template)},
		{"hash", b.Hash},
		{"signed by", b.KeyID + " (" + b.Algorithm + ")"},
		{"sha256", b.SHA256},
	} {
		if line[1] != "" {
			_, _ = fmt.Fprintf(w, "%-10s %s\n", line[0], visible(line[1]))
		}
	}
	for _, file := range b.Files {
		_, _ = fmt.Fprintln(w, "           "+visible(file))
	}
	return nil
}
