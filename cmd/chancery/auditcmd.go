package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

const (
	tailWait = 25 * time.Second // less than the server's longest
	pageSize = 1000             // the server's largest page
)

func (c *command) auditCommand() *cobra.Command {
	parent := &cobra.Command{Use: "audit", Short: "Read, export and verify the audit log"}
	parent.AddCommand(c.auditTailCommand(), c.auditQueryCommand(), c.auditExportCommand(), c.auditVerifyCommand())
	return parent
}

func (c *command) auditTailCommand() *cobra.Command {
	var lines, limit int
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show events as they happen, until interrupted",
		Example: `  chancery audit tail
  chancery audit tail --lines 20 --output json`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().IntVar(&lines, "lines", 0, "begin with so many of the newest events")
	cmd.Flags().IntVar(&limit, "limit", 0, "end after so many events (0: never)")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		err := c.tail(ctx, admin, lines, limit)
		if errors.Is(err, context.Canceled) {
			return nil // interrupted, as it is meant to end
		}
		return err
	})
}

// tail takes its position first and looks back then, so that no event falls between.
func (c *command) tail(ctx context.Context, admin *client.Client, lines, limit int) error {
	if lines < 0 || lines > pageSize || limit < 0 {
		return fmt.Errorf("--lines is a number from 0 to %d, --limit is not negative", pageSize)
	}
	page, err := admin.TailAudit(ctx, "", 0)
	if err != nil {
		return err
	}
	out, seen := c.events(), map[string]bool{}
	if lines > 0 {
		before, err := admin.QueryAudit(ctx, client.AuditQuery{Limit: lines})
		if err != nil {
			return err
		}
		slices.Reverse(before.Items)
		for _, raw := range before.Items {
			seen[eventOf(raw).ID] = true
			if err := out.write(raw); err != nil {
				return err
			}
		}
	}
	for shown := 0; ; {
		if page.Next == "" { // asked without a position, the server would not wait
			return errors.New("admin API: the answer holds no position")
		}
		if page, err = admin.TailAudit(ctx, page.Next, tailWait); err != nil {
			return err
		}
		for _, raw := range page.Items {
			if seen[eventOf(raw).ID] {
				continue
			}
			if err := out.write(raw); err != nil {
				return err
			}
			if shown++; shown == limit {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (c *command) auditQueryCommand() *cobra.Command {
	var q client.AuditQuery
	var since, until string
	cmd := &cobra.Command{
		Use:   "query",
		Short: "Find events, the newest first",
		Long:  "Find events, the newest first. As JSON, one event a line in its canonical form.",
		Example: `  chancery audit query --since 24h --outcome refused
  chancery audit query --client claude --code policy_denied --limit 20
  chancery audit query --type object.changed,object.deleted --since 2030-01-31T00:00:00Z --output json`,
		Args: cobra.NoArgs,
	}
	flags := cmd.Flags()
	flags.StringVar(&since, "since", "", "not before: a time (RFC 3339), or how long ago (90m, 24h, 7d)")
	flags.StringVar(&until, "until", "", "before: a time, or how long ago")
	flags.StringVar(&q.Type, "type", "", "types, with commas between them")
	flags.StringVar(&q.Outcome, "outcome", "", "allowed, refused, challenged or changed")
	flags.StringVar(&q.Code, "code", "", "code of a refusal")
	flags.StringVar(&q.Trace, "trace", "", "trace id")
	flags.StringVar(&q.ID, "id", "", "event id")
	flags.StringVar(&q.Client, "client", "", "client")
	flags.StringVar(&q.Token, "token", "", "jti of a token")
	flags.IntVar(&q.Limit, "limit", 100, "at most so many (0: all)")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		var err error
		if q.Since, err = moment("--since", since, time.Now()); err != nil {
			return err
		}
		if q.Until, err = moment("--until", until, time.Now()); err != nil {
			return err
		}
		return c.query(ctx, admin, q)
	})
}

func (c *command) query(ctx context.Context, admin *client.Client, q client.AuditQuery) error {
	if q.Limit < 0 {
		return errors.New("--limit is not negative")
	}
	out, left := c.events(), q.Limit
	for {
		q.Limit = pageSize
		if left > 0 {
			q.Limit = min(left, pageSize)
		}
		page, err := admin.QueryAudit(ctx, q)
		if err != nil {
			return err
		}
		for _, raw := range page.Items {
			if err := out.write(raw); err != nil {
				return err
			}
		}
		if left > 0 {
			if left -= len(page.Items); left <= 0 {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

// moment reads a time, or how long ago.
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n < 100_000 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, fmt.Errorf("%s: %q: a time such as 2030-01-31T00:00:00Z, or how long ago such as 90m, 24h or 7d, is expected", flag, text)
	}
	return now.Add(-ago), nil
}

func (c *command) auditExportCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the whole audit log as JSON lines, checkpoints included",
		Long: `Write the whole audit log of a tenant as JSON lines, checkpoints included, in the form that audit verify reads. Events of other
tenants are in it as hashes that tell nothing; they hold the chain together.`,
		Example: `  chancery audit export --out audit.jsonl
  chancery audit export --tenant acme | gzip > audit.jsonl.gz`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&out, "out", "", "write into a new file that only you can read (0600)")
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, _ []string) error {
		if out == "" {
			return admin.ExportAudit(ctx, c.stdout)
		}
		f, err := newFile(out)
		if err != nil {
			return err
		}
		if err := errors.Join(admin.ExportAudit(ctx, f), f.Sync(), f.Close()); err != nil {
			return errors.Join(err, os.Remove(out)) // half an export is none
		}
		return nil
	})
}

