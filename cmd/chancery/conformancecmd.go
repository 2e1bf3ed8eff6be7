package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/cmd/chancery/conformance"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// envConformanceSecret holds the client's secret: a flag would show it to everybody
// on the machine.
const envConformanceSecret = "CHANCERY_CONFORMANCE_CLIENT_SECRET"

// conformanceFlags are what the command line says over the settings file.
type conformanceFlags struct {
	settings  string
	target    string
	profile   string
	client    conformance.Client
	other     conformance.Client
	resource  string
	scopes    []string
	subject   string
	email     string
	idp       conformance.IdP
	rate      float64
	timeout   time.Duration
	plain     bool
	only      []string
	list, dry bool
	all       bool
	junit     string
	setup     string
}

func (c *command) conformanceCommand() *cobra.Command {
	var f conformanceFlags
	cmd := &cobra.Command{
		Use:   "conformance --target URL",
		Short: "Ask any resource authorization server what it accepts that it must not",
		Long: `Play an identity provider and a client against a resource authorization server, from outside: valid assertions as positive
controls, and then each time one thing broken, with the section of the standard that forbids it. The server must know the
suite's issuer and keys first (--print-setup), one confidential client, one person and one resource. Nothing is changed at
the server but that tokens are issued. See docs/conformance.md.

Exit status: 0 everything passed; 1 the suite could not run, or a valid assertion was refused, so that nothing is proved;
2 not everything passed.`,
		Example: `  chancery conformance --print-setup chancery --target https://auth.acme.com --client-id conformance --resource https://mcp.acme.com/notes --scope notes:read --idp-listen 10.0.0.5:9500
  chancery conformance --settings conformance.yaml --junit conformance.xml
  chancery conformance --settings conformance.yaml --only assertion.aud --only once
  chancery conformance --list --profile jwt-bearer`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.checkOutput(); err != nil {
				return err
			}
			return c.conformance(cmd, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.target, "target", "", "issuer of the server, as its metadata says it")
	flags.StringVar(&f.settings, "settings", "", "YAML file of settings; flags are stronger")
	flags.StringVar(&f.profile, "profile", "", "id-jag or jwt-bearer (default id-jag)")
	flags.StringVar(&f.client.ID, "client-id", "", "the client, as the server knows it")
	flags.StringVar(&f.client.Auth, "client-auth", "", "client_secret_basic, client_secret_post or private_key_jwt (default client_secret_basic)")
	flags.StringVar(&f.client.SecretFile, "client-secret-file", "", "file that holds its secret ("+envConformanceSecret+")")
	flags.StringVar(&f.client.KeyFile, "client-key-file", "", "file that holds its private key, PKCS #8 in PEM, for private_key_jwt")
	flags.StringVar(&f.client.KeyID, "client-key-id", "", "kid of that key (default: its thumbprint)")
	flags.StringVar(&f.other.ID, "other-client-id", "", "a second client, which presents what is not its own")
	flags.StringVar(&f.other.SecretFile, "other-client-secret-file", "", "file that holds the second client's secret")
	flags.StringVar(&f.resource, "resource", "", "resource that tokens are asked for")
	flags.StringSliceVar(&f.scopes, "scope", nil, "scopes that are asserted and asked for; may be repeated")
	flags.StringVar(&f.subject, "subject", "", "sub of the person (default 00u1alice)")
	flags.StringVar(&f.email, "email", "", "email of the person (default alice@acme.com)")
	flags.StringVar(&f.idp.Listen, "idp-listen", "", `address on which keys and metadata of the suite's issuer are served, or "none" (default 127.0.0.1:0)`)
	flags.StringVar(&f.idp.URL, "idp-url", "", "URL at which the server reaches that address: the issuer of the assertions")
	flags.StringVar(&f.idp.Algorithm, "idp-algorithm", "", "ES256 or RS256 (default ES256)")
	flags.StringVar(&f.idp.KeyFile, "idp-key-file", "", "the issuer's private key, PKCS #8 in PEM (default: a fresh one)")
	flags.Float64Var(&f.rate, "rate", 0, "requests a second (default 10)")
	flags.DurationVar(&f.timeout, "timeout", 0, "of one request (default 10s)")
	flags.BoolVar(&f.plain, "allow-plain-http", false, "send the client's secret over plain http to another machine")
	flags.StringArrayVar(&f.only, "only", nil, "id of a case, or how ids begin; may be repeated")
	flags.BoolVar(&f.list, "list", false, "list the cases of the profile, and send nothing")
	flags.BoolVar(&f.dry, "dry-run", false, "check the settings, show what would be sent, and send nothing")
	flags.BoolVar(&f.all, "all", false, "show every case in the table, not only those that did not pass")
	flags.StringVar(&f.junit, "junit", "", "also write the results as JUnit XML to this file")
	flags.StringVar(&f.setup, "print-setup", "", "print what the server must be told first, for chancery, keycloak or generic, and send nothing")
	c.addOutputFlag(cmd, asTable)
	return cmd
}

func (c *command) conformance(cmd *cobra.Command, f conformanceFlags) error {
	s, err := c.conformanceSettings(f)
	if err != nil {
		return err
	}
	switch {
	case f.list:
		return c.printPlan(conformance.Plan(s, f.only))
	case f.setup != "":
		return conformance.WriteSetup(cmd.Context(), c.stdout, f.setup, s, time.Now)
	}
	if err := readCredentials(&s, c.lookup); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	if f.dry {
		return c.printPlan(conformance.Plan(s, f.only))
	}
	return c.runConformance(cmd.Context(), s, f)
}

// conformanceSettings are the file's, and what flags say over it.
func (c *command) conformanceSettings(f conformanceFlags) (conformance.Settings, error) {
	s := conformance.DefaultSettings()
	if f.settings != "" {
		text, err := os.ReadFile(f.settings)
		if err != nil {
			return s, err
		}
		if s, err = conformance.ReadSettings(bytes.NewReader(text)); err != nil {
			return s, fmt.Errorf("%s: %w", f.settings, err)
		}
	}
	for _, flag := range []struct {
		said string
		into *string
	}{
		{f.target, &s.Target},
		{f.profile, (*string)(&s.Profile)},
		{f.client.ID, &s.Client.ID},
		{f.client.Auth, &s.Client.Auth},
		{f.client.SecretFile, &s.Client.SecretFile},
		{f.client.KeyFile, &s.Client.KeyFile},
		{f.client.KeyID, &s.Client.KeyID},
		{f.other.ID, &s.OtherClient.ID},
		{f.other.SecretFile, &s.OtherClient.SecretFile},
		{f.resource, &s.Resource},
		{f.subject, &s.Subject},
		{f.email, &s.Email},
		{f.idp.Listen, &s.IdP.Listen},
		{f.idp.URL, &s.IdP.URL},
		{f.idp.Algorithm, &s.IdP.Algorithm},
		{f.idp.KeyFile, &s.IdP.KeyFile},
	} {
		if flag.said != "" {
			*flag.into = flag.said
		}
	}
	if len(f.scopes) > 0 {
		s.Scopes = f.scopes
	}
	if f.rate != 0 {
		s.Rate = f.rate
	}
	if f.timeout != 0 {
		s.Timeout = f.timeout
	}
	s.AllowPlainHTTP = s.AllowPlainHTTP || f.plain
	if s.Client.SecretFile == "" && s.Client.SecretEnv == "" && c.env(envConformanceSecret) != "" {
		s.Client.SecretEnv = envConformanceSecret
	}
	if s.Client.KeyFile != "" && s.Client.Auth == "" {
		s.Client.Auth = conformance.PrivateKeyJWT
	}
	return s, nil
}

func (c *command) lookup(name string) (string, bool) {
	value := c.env(name)
	return value, value != ""
}

// readCredentials reads what the clients prove themselves with.
func readCredentials(s *conformance.Settings, lookup func(string) (string, bool)) error {
	for name, client := range map[string]*conformance.Client{"client": &s.Client, "other_client": &s.OtherClient} {
		if client.SecretEnv != "" || client.SecretFile != "" {
			var text secret.Text
			text, err := config.Ref{Env: client.SecretEnv, File: client.SecretFile}.Resolve(lookup)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			client.Secret = text
		}
		if client.KeyFile != "" {
			key, err := conformance.ReadKey(client.KeyFile, client.KeyID)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			client.Key = key
		}
	}
	return nil
}

func (c *command) printPlan(plan []conformance.Result) error {
	return c.print(plan, func(w io.Writer) error {
		t := &table{columns: []string{"CASE", "SEVERITY", "SECTION", "SENT", "EXPECTED"}}
		for _, r := range plan {
			t.add(r.ID, string(r.Severity), r.Section, r.Title, r.Expected)
		}
		if err := t.write(w); err != nil {
			return err
		}
		_, err := fmt.Fprintf(w, "%d cases\n", len(plan))
		return err
	})
}

func (c *command) runConformance(ctx context.Context, s conformance.Settings, f conformanceFlags) error {
	report, err := conformance.Run(ctx, s, conformance.Options{
		Now: time.Now, Only: f.only,
		Wait: func(idp *idptest.IdP) error {
			_, err := fmt.Fprintf(c.stderr, "assertions of %s, as %s, for %s\n", idp.Issuer(), s.Client.ID, s.Target)
			return err
		},
	})
	if report == nil {
		return plainError(err)
	}
	report.Version = buildVersion()
	if f.junit != "" {
		if err := writeJUnit(f.junit, report); err != nil {
			return err
		}
	}
	if err := c.print(report, func(w io.Writer) error { return writeConformance(w, report, f.all) }); err != nil {
		return err
	}
	switch {
	case err != nil:
		return plainError(err)
	case !report.AllPassed():
		return errDiffers
	}
	return nil
}

func writeJUnit(path string, report *conformance.Report) error {
	file, err := os.Create(path) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	return errors.Join(report.WriteJUnit(file), file.Close())
}

// writeConformance shows what did not pass, or everything.
func writeConformance(w io.Writer, report *conformance.Report, all bool) error {
	t := &table{columns: []string{"CASE", "OUTCOME", "SEVERITY", "SECTION", "SENT", "EXPECTED", "GOT"}}
	for _, r := range append(append([]conformance.Result{}, report.Controls...), report.Results...) {
		if !all && (r.Outcome == conformance.Passed || r.Outcome == conformance.NotApplicable) {
			continue
		}
		outcome := string(r.Outcome)
		if r.Fault != "" {
			outcome += " (" + string(r.Fault) + ")"
		}
		t.add(r.ID, outcome, string(r.Severity), r.Section, r.Sent, r.Expected, r.Got)
	}
	if len(t.rows) > 0 {
		if err := t.write(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, report)
	return err
}
