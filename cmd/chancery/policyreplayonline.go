package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/policy/replay"
)

// onlineReplay are the flags of a replay that the server runs.
type onlineReplay struct {
	since, until, user, client, resource, resume string
	prune, detach                                bool
}

func (o *onlineReplay) add(c *command, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "replay what the server recorded not before: a time (RFC 3339), or how long ago (24h, 7d)")
	flags.StringVar(&o.until, "until", "", "before: a time, or how long ago")
	flags.StringVar(&o.user, "user", "", "name or id of a user")
	flags.StringVar(&o.client, "client", "", "client")
	flags.StringVar(&o.resource, "resource", "", "resource")
	flags.BoolVar(&o.prune, "prune", false, "the draft is all that the tenant has")
	flags.BoolVar(&o.detach, "detach", false, "leave the replay to the server and print its id")
	flags.StringVar(&o.resume, "resume", "", "show a replay that was begun before")
	flags.StringVar(&c.remote.server, "server", "", "URL of the admin API ("+envAdminURL+"; else the configuration's admin section)")
	flags.StringVar(&c.remote.tokenFile, "token-file", "", "file that holds the admin credential ("+envAdminToken+"; else the configuration's admin.token)")
}

func (o onlineReplay) given() bool {
	return cmp.Or(o.since, o.until, o.user, o.client, o.resource, o.resume) != "" || o.prune || o.detach
}

// replayWait is how long one question about a replay waits.
const replayWait = time.Second

func (c *command) replayOnline(ctx context.Context, r replaying) error {
	if !r.online.given() {
		return errors.New("say which decisions: --since 7d asks the server, --decisions FILE reads a file (- for standard input)")
	}
	c.remote.tenant = r.tenant
	admin, err := c.admin()
	if err != nil {
		return err
	}
	id := r.online.resume
	if id == "" {
		if id, err = c.startReplay(ctx, admin, r); err != nil {
			return err
		}
	}
	if r.online.detach {
		_, err := fmt.Fprintln(c.stdout, id)
		return err
	}
	job, err := c.followReplay(ctx, admin, id)
	if ctx.Err() != nil && r.online.resume == "" {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return errors.Join(ctx.Err(), admin.StopReplay(stop, id))
	}
	if err != nil {
		return err
	}
	return c.replayDone(job, r.maxFlips)
}

func (c *command) startReplay(ctx context.Context, admin *client.Client, r replaying) (string, error) {
	request := client.ReplayRequest{User: r.online.user, Client: r.online.client, Resource: r.online.resource, MaxFlips: r.maxFlips, Prune: r.online.prune}
	now := time.Now()
	var err error
	if request.Since, err = moment("--since", r.online.since, now); err != nil {
		return "", err
	}
	if request.Until, err = moment("--until", r.online.until, now); err != nil {
		return "", err
	}
	if len(r.drafts) > 0 {
		_, policies, err := c.readPolicies(r.drafts)
		if err != nil {
			return "", err
		}
		for _, p := range policies {
			if p.object.TenantName() == r.tenant {
				request.Draft = append(request.Draft, p.object)
			}
		}
		if len(request.Draft) == 0 {
			return "", fmt.Errorf("the draft holds no policy of tenant %s", r.tenant)
		}
	} else if r.online.prune {
		return "", errors.New("--prune needs a draft")
	}
	raw, err := admin.StartReplay(ctx, request)
	if err != nil {
		return "", err
	}
	job, err := jobOf(raw)
	return job.ID, err
}

func jobOf(raw json.RawMessage) (job decision.Job, err error) {
	if err := json.Unmarshal(raw, &job); err != nil {
		return job, fmt.Errorf("admin API: read the replay: %w", err)
	}
	return job, nil
}

// followReplay waits for the end, and shows progress where a person looks on.
func (c *command) followReplay(ctx context.Context, admin *client.Client, id string) (decision.Job, error) {
	show, done := c.bar()
	defer done()
	for {
		raw, err := admin.Replay(ctx, id, replayWait)
		if err != nil {
			return decision.Job{}, err
		}
		job, err := jobOf(raw)
		if err != nil || job.State != decision.Running {
			return job, err
		}
		show(job)
	}
}

// bar shows how far a replay is on one line, where a person looks on, until done.
func (c *command) bar() (show func(decision.Job), done func()) {
	f, ok := c.stderr.(*os.File)
	if !ok {
		return func(decision.Job) {}, func() {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(decision.Job) {}, func() {}
	}
	const width = 24
	step := 0
	show = func(job decision.Job) {
		step++
		at := step % width
		line := strings.Repeat(" ", at) + "==" + strings.Repeat(" ", width-at)
		_, _ = fmt.Fprintf(f, "\r[%s] %d decisions, %s ", line, job.Read, replay.Flipped(job.Flips))
	}
	return show, func() {
		if step > 0 {
			_, _ = fmt.Fprintln(f)
		}
	}
}

func (c *command) replayDone(job decision.Job, most int) error {
	var report replay.Report
	if job.Report != nil {
		report = *job.Report
	}
	switch job.State {
	case decision.Done:
	case decision.Running, decision.Failed, decision.Cancelled, decision.Lost:
		return fmt.Errorf("replay %s %s: %s", job.ID, job.State, job.Message)
	}
	if err := c.print(report, report.WriteTable); err != nil {
		return err
	}
	switch {
	case job.Verdict == decision.Exceeded:
		_, _ = fmt.Fprintln(c.stderr, "chancery:", visible(job.Message))
		return errDiffers
	case job.Verdict == decision.Nothing && most >= 0:
		return errors.New(job.Message)
	}
	return nil
}
