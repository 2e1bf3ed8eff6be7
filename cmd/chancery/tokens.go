package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
)

// tokenFlags narrow `get tokens`.
type tokenFlags struct {
	client, user, idp, since string
	live                     bool
	limit                    int
}

func (f *tokenFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.client, "client", "", "tokens: of a client, by name or uid")
	flags.StringVar(&f.user, "user", "", "tokens: of a user, by name or uid")
	flags.StringVar(&f.idp, "idp", "", "tokens: for an IdP's assertions, by name or uid")
	flags.BoolVar(&f.live, "live", false, "tokens: neither expired nor revoked")
	flags.StringVar(&f.since, "since", "", "tokens: issued not before a time (RFC 3339), or how long ago (default: 24h)")
	flags.IntVar(&f.limit, "limit", 100, "tokens: at most so many, the newest first")
}

// getTokens shows where tokens come from and what became of them.
func (c *command) getTokens(ctx context.Context, admin *client.Client, ids []string, f tokenFlags) error {
	if len(ids) == 1 {
		one, err := admin.Token(ctx, ids[0])
		if err != nil {
			return err
		}
		return c.print(one, func(w io.Writer) error { return writeToken(w, one) })
	}
	if f.limit < 1 {
		return errors.New("--limit is at least 1")
	}
	q := client.TokenQuery{Client: f.client, User: f.user, IdP: f.idp, Live: f.live, Limit: f.limit}
	var err error
	if q.Since, err = moment("--since", f.since, time.Now()); err != nil {
		return err
	}
	all, err := admin.Tokens(ctx, q)
	if err != nil {
		return err
	}
	t := table{columns: []string{"JTI", "STATE", "ISSUED", "EXPIRES", "SUBJECT", "CLIENT", "IDP", "RESOURCE", "SCOPE"}}
	for _, one := range all {
		idp := ""
		if one.IdP != nil {
			idp = one.IdP.String()
		}
		t.add(one.ID, one.State, clock(one.IssuedAt), clock(one.ExpiresAt), one.Subject.String(), one.Client.String(), idp, one.Resource.String(), one.Scope)
	}
	return c.print(orNone(all), t.write)
}

func writeToken(w io.Writer, one client.Token) error {
	lines := [][2]string{
		{"jti", one.ID},
		{"state", one.State},
		{"issued", clock(one.IssuedAt)},
		{"expires", clock(one.ExpiresAt)},
		{"subject", party(one.Subject)},
		{"client", party(one.Client)},
		{"resource", party(one.Resource)},
		{"audience", one.Audience},
		{"scope", one.Scope},
		{"grant", one.GrantType},
		{"assertion", one.AssertionID},
		{"asserted by", one.AssertionBy},
		{"bound to key", one.Thumbprint},
		{"signed by key", one.KeyID},
		{"decision", one.Decision},
		{"trace", one.Trace},
	}
	if one.IdP != nil {
		lines = append(lines, [2]string{"idp", party(*one.IdP)})
	}
	if end := one.Revoked; end != nil {
		lines = append(lines, [2]string{"revoked by", end.By + " " + end.UID + " at " + clock(end.At)}, [2]string{"revoked in", end.Event})
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-13s  %s\n", line[0], visible(line[1])); err != nil {
			return err
		}
	}
	return nil
}

func party(p client.Party) string {
	if p.Name == "" {
		return p.UID
	}
	return p.Name + " (" + p.UID + ")"
}
