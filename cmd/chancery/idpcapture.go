package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/capture"
)

// captureWait is one question's patience; the next follows at once.
const captureWait = 20 * time.Second

func (c *command) idpCaptureCommand() *cobra.Command {
	length := capture.DefaultFor
	cmd := &cobra.Command{
		Use:   "capture NAME",
		Short: "Wait for the next assertion of an IdP, or the next sign-in through it, and show it check by check",
		Long: `Wait for the next person who comes back from an IdP (OpenID Connect or SAML), or the next assertion of it that a client sends to the token endpoint, on whatever replica, accepted or refused,
and show it: its claims, and each check with what was received and expected. The signature and the compact form are never
shown. One assertion is kept, sealed, and deleted when it is shown or its time is over; a client that did not authenticate is
not captured (chancery explain tells of those). Ctrl-C ends the wait. What was armed before for this IdP ends.

Exit status: 0 an assertion came and was accepted; 1 none came; 2 one came and was refused.`,
		Example: `  chancery idp capture okta
  chancery idp capture okta --for 30m --output json`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().DurationVar(&length, "for", length, "how long to wait, at most 1h")
	c.addOutputFlag(cmd, asTable)
	return c.onRecords(cmd, func(ctx context.Context, admin *client.Client, args []string) error {
		if length < time.Second || length > capture.MaxFor {
			return fmt.Errorf("--for: %s: 1s to %s is expected", length, capture.MaxFor)
		}
		armed, err := admin.ArmCapture(ctx, args[0], length)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(c.stderr, "waiting until %s for a sign-in through %s, or an assertion of it\n", clock(armed.ExpiresAt), visible(armed.Issuer))
		seen, err := c.awaitCapture(ctx, admin, args[0], armed)
		if err != nil {
			return err
		}
		return c.printSeen(seen)
	})
}

// awaitCapture asks until something came or the time is over. Who interrupts it leaves nothing armed.
func (c *command) awaitCapture(ctx context.Context, admin *client.Client, name string, armed client.Capture) (json.RawMessage, error) {
	for {
		seen, err := admin.TakeCapture(ctx, name, armed.ID, captureWait)
		if ctx.Err() != nil {
			disarm, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return nil, errors.Join(ctx.Err(), admin.EndCapture(disarm, name, armed.ID))
		}
		if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Code == "capture_unknown" {
			return nil, errors.New("nothing came, or somebody else waits for this IdP now")
		}
		if err != nil || len(seen) > 0 {
			return seen, err
		}
	}
}

func (c *command) printSeen(raw json.RawMessage) error {
	var seen capture.Seen
	if err := json.Unmarshal(raw, &seen); err != nil {
		return fmt.Errorf("admin API: read the capture: %w", err)
	}
	if err := c.print(raw, func(w io.Writer) error { return writeSeen(w, seen) }); err != nil {
		return err
	}
	if !seen.Granted {
		return errDiffers
	}
	return nil
}

func writeSeen(w io.Writer, seen capture.Seen) error {
	outcome := "accepted"
	if !seen.Granted {
		outcome = "refused: " + seen.Code
	}
	who := "client " + seen.Client
	if seen.Kind == capture.KindSignIn {
		who = "a person's sign-in"
	}
	_, _ = fmt.Fprintf(w, "%s  %s  %s  %s\n\n", clock(seen.At), visible(who), visible(outcome), visible(seen.Trace))
	if err := writeRows(w, seen.Rows); err != nil {
		return err
	}
	trust := "verified"
	if !seen.Verified {
		trust = "the signature was not verified: anybody could have written them"
	}
	_, _ = fmt.Fprintf(w, "\nheader and claims (%s)\n", trust)
	for _, part := range []map[string]any{seen.Header, seen.Claims} {
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
	return nil
}