// event is what the table shows of one.
type event struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	Type     string    `json:"type"`
	Outcome  string    `json:"outcome"`
	Code     string    `json:"code"`
	Client   string    `json:"client"`
	OnBehalf string    `json:"on_behalf"`
	Resource string    `json:"resource"`
	Trace    string    `json:"trace"`
	By       struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"principal"`
	Detail struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"detail"`
}

func eventOf(raw json.RawMessage) event {
	var e event
	_ = json.Unmarshal(raw, &e) // what cannot be read shows as nothing
	return e
}

// eventWriter writes events one by one: a table's columns are as wide as such
// things are, JSON is one event a line, YAML one document each.
type eventWriter struct {
	out    io.Writer
	output string
	begun  bool
}

func (c *command) events() *eventWriter { return &eventWriter{out: c.stdout, output: c.output} }

const eventRow = "%-20s  %-22s  %-10s  %-26s  %-20s  %-30s  %-16s  %s\n"

func (w *eventWriter) write(raw json.RawMessage) error {
	first := !w.begun
	w.begun = true
	switch w.output {
	case asJSON:
		_, err := fmt.Fprintf(w.out, "%s\n", raw)
		return err
	case asYAML:
		if !first {
			_, _ = fmt.Fprintln(w.out, "---")
		}
		return printYAML(w.out, raw)
	}
	if first {
		_, _ = fmt.Fprintf(w.out, eventRow, "AT", "TYPE", "OUTCOME", "CODE", "BY", "USER", "ABOUT", "TRACE")
	}
	e := eventOf(raw)
	about := e.Resource
	if about == "" {
		about = strings.TrimSpace(e.Detail.Kind + " " + e.Detail.Name)
	}
	by := e.Client
	if by == "" {
		by = strings.TrimSpace(e.By.Kind + " " + e.By.Name)
	}
	cells := []any{clock(e.At), e.Type, e.Outcome, e.Code, by, e.OnBehalf, about, e.Trace}
	for i, cell := range cells {
		text, _ := cell.(string)
		if text = visible(text); text == "" {
			text = "-"
		}
		cells[i] = text
	}
	_, err := fmt.Fprintf(w.out, eventRow, cells...)
	return err
}
