package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/bundle"
)

// bundling are policy bundle export's flags.
type bundling struct {
	files    []string
	revision string
	key      string
	keyID    string
	out      string
	folder   string
}

func (c *command) policyBundleExportCommand() *cobra.Command {
	var b bundling
	cmd := &cobra.Command{
		Use:   "export NAME --key FILE --out FILE",
		Short: "Write one policy as a signed OPA bundle, or as a folder",
		Long: `Write one policy with its tests, its data and what describes it as a bundle that OPA loads: of the server as it is in force or, with
--revision, was, or with -f of files and without a server. It is signed with the key of --key, in the form of "opa sign": ES256, RS256
or EdDSA, as the key is. The key id is the key's thumbprint, or what --key-id says; "chancery policy bundle verify" and "opa" want the same.

With --folder the same files are written unpacked, and unsigned, for programs that read folders: opa test -b, conftest.`,
		Example: `  chancery policy bundle export notes --key bundles.key --out notes.tar.gz
  chancery policy bundle export notes -f objects/ --key bundles.key --key-id release-2026 --out notes.tar.gz
  chancery policy bundle export notes -f objects/ --folder build/notes && opa test -b build/notes`,
		Args: cobra.MaximumNArgs(1),
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&b.files, "filename", "f", nil, "file or folder of objects to read it from, instead of the server; may be repeated")
	flags.StringVar(&b.revision, "revision", "", "the revision's number (default: what is in force)")
	flags.StringVar(&b.key, "key", "", "file with the private key in PEM: P-256, RSA or Ed25519, not encrypted")
	flags.StringVar(&b.keyID, "key-id", "", "the key's id in the signature (default: the SHA-256 of the public key, in base64url)")
	flags.StringVar(&b.out, "out", "", "file to write; it must not be there")
	flags.StringVar(&b.folder, "folder", "", "folder to write into, unsigned; it must not be there, or be empty")
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		switch {
		case (b.out == "") == (b.folder == ""):
			return errors.New("say where to: --out FILE, a signed bundle, or --folder DIR, unsigned")
		case (b.out == "") != (b.key == ""):
			return errors.New("--out wants --key, with which the bundle is signed; --folder has no signature")
		case len(b.files) > 0 && b.revision != "":
			return errors.New("--revision is of the server, and -f reads files")
		}
		src, err := c.bundleSource(cmd.Context(), b, args)
		if err != nil {
			return plainError(err)
		}
		return plainError(c.exportBundle(b, src))
	}
	return cmd
}

// bundleSource is the policy that is exported. What does not compile is not carried on.
func (c *command) bundleSource(ctx context.Context, b bundling, names []string) (policy.Source, error) {
	var o object.Object
	var err error
	if len(b.files) > 0 {
		o, err = c.policyOfFiles(b.files, names)
	} else {
		o, err = c.policyOfServer(ctx, names, b.revision)
	}
	if err != nil {
		return policy.Source{}, err
	}
	spec, ok := o.Spec.(*object.PolicySpec)
	if !ok {
		return policy.Source{}, fmt.Errorf("%s is no Policy", o.Label())
	}
	revision := o.Metadata.Revision
	if b.revision != "" {
		_, _ = fmt.Sscan(b.revision, &revision)
	}
	src := regocheck.Source("", o.Metadata.Name, revision, spec)
	if _, err := policy.Compile(ctx, src); err != nil {
		return src, fmt.Errorf("%s: %w", o.Label(), err)
	}
	return src, nil
}

func (c *command) policyOfFiles(files, names []string) (object.Object, error) {
	_, policies, err := c.readPolicies(files)
	if err != nil {
		return object.Object{}, err
	}
	if len(names) == 1 {
		policies = slices.DeleteFunc(policies, func(p namedPolicy) bool {
			return p.object.Metadata.Name != names[0] || c.remote.tenant != "" && p.object.TenantName() != c.remote.tenant
		})
	}
	if len(policies) != 1 {
		return object.Object{}, fmt.Errorf("a bundle holds one policy, and the files have %d of that name: say which, by NAME and --tenant", len(policies))
	}
	return policies[0].object, nil
}

func (c *command) policyOfServer(ctx context.Context, names []string, revision string) (object.Object, error) {
	if len(names) == 0 {
		return object.Object{}, errors.New("say which policy")
	}
	admin, err := c.admin()
	if err != nil {
		return object.Object{}, err
	}
	found, err := pulled(ctx, admin, names, revision)
	if err != nil {
		return object.Object{}, err
	}
	if len(found) != 1 {
		return object.Object{}, fmt.Errorf("a bundle holds one policy, and %s has %d", names[0], len(found))
	}
	return found[0], nil
}

func (c *command) exportBundle(b bundling, src policy.Source) error {
	if b.folder != "" {
		return c.writeFolder(b.folder, src)
	}
	text, err := c.readSome(b.key, maxKeyFile+1)
	if err != nil {
		return err
	}
	key, err := bundle.ParseSigningKey(b.keyID, text)
	if err != nil {
		return fmt.Errorf("%s: %w", b.key, err)
	}
	var archive bytes.Buffer
	if err := bundle.Write(&archive, src, key); err != nil {
		return err
	}
	opened, err := bundle.Open(archive.Bytes(), []bundle.TrustedKey{key.Trusted()})
	if err != nil {
		return err
	}
	file, err := newFile(b.out)
	if err != nil {
		return err
	}
	_, err = file.Write(archive.Bytes())
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(b.out))
	}
	made := bundledAs(b.out, opened)
	return c.print(made, made.write)
}

// writeFolder writes a bundle's files as they would be packed.
func (c *command) writeFolder(folder string, src policy.Source) error {
	files, err := bundle.Files(src)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // policies are no secret
		return err
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("%s is not empty: what is left in it would be part of the policy", folder)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // a handle of a folder
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, files[name], 0o644); err != nil {
			return err
		}
	}
	return c.print(names, func(w io.Writer) error {
		for _, name := range names {
			_, _ = fmt.Fprintln(w, visible(filepath.Join(folder, name)))
		}
		return nil
	})
}
