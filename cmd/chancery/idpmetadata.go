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
	"github.com/chancery-dev/chancery/broker/samlmetadata"
	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/saml"
)

func (c *command) idpMetadataCommand() *cobra.Command {
	var digest, document string
	cmd := &cobra.Command{
		Use:   "metadata NAME|FILE|URL",
		Short: "What a SAML IdP says of itself: preview, compare with what is in use, accept",
		Long: `Show a SAML IdP's metadata: its certificates and when they end, and where it takes messages.

With NAME the server asks the address in saml.metadata_url now, as it does every day, and shows what is in use, what waits and
the difference: lines with + come and lines with - go. A certificate or an endpoint that comes waits until it is accepted with
the digest that was shown; what goes counts at once. --document shows what a file would change, and keeps nothing.

With FILE or URL the document is read here, without a server, and nothing is kept: write its values, or the document, into an
entry and apply it.

Exit status: 0 nothing waits; 1 it could not be read; 2 something waits, or would change.`,
		Example: `  chancery idp metadata corp
  chancery idp metadata corp --accept 4f1c…
  chancery idp metadata idp-metadata.xml
  chancery idp metadata https://idp.acme.com/saml/metadata`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&digest, "accept", "", "take over what waits, if its digest is this one")
	cmd.Flags().StringVar(&document, "document", "", "file with a document to compare with what NAME has in use, or - for standard input")
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		if looksLocal(args[0]) {
			if digest != "" || document != "" {
				return errors.New("--accept and --document are for the NAME of an IdP")
			}
			return c.readMetadata(cmd.Context(), args[0])
		}
		if digest != "" && document != "" {
			return errors.New("--accept or --document, not both")
		}
		admin, err := c.admin()
		if err != nil {
			return err
		}
		return plainError(c.metadataOf(cmd.Context(), admin, args[0], digest, document))
	}
	return cmd
}

// looksLocal: names of objects have no dot, no slash and no colon.
func looksLocal(what string) bool { return what == "-" || strings.ContainsAny(what, "./:\\") }

func (c *command) metadataOf(ctx context.Context, admin *client.Client, name, digest, file string) error {
	var raw json.RawMessage
	var err error
	switch {
	case digest != "":
		raw, err = admin.AcceptMetadata(ctx, name, digest)
	case file != "":
		var text []byte
		if text, err = c.readSome(file, saml.MaxBytes+1); err == nil {
			raw, err = admin.LookMetadata(ctx, name, string(text))
		}
	default:
		raw, err = admin.LookMetadata(ctx, name, "")
	}
	if err != nil {
		return err
	}
	var shown samlmetadata.Shown
	if err := json.Unmarshal(raw, &shown); err != nil {
		return fmt.Errorf("admin API: read the metadata: %w", err)
	}
	if err := c.print(raw, func(w io.Writer) error { return writeMetadata(w, name, shown, file != "") }); err != nil {
		return err
	}
	if shown.Pending != nil && (file == "" || len(shown.Changes) > 0) {
		return errDiffers
	}
	return nil
}

// readMetadata reads a document here. The network is this machine's, by the rules of every other fetch.
func (c *command) readMetadata(ctx context.Context, from string) error {
	var text []byte
	var err error
	if strings.Contains(from, "://") {
		var response fetch.Response
		response, err = fetch.New(fetch.Policy{Mode: "allow"}).Get(ctx, from, fetch.Network{}, fetch.Limit{Bytes: saml.MaxBytes, Timeout: 10 * time.Second})
		text = response.Body
	} else {
		text, err = c.readSome(from, saml.MaxBytes+1)
	}
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("%w (the NAME of an IdP has no dot and no slash)", err)
		}
		return err
	}
	m, err := saml.ParseMetadata(text, saml.Expected{}, time.Now())
	if refusal, refused := errors.AsType[*federation.Refusal](err); refused {
		return fmt.Errorf("%s: %w", refusal.Code, err)
	}
	if err != nil {
		return err
	}
	shown := samlmetadata.ShowIdP(&m)
	return c.print(shown, func(w io.Writer) error { return writeMetadataIdP(w, *shown) })
}

func writeMetadata(w io.Writer, name string, shown samlmetadata.Shown, preview bool) error {
	if shown.Failure != "" {
		_, _ = fmt.Fprintf(w, "it could not be read: %s\n\n", visible(shown.Failure))
	}
	if shown.InUse == nil {
		_, _ = fmt.Fprintln(w, "nothing is in use: nobody signs in through this IdP")
	} else {
		_, _ = fmt.Fprintln(w, "in use")
		if err := writeMetadataIdP(w, *shown.InUse); err != nil {
			return err
		}
	}
	if shown.Pending == nil {
		return nil
	}
	head := "\nwaits to be accepted"
	if preview {
		head = "\nthe document would change"
	}
	_, _ = fmt.Fprintln(w, head)
	for _, change := range shown.Changes {
		mark := ""
		if change.Trust {
			mark = "  (needs acceptance)"
		}
		_, _ = fmt.Fprintf(w, "  %s%s\n", visible(change.Field), mark)
		before, after := strings.FieldsFunc(change.Before, separates), strings.FieldsFunc(change.After, separates)
		writeMissing(w, "-", before, after)
		writeMissing(w, "+", after, before)
	}
	_, _ = fmt.Fprintln(w, "  which gives")
	if err := writeMetadataIdP(w, *shown.Pending); err != nil {
		return err
	}
	if !preview {
		_, _ = fmt.Fprintf(w, "\nask who runs the IdP whether this is what he made, then:\n  chancery idp metadata %s --accept %s\n", visible(name), visible(shown.PendingDigest))
	}
	return nil
}

func separates(r rune) bool { return r == ',' || r == ' ' }

func writeMissing(w io.Writer, mark string, from, in []string) {
	have := map[string]bool{}
	for _, one := range in {
		have[one] = true
	}
	for _, one := range from {
		if !have[one] {
			_, _ = fmt.Fprintf(w, "    %s %s\n", mark, visible(one))
		}
	}
}

func writeMetadataIdP(w io.Writer, m samlmetadata.ShownIdP) error {
	_, _ = fmt.Fprintf(w, "  entity ID    %s\n", visible(m.EntityID))
	for _, c := range m.Certificates {
		_, _ = fmt.Fprintf(w, "  certificate  %s  %s  until %s\n", visible(c.Fingerprint), visible(c.Subject), clock(c.NotAfter))
	}
	for _, list := range []struct {
		name      string
		endpoints []samlmetadata.ShownEndpoint
	}{{"sign-on", m.SignOn}, {"logout", m.Logout}} {
		for _, e := range list.endpoints {
			_, _ = fmt.Fprintf(w, "  %-11s  %s  %s\n", list.name, visible(e.Binding[strings.LastIndexByte(e.Binding, ':')+1:]), visible(e.Location))
		}
	}
	if m.WantsSigned {
		_, _ = fmt.Fprintln(w, "  requests     must be signed")
	}
	for _, left := range m.Ignored {
		_, _ = fmt.Fprintf(w, "  left out     %s\n", visible(left))
	}
	return nil
}
