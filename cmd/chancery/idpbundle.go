package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/federation/bundle"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

func (c *command) idpBundleCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bundle", Short: "Carry an IdP's keys to a site without a network"}
	cmd.AddCommand(c.bundleCreateCommand(), c.bundleImportCommand())
	return cmd
}

func (c *command) bundleCreateCommand() *cobra.Command {
	var from, idp, out, notAfter, caBundle, proxy string
	var private bool
	cmd := &cobra.Command{
		Use:   "create --from URL|--idp NAME --out FILE",
		Short: "Fetch an IdP's metadata and keys into one file, on the side that has a network",
		Long: `Fetch an IdP's metadata and key set from this machine, and write them as one JSON document with where and when they were
fetched, until when they may be used, and a SHA-256 over it. The hash finds accidents, it is no signature: compare what is
printed here with what import prints, over another way.`,
		Example: `  chancery idp bundle create --from https://idp.acme.com --out idp.bundle.json
  chancery idp bundle create --idp okta --out okta.bundle.json --not-after 2027-03-01T00:00:00Z`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "the IdP's issuer, byte for byte")
	flags.StringVar(&idp, "idp", "", "an entry of the server, whose issuer and network settings are used, from this machine")
	flags.StringVar(&out, "out", "", "file to write; it must not be there")
	flags.StringVar(&notAfter, "not-after", "", "until when the keys may be used, RFC 3339 (default: in 90 days, at most 398)")
	flags.StringVar(&caBundle, "ca-bundle", "", "with --from: file of the authorities that are trusted for it")
	flags.StringVar(&proxy, "proxy", "", "with --from: an http or https proxy")
	flags.BoolVar(&private, "allow-private-addresses", false, "with --from: the IdP is in a network of one's own")
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		if (from == "") == (idp == "") || out == "" {
			return errors.New("say where from, --from URL or --idp NAME, and where to, --out FILE")
		}
		source := jwks.Source{Issuer: from, Network: fetch.Network{CABundle: caBundle, Proxy: proxy, AllowPrivateAddresses: private}}
		if idp != "" {
			var err error
			if source, err = c.sourceOf(cmd.Context(), idp); err != nil {
				return plainError(err)
			}
		}
		now := time.Now()
		until := now.Add(bundle.DefaultLife)
		if notAfter != "" {
			var err error
			if until, err = time.Parse(time.RFC3339, notAfter); err != nil {
				return fmt.Errorf("--not-after: %w", err)
			}
		}
		made, err := bundle.Create(cmd.Context(), fetch.New(fetch.Policy{Mode: "allow"}), source, now, until)
		if err != nil {
			return plainError(issuerDifference(err))
		}
		return c.writeBundle(made, out)
	}
	return cmd
}

// sourceOf says how a saved entry is reached.
func (c *command) sourceOf(ctx context.Context, name string) (jwks.Source, error) {
	admin, err := c.admin()
	if err != nil {
		return jwks.Source{}, err
	}
	_, spec, err := entryOf(ctx, admin, name)
	if err != nil {
		return jwks.Source{}, err
	}
	return jwks.Source{Issuer: spec.Issuer, URI: spec.JWKS.URI, Network: fetch.Network{
		CABundle: spec.Network.CABundle, Proxy: spec.Network.Proxy, AllowPrivateAddresses: spec.Network.AllowPrivateAddresses,
	}}, nil
}

func entryOf(ctx context.Context, admin *client.Client, name string) (object.Object, *object.IdentityProviderSpec, error) {
	o, err := admin.Get(ctx, object.KindIdentityProvider, name)
	if err != nil {
		return o, nil, err
	}
	spec, ok := o.Spec.(*object.IdentityProviderSpec)
	if !ok {
		return o, nil, errors.New("admin API: the answer is no IdentityProvider")
	}
	return o, spec, nil
}

// issuerDifference shows where two issuers differ.
func issuerDifference(err error) error {
	issuers, ok := errors.AsType[*bundle.IssuerError](err)
	if !ok {
		return err
	}
	lines := append([]string{"iss_mismatch: " + bundle.ErrIssuer.Error()}, diagnose.Difference(issuers.Configured, issuers.Published)...)
	return errors.New(strings.Join(lines, "\n  "))
}

func (c *command) writeBundle(made bundle.Bundle, out string) error {
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	summary := bundleSummary{Issuer: made.Issuer, FetchedAt: made.FetchedAt, NotAfter: made.NotAfter, SHA256: made.SHA256, File: out}
	keys, dropped, err := made.Keys()
	if err != nil {
		return err
	}
	for _, key := range keys {
		summary.Added = append(summary.Added, diagnose.KeyLine(key))
	}
	for _, w := range dropped {
		summary.Dropped = append(summary.Dropped, w.String())
	}
	return c.print(summary, summary.write)
}

// bundleSummary is what create and import tell.
type bundleSummary struct {
	IdP       string    `json:"idp,omitempty"`
	Issuer    string    `json:"issuer"`
	FetchedAt time.Time `json:"fetched_at"`
	NotAfter  time.Time `json:"not_after"`
	SHA256    string    `json:"sha256"`
	File      string    `json:"file"`
	Added     []string  `json:"added"`
	Kept      []string  `json:"kept,omitempty"`
	Removed   []string  `json:"removed,omitempty"`
	Dropped   []string  `json:"dropped,omitempty"`
	Applied   bool      `json:"applied"`
}

