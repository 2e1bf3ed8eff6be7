package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/cmd/chancery/dev"
)

// issueFlags are of dev issue.
type issueFlags struct {
	user, broken, resource, acr string
	scopes                      []string
	print, list                 bool
}

func (c *command) devIssueCommand(folder *string) *cobra.Command {
	var f issueFlags
	cmd := &cobra.Command{
		Use:   "issue --user USER [--break NAME]",
		Short: "Present an assertion of the fake IdP, broken on purpose",
		Long: `Make the assertion (ID-JAG) that the fake IdP would give the agent for a person, break one thing, and present it at the token
endpoint as the agent would: what comes back is the refusal that your agent will see, with its code, what it means and who fixes
it. jti presents a good one twice. --list names every way; --print shows the assertion instead of presenting it.

Exit status: 0 the server answered what it must, with --break the refusal of that break, else a token; 1 it did not.`,
		Example: `  chancery dev issue --user alice
  chancery dev issue --user alice --break aud
  chancery dev issue --user alice --break expired --output json
  chancery dev issue --list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.checkOutput(); err != nil {
				return err
			}
			if f.list {
				return c.listBreaks()
			}
			return c.devIssue(cmd.Context(), c.devFolder(*folder), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.user, "user", "", "alice, bob or eve")
	flags.StringVar(&f.broken, "break", "", "what to break: aud, typ, jti, client_id, expired, … (--list)")
	flags.StringVar(&f.resource, "resource", "", "resource that is asserted (default: the sample MCP server)")
	flags.StringSliceVar(&f.scopes, "scope", nil, "scopes that are asserted (default: the sample MCP server's)")
	flags.StringVar(&f.acr, "acr", "", "acr that the IdP says the person reached just now, such as phr")
	flags.BoolVar(&f.print, "print", false, "print the assertion, and present it to nobody")
	flags.BoolVar(&f.list, "list", false, "list the ways to break one, and what must come of each")
	offer(cmd, "user", devPeople()...)
	_ = cmd.RegisterFlagCompletionFunc("break", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var ways []cobra.Completion
		for _, b := range dev.Breaks() {
			ways = append(ways, b.Name)
		}
		return ways, cobra.ShellCompDirectiveNoFileComp
	})
	c.addOutputFlag(cmd, asTable)
	return cmd
}

func (c *command) listBreaks() error {
	all := dev.Breaks()
	return c.print(all, func(w io.Writer) error {
		t := table{columns: []string{"NAME", "MUST BE", "CODE", "SECTION"}}
		for _, b := range all {
			t.add(b.Name, b.Error, b.Code, b.Section)
		}
		return t.write(w)
	})
}

// issued is what came of an assertion.
type issued struct {
	User   string     `json:"user"`
	Break  *dev.Break `json:"break,omitempty"`
	Answer dev.Answer `json:"answer"`
	Must   bool       `json:"as_it_must"`
	Fix    string     `json:"fix,omitempty"`
	Who    string     `json:"who,omitempty"`
}

var errNotAsItMust = errors.New("the server did not answer what it must")

func (c *command) devIssue(ctx context.Context, folder string, f issueFlags) error {
	if f.user == "" {
		return errors.New("--user is missing: alice, bob or eve")
	}
	order := dev.Issue{User: f.user, Resource: f.resource, Scopes: f.scopes, ACR: f.acr}
	if f.broken != "" {
		b, err := dev.BreakNamed(f.broken)
		if err != nil {
			return err
		}
		order.Break = &b
	}
	found, err := dev.Find(folder)
	if err != nil {
		return err
	}
	assertion, err := found.Assertion(order)
	if err != nil {
		return err
	}
	if f.print {
		_, err := fmt.Fprintln(c.stdout, assertion)
		return err
	}
	h := &http.Client{Transport: dev.Direct(), Timeout: 10 * time.Second}
	answer, err := found.Present(ctx, h, assertion)
	if err == nil && order.Break != nil && order.Break.Twice {
		answer, err = found.Present(ctx, h, assertion)
	}
	if err != nil {
		return plainError(err)
	}
	record := issued{User: f.user, Break: order.Break, Answer: answer, Must: answer.As(order.Break)}
	if row, known := oauth.Lookup(oauth.Code(answer.Code)); known {
		record.Fix, record.Who = row.Fix, row.Who
	}
	if err := c.print(record, func(w io.Writer) error { return writeIssued(w, record) }); err != nil {
		return err
	}
	if !record.Must {
		return errNotAsItMust
	}
	return nil
}

func writeIssued(w io.Writer, r issued) error {
	if r.Break != nil {
		_, _ = fmt.Fprintf(w, "broke   %s (%s; %s)\n", r.Break.Name, r.Break.What, r.Break.Section)
	}
	must := "as it must"
	if !r.Must {
		must = "not as it must"
		if r.Break != nil {
			must += ": " + r.Break.Error + " " + r.Break.Code
		}
	}
	a := r.Answer
	_, _ = fmt.Fprintf(w, "answer  %s (%s)\n", strings.TrimSpace(fmt.Sprintf("%d %s", a.Status, visible(a.Error))), must)
	if a.Error == "" {
		_, _ = fmt.Fprintf(w, "scope   %s\n", visible(a.Scope))
	} else {
		_, _ = fmt.Fprintf(w, "code    %s\n", visible(a.Description))
		_, _ = fmt.Fprintf(w, "to do   (%s) %s\n", r.Who, r.Fix)
		page, _, _ := strings.Cut(a.URI, "?")
		_, _ = fmt.Fprintf(w, "page    %s\n", visible(page))
	}
	_, err := fmt.Fprintf(w, "trace   %s   chancery explain %s\n", visible(a.Trace), visible(a.Trace))
	return err
}
