package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/policy/matrix"
)

// onlineMatrix are the flags of a matrix that the server computes, or kept.
type onlineMatrix struct {
	drafts, clients, resources []string
	prune                      bool
	policy                     string
	revision                   int64
}

func (o *onlineMatrix) add(c *command, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&o.drafts, "draft", nil, "file or folder of policies that take the place of those of their names; may be repeated")
	flags.BoolVar(&o.prune, "prune", false, "the draft is all that the tenant has")
	flags.StringArrayVar(&o.clients, "client", nil, "only this client; may be repeated")
	flags.StringArrayVar(&o.resources, "resource", nil, "only this resource; may be repeated")
	flags.StringVar(&o.policy, "policy", "", "the policy whose --revision is shown")
	flags.Int64Var(&o.revision, "revision", 0, "what was kept when this revision was published; --against names an earlier one")
	flags.StringVar(&c.remote.server, "server", "", "URL of the admin API ("+envAdminURL+"; else the configuration's admin section)")
	flags.StringVar(&c.remote.tokenFile, "token-file", "", "file that holds the admin credential ("+envAdminToken+"; else the configuration's admin.token)")
}

func (o onlineMatrix) given() bool {
	return len(o.drafts)+len(o.clients)+len(o.resources) > 0 || o.prune || o.policy != "" || o.revision != 0
}

func (c *command) tabulateOnline(ctx context.Context, t tabulating) error {
	c.remote.tenant = t.tenant
	admin, err := c.admin()
	if err != nil {
		return err
	}
	if t.online.policy != "" || t.online.revision != 0 {
		return c.showKept(ctx, admin, t)
	}
	if len(t.against) > 0 {
		return errors.New("--against goes with -f, or with --policy and --revision")
	}
	request := client.MatrixRequest{Clients: t.online.clients, Resources: t.online.resources, Groups: t.groups, Prune: t.online.prune}
	if t.at != "" {
		if request.At, err = time.Parse(time.RFC3339, t.at); err != nil {
			return errors.New("--at: a time such as 2026-08-31T12:00:00Z is expected")
		}
	}
	if len(t.online.drafts) == 0 {
		raw, err := admin.Matrix(ctx, request)
		if err != nil {
			return err
		}
		return c.showMatrix(raw)
	}
	_, policies, err := c.readPolicies(t.online.drafts)
	if err != nil {
		return err
	}
	for _, p := range policies {
		if p.object.TenantName() == t.tenant {
			request.Draft = append(request.Draft, p.object)
		}
	}
	if len(request.Draft) == 0 {
		return fmt.Errorf("the draft holds no policy of tenant %s", t.tenant)
	}
	request.Diff = true
	raw, err := admin.Matrix(ctx, request)
	if err != nil {
		return err
	}
	return c.showDifference(raw)
}

func (c *command) showKept(ctx context.Context, admin *client.Client, t tabulating) error {
	if t.online.policy == "" || t.online.revision < 1 || len(t.against) > 1 {
		return errors.New("say which: --policy NAME --revision N, and at most one --against N")
	}
	var against int64
	if len(t.against) == 1 {
		n, err := strconv.ParseInt(t.against[0], 10, 64)
		if err != nil || n < 1 {
			return errors.New("--against: the number of a revision is expected")
		}
		against = n
	}
	raw, err := admin.KeptMatrix(ctx, t.online.policy, t.online.revision, against)
	if err != nil {
		return err
	}
	if against > 0 {
		return c.showDifference(raw)
	}
	return c.showMatrix(raw)
}

func (c *command) showMatrix(raw json.RawMessage) error {
	var m matrix.Matrix
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("admin API: read the matrix: %w", err)
	}
	return c.printMatrix(m, m.WriteTable, m.WriteCSV)
}

func (c *command) showDifference(raw json.RawMessage) error {
	var d matrix.Difference
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("admin API: read the difference: %w", err)
	}
	if err := c.printMatrix(d, d.WriteTable, d.WriteCSV); err != nil {
		return err
	}
	if len(d.Changes) > 0 {
		return errDiffers
	}
	return nil
}