func (s bundleSummary) write(w io.Writer) error {
	_, _ = fmt.Fprintf(w, "issuer     %s\nfetched    %s\nnot after  %s\nsha256     %s\n", visible(s.Issuer), clock(s.FetchedAt), clock(s.NotAfter), s.SHA256)
	for _, part := range []struct {
		mark string
		keys []string
	}{{"+", s.Added}, {"=", s.Kept}, {"-", s.Removed}, {"!", s.Dropped}} {
		for _, key := range part.keys {
			_, _ = fmt.Fprintln(w, part.mark+" "+visible(key))
		}
	}
	return nil
}

func (c *command) bundleImportCommand() *cobra.Command {
	var idp string
	var keepOld, dryRun, older bool
	cmd := &cobra.Command{
		Use:   "import FILE|- --idp NAME",
		Short: "Put a bundle's keys into an entry, and show which keys come and go",
		Long: `Put a bundle's keys into an IdP's entry as jwks.inline with jwks.not_after, by the way of apply, and show which keys are added
(+), kept (=) and removed (-), by kid and thumbprint. The entry must be there, with exactly the bundle's issuer. --keep-old
keeps keys that the bundle does not have any more, for as long as assertions that they signed may still come: import once more
without it to remove them. A bundle that ends before what the entry has is refused (--older takes it).

Exit status: 0 done, or nothing to do; 1 refused; with --dry-run 2 if anything would change.`,
		Example: `  chancery idp bundle import okta.bundle.json --idp okta --dry-run
  chancery idp bundle import okta.bundle.json --idp okta --keep-old`,
		Args: cobra.ExactArgs(1),
	}
	flags := cmd.Flags()
	flags.StringVar(&idp, "idp", "", "the entry that gets the keys")
	flags.BoolVar(&keepOld, "keep-old", false, "keep the entry's inline keys that the bundle does not have")
	flags.BoolVar(&older, "older", false, "take a bundle that ends before what the entry has")
	flags.BoolVar(&dryRun, "dry-run", false, "change nothing, say what would change; exit status 2 if anything")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if idp == "" {
			return errors.New("say which entry gets the keys: --idp NAME")
		}
		text, err := c.readSome(args[0], bundle.MaxBytes+1)
		if err != nil {
			return err
		}
		read, err := bundle.Parse(text)
		if err != nil {
			return issuerDifference(err)
		}
		if err := read.Current(time.Now()); err != nil {
			return err
		}
		o, spec, err := entryOf(ctx, admin, idp)
		if err != nil {
			return err
		}
		summary, err := fill(spec, read, keepOld, older)
		if err != nil {
			return issuerDifference(err)
		}
		summary.IdP, summary.File, summary.Applied = idp, args[0], !dryRun
		manager := o.Metadata.ManagedBy
		o.Metadata = object.Metadata{Name: o.Metadata.Name, Tenant: o.Metadata.Tenant, Labels: o.Metadata.Labels}
		plan, err := admin.Apply(ctx, []object.Object{o}, client.ApplyOptions{Manager: manager, DryRun: dryRun})
		if err != nil {
			return err
		}
		for _, warning := range plan.Warnings {
			_, _ = fmt.Fprintln(c.stderr, "warning:", visible(warning.String()))
		}
		if err := c.print(summary, summary.write); err != nil {
			return err
		}
		if dryRun && plan.Differs() {
			return errDiffers
		}
		return nil
	})
}

// fill puts a bundle into an entry, in the memory of this process.
func fill(spec *object.IdentityProviderSpec, read bundle.Bundle, keepOld, older bool) (bundleSummary, error) {
	if spec.Issuer != read.Issuer {
		return bundleSummary{}, &bundle.IssuerError{Configured: spec.Issuer, Published: read.Issuer}
	}
	var former []byte
	if spec.JWKS.HasInlineKeys() {
		var err error
		if former, err = json.Marshal(spec.JWKS.Inline); err != nil {
			return bundleSummary{}, err
		}
		ends, err := time.Parse(time.RFC3339, spec.JWKS.NotAfter)
		if err == nil && read.NotAfter.Before(ends) && !older {
			return bundleSummary{}, fmt.Errorf("the bundle ends at %s, the entry's keys at %s: an older bundle may bring back keys that were withdrawn (--older takes it)", clock(read.NotAfter), clock(ends))
		}
	}
	set, diff, err := bundle.Merge(former, read.JWKS.Body, keepOld)
	if err != nil {
		return bundleSummary{}, err
	}
	spec.JWKS = object.IdPKeys{Inline: set, NotAfter: read.NotAfter.Format(time.RFC3339)}
	summary := bundleSummary{Issuer: read.Issuer, FetchedAt: read.FetchedAt, NotAfter: read.NotAfter, SHA256: read.SHA256, Added: keyLines(diff.Added), Kept: keyLines(diff.Kept), Removed: keyLines(diff.Removed)}
	_, dropped, err := read.Keys()
	for _, w := range dropped {
		summary.Dropped = append(summary.Dropped, w.String())
	}
	return summary, err
}

func keyLines(set jwks.Set) []string {
	lines := make([]string, 0, len(set))
	for _, key := range set {
		lines = append(lines, diagnose.KeyLine(key))
	}
	return lines
}
