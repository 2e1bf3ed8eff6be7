package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/cmd/chancery/doctor"
)

const doctorTimeout = 2 * time.Minute // every IdP is tested

func (c *command) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at an installation: one row a check, and what to do",
		Long: `Look at the configuration, the keyring, the database, the signing keys, the audit log, the certificate and the way to each IdP, and at a
running server by its admin API and, as an outsider does, by its public URL. Nothing is changed, and no secret is shown.

It works while a server runs and while none does. A check that could not be made is skipped and says why. Run it as the user that
serves: the keyring is nobody else's.

Exit status: 0 no check failed; 1 it could not look; 2 a check failed.`,
		Example: `  chancery doctor
  chancery doctor --config /etc/chancery/chancery.yaml --output json
  chancery doctor egress`,
		Args: cobra.NoArgs,
	}
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.doctored(cmd.Context(), func(ctx context.Context, d doctor.Config) error {
			report, err := doctor.Run(ctx, d)
			if err != nil {
				return err
			}
			if err := c.print(report, func(w io.Writer) error { return writeReport(w, report) }); err != nil {
				return err
			}
			if !report.Healthy() {
				return errDiffers
			}
			return nil
		})
	}
	cmd.AddCommand(c.doctorEgressCommand())
	return cmd
}

func (c *command) doctorEgressCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "egress",
		Short: "List every host that a feature calls, and what the egress rules say of it",
		Long: `List every host that a feature calls or would call, what egress.mode and egress.allow say of it, and what does without it. Nothing is called.

Exit status: 0 nothing is denied; 1 it could not look; 2 something is denied.`,
		Example: `  chancery doctor egress
  chancery doctor egress --set egress.mode=deny --output json`,
		Args: cobra.NoArgs,
	}
	c.addRemoteFlags(cmd)
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.doctored(cmd.Context(), func(ctx context.Context, d doctor.Config) error {
			calls, err := doctor.Egress(ctx, d)
			if err != nil {
				return err
			}
			if err := c.print(calls, func(w io.Writer) error { return writeCalls(w, calls) }); err != nil {
				return err
			}
			for _, call := range calls {
				if call.Verdict == doctor.Denied {
					return errDiffers
				}
			}
			return nil
		})
	}
	return cmd
}

// doctored puts together what there is to look at. What is missing is the doctor's to say.
func (c *command) doctored(ctx context.Context, look func(context.Context, doctor.Config) error) error {
	if err := c.checkOutput(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	loaded, loadError := c.loadConfig()
	if loaded == nil && loadError == nil {
		return errors.New("there is no configuration")
	}
	d := doctor.Config{Loaded: loaded, LoadError: loadError, HTTP: outsider(), Now: time.Now}
	if loadError == nil {
		if d.AdminURL = c.remote.server; d.AdminURL == "" {
			d.AdminURL = c.env(envAdminURL)
		}
		if d.AdminURL == "" {
			d.AdminURL, _ = adminURL(loaded.Admin) // without one the doctor says so
		}
		d.AdminURL = strings.TrimSuffix(d.AdminURL, "/")
		admin, err := c.admin()
		if d.AdminError = err; err == nil {
			d.Admin = func(tenant string) doctor.Admin { return admin.Tenant(tenant) }
		}
	}
	return plainError(look(ctx, d))
}

var _ doctor.Admin = (*client.Client)(nil)

// outsider asks as an agent would: by the system's roots, and no further than it is told.
func outsider() *http.Client {
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		},
	}
}

func writeReport(w io.Writer, report doctor.Report) error {
	t := table{columns: []string{"CHECK", "STATUS", "SEEN"}}
	for _, row := range report.Rows {
		t.add(row.Check, string(row.Status), row.Seen)
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, row := range report.Rows {
		if row.Do != "" {
			_, _ = fmt.Fprintf(w, "\n%s (%s): %s", visible(row.Check), row.Status, visible(row.Do))
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func writeCalls(w io.Writer, calls []doctor.Call) error {
	t := table{columns: []string{"FEATURE", "HOST", "VERDICT", "WHY"}}
	for _, call := range calls {
		t.add(call.Feature, call.Host, string(call.Verdict), call.Why)
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, call := range calls {
		if call.Instead != "" && call.Verdict != doctor.Allowed {
			_, _ = fmt.Fprintf(w, "\n%s: instead, %s", visible(call.Feature), call.Instead)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}
