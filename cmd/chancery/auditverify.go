package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/federation/fetch"
)

func (c *command) auditVerifyCommand() *cobra.Command {
	var jwks, head string
	cmd := &cobra.Command{
		Use:   "verify FILE|-",
		Short: "Prove offline that an export was not changed",
		Long: `Prove offline that nothing of an export up to its newest checkpoint was changed, reordered or cut out. It asks no server.

The checkpoints' signatures are held against the keys of --jwks. Without it the keys inside the export have to be trusted, and
whoever could write the export could then have signed it: take the keys from the server beforehand, and keep them elsewhere.
What came after the newest checkpoint is proved by --head only. That the export is recent is not proved: look at "newest".

Exit status: 0 it holds; 1 it does not, with the line and the event where.`,
		Example: `  chancery audit verify audit.jsonl --jwks checkpoint-keys.json
  chancery audit verify audit.jsonl --jwks https://keys.acme.com/chancery.json --head 9f86d081884c7d65…`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&jwks, "jwks", "", "trusted checkpoint keys: a file, or an https URL")
	cmd.Flags().StringVar(&head, "head", "", "hash of all heads, noted elsewhere (64 hex digits)")
	c.addOutputFlag(cmd, asTable)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.checkOutput(); err != nil {
			return err
		}
		expect, err := expectation(cmd.Context(), cmd.Flags().Changed("jwks"), jwks, cmd.Flags().Changed("head"), head)
		if err != nil {
			return err
		}
		return plainError(c.verify(args[0], expect))
	}
	return cmd
}

// expectation reads what the export is held against. A flag that is there but empty is a mistake, not "trust the export".
func expectation(ctx context.Context, withKeys bool, jwks string, withHead bool, head string) (audit.Expect, error) {
	var expect audit.Expect
	if withKeys {
		text, err := readKeys(ctx, jwks)
		if err != nil {
			return expect, fmt.Errorf("--jwks: %w", err)
		}
		if expect.Keys, err = audit.ParseJWKS(text); err != nil {
			return expect, fmt.Errorf("--jwks: %w", err)
		}
	}
	if withHead {
		digest, err := audit.ParseDigest(head)
		if err != nil {
			return expect, fmt.Errorf("--head: %w", err)
		}
		expect.Head = &digest
	}
	return expect, nil
}

func readKeys(ctx context.Context, from string) ([]byte, error) {
	switch {
	case from == "":
		return nil, errors.New("a file or an https URL is expected")
	case strings.HasPrefix(from, "http://"):
		return nil, errors.New("keys that came over plain http prove nothing: use https or a file")
	case !strings.HasPrefix(from, "https://"):
		return os.ReadFile(from) //nolint:gosec // the operator names the file
	}
	response, err := fetch.New(fetch.Policy{Mode: "allow"}).Get(ctx, from, fetch.Network{}, fetch.Limit{Timeout: 10 * time.Second})
	return response.Body, err
}

// proof is what verify prints.
type proof struct {
	Verified    bool      `json:"verified"`
	Tenant      string    `json:"tenant,omitempty"`
	ExportedAt  time.Time `json:"exported_at,omitzero"`
	Events      int64     `json:"events"`
	Bare        int64     `json:"bare"`
	Unproven    int64     `json:"unproven"`
	Writers     int       `json:"writers"`
	Checkpoints int64     `json:"checkpoints"`
	Newest      time.Time `json:"newest_checkpoint,omitzero"`
	Head        string    `json:"head,omitempty"`
	KeyIDs      []string  `json:"keys,omitempty"`
	KeysTrusted bool      `json:"keys_trusted"` // the keys came from --jwks
	Error       string    `json:"error,omitempty"`
	Line        int       `json:"line,omitempty"`
	Writer      string    `json:"writer,omitempty"`
	Seq         int64     `json:"seq,omitempty"`
}

func (c *command) verify(path string, expect audit.Expect) error {
	export := c.stdin
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the operator names the file
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // only read
		export = f
	}
	report, err := audit.Verify(export, expect)
	if err != nil {
		return c.refuted(path, err)
	}
	p := proof{
		Verified: true, Tenant: report.Tenant, ExportedAt: report.ExportedAt, Events: report.Events, Bare: report.Bare, Unproven: report.Unproven,
		Writers: report.Writers, Checkpoints: report.Checkpoints, Newest: report.Newest, Head: fmt.Sprintf("%x", report.Head[:]),
		KeyIDs: report.KeyIDs, KeysTrusted: report.Trusted,
	}
	if !report.Trusted {
		_, _ = fmt.Fprintln(c.stderr, "warning: the keys inside the export had to be trusted: whoever could write it could have signed it. Give --jwks.")
	}
	if report.Unproven > 0 {
		_, _ = fmt.Fprintf(c.stderr, "warning: %d events came after the newest checkpoint and are not proved. Export again, or give --head.\n", report.Unproven)
	}
	return c.print(p, p.write)
}

// refuted says where the export does not hold.
func (c *command) refuted(path string, err error) error {
	bad, ok := errors.AsType[*audit.Bad](err)
	if ok && c.output != asTable {
		p := proof{Error: bad.What, Line: bad.Line, Writer: bad.Writer, Seq: bad.Seq}
		if printErr := c.print(p, nil); printErr != nil {
			return printErr
		}
	}
	return fmt.Errorf("%s: %w", path, err)
}

func (p proof) write(w io.Writer) error {
	keys := "from --jwks"
	if !p.KeysTrusted {
		keys = "from the export itself"
	}
	whole := p.Tenant
	if whole == "" {
		whole = "(all)"
	}
	for _, line := range [][2]string{
		{"verified", "yes"},
		{"tenant", whole},
		{"exported", clock(p.ExportedAt)},
		{"events", fmt.Sprintf("%d (%d without a body, %d not proved)", p.Events, p.Bare, p.Unproven)},
		{"writers", fmt.Sprint(p.Writers)},
		{"checkpoints", fmt.Sprint(p.Checkpoints)},
		{"newest", clock(p.Newest)},
		{"keys", strings.Join(p.KeyIDs, " ") + " (" + keys + ")"},
		{"head", p.Head},
	} {
		_, _ = fmt.Fprintf(w, "%-11s  %s\n", line[0], visible(line[1]))
	}
	return nil
}
