package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/saml"
)

func (c *command) idpInspectCommand() *cobra.Command {
	var s sample
	var entryFile, issuer string
	cmd := &cobra.Command{
		Use:   "inspect FILE|-",
		Short: "Take an assertion, an ID token or a SAML response apart, and name likely mistakes; works without a server",
		Long: `Take an assertion, an ID token or a SAML message (XML, base64, or the form's body) apart: what it looks like, its claims and times as people read them, and likely mistakes. Nothing is stored
or logged, and no signature is shown. It works without a server; what cannot be known without one is skipped, not passed.

--issuer is our issuer, which aud must be. --idp is an IdentityProvider: its issuer is compared, and its inline keys verify the
signature. With both, an ID token or a SAML response is checked as a sign-in through that entry would check it, by the clock of
now; metadata at an address is not fetched: write it, or the certificates, into the file. With --server the server rehearses the assertion as well (chancery idp test).

Exit status: 0 no check failed; 1 it could not be read; 2 a check failed.`,
		Example: `  chancery idp inspect id-jag.txt
  pbpaste | chancery idp inspect - --issuer https://auth.acme.com --idp okta.yaml
  chancery idp inspect response.b64 --issuer https://auth.acme.com --idp corp-saml.yaml
  chancery idp inspect id-jag.txt --server https://auth-admin.acme.com`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&entryFile, "idp", "", "file with the IdentityProvider")
	cmd.Flags().StringVar(&issuer, "issuer", "", "our issuer, byte for byte")
	s.add(cmd)
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		if strings.HasSuffix(issuer, "/") {
			return fmt.Errorf("--issuer: %q ends in a slash, and our issuer never does: say server.public_url as the configuration does", issuer)
		}
		text, err := c.readSome(args[0], 2*saml.MaxBytes)
		if err != nil {
			return err
		}
		compact := strings.TrimSpace(string(text))
		options := diagnose.InspectOptions{Issuer: issuer, ClientID: s.client}
		if entryFile != "" {
			if err := c.offlineEntry(cmd.Context(), entryFile, &options); err != nil {
				return err
			}
		}
		in := diagnose.Inspect(cmd.Context(), compact, options, time.Now())
		if err := c.print(in, func(w io.Writer) error { return writeInspection(w, in) }); err != nil {
			return err
		}
		var remote error
		if c.remote.server != "" && !diagnose.LooksLikeSAML(compact) {
			remote = c.inspectRemotely(cmd, client.IdPTest{Assertion: compact, ClientID: s.client, Resource: s.resource, Scope: s.scope})
		}
		if remote != nil && !errors.Is(remote, errDiffers) {
			return plainError(remote)
		}
		if !in.Passed() || remote != nil {
			return errDiffers
		}
		return nil
	}
	return cmd
}

func (c *command) inspectRemotely(cmd *cobra.Command, ask client.IdPTest) error {
	admin, err := c.admin()
	if err != nil {
		return err
	}
	if c.output == asTable {
		_, _ = fmt.Fprintln(c.stdout, "\non the server")
	}
	return c.testIdP(cmd.Context(), admin, ask)
}

// offlineEntry is an IdentityProvider as the server would read it, with the way in through it where our issuer is known.
func (c *command) offlineEntry(ctx context.Context, file string, options *diagnose.InspectOptions) error {
	o, err := c.readEntry(file)
	if err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	spec, err := json.Marshal(o.Spec)
	if err != nil {
		return err
	}
	stored := object.Stored{UID: "offline", Kind: o.Kind, Name: o.Metadata.Name, Revision: 1, Spec: spec}
	entry, in, err := snapshot.Offline(ctx, stored, options.Issuer, time.Now)
	if err != nil {
		return err
	}
	options.Entry, options.OpenID = &entry, in.OpenID[entry.UID]
	options.SAML, _ = in.SAMLProvider(entry.UID)
	return nil
}

func writeInspection(w io.Writer, in diagnose.Inspection) error {
	_, _ = fmt.Fprintf(w, "this looks like %s\n", visible(in.LooksLike))
	for _, part := range []map[string]any{in.Header, in.Claims} {
		if part == nil {
			continue
		}
		text, err := json.Marshal(part)
		if err != nil {
			return err
		}
		if err := writeIndented(w, text); err != nil {
			return err
		}
	}
	for _, line := range in.Times {
		_, _ = fmt.Fprintln(w, visible(line))
	}
	_, _ = fmt.Fprintln(w)
	return writeRows(w, in.Rows)
}
