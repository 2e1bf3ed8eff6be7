package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/chancery-dev/chancery/cmd/chancery/obtain"
	"github.com/chancery-dev/chancery/sdk/go/agent"
)

func (c *command) vendCommand() *cobra.Command {
	var f askFlags
	var w agent.Borrowing
	var format string
	cmd := &cobra.Command{
		Use:   "vend PROVIDER --resource URL",
		Short: "Borrow a provider's token, as an agent would",
		Long: `Get an access token as chancery token does, and have it exchanged at the same token endpoint for a token of a provider (docs/vending.md).
The provider's token goes to standard output, and nothing else does: as it is (raw), as the header that its API wants (header), as
JSON with what is known of it, or as CHANCERY_PROVIDER_TOKEN=… (env).

` + askedLong + `

Exit status: 0 there is a token; 1 there is none, and standard error says why, who has to do what, and, where a person has to connect an
account first, the address to open.`,
		Example: `  chancery vend github --provider-scope repo:read --format json
  curl -H "$(chancery vend github --format header)" https://api.github.com/user`,
		Args: cobra.ExactArgs(1),
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&w.Scopes, "provider-scope", nil, "keys of the provider's scope_map to ask for (default: its default_scopes)")
	flags.StringVar(&w.Account, "account", "", "which of the connected accounts, where there are several")
	flags.DurationVar(&w.MinTTL, "min-ttl", 0, "how long the token must live at least (default: as the provider's entry says)")
	flags.StringVar(&format, "format", tokenRaw, "raw, header, json or env")
	offer(cmd, "format", tokenRaw, tokenHeader, tokenJSON, tokenEnv)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFormat(format); err != nil {
			return err
		}
		w.Provider = args[0]
		leases, err := c.borrow(cmd.Context(), f, w)
		if err != nil {
			return err
		}
		return c.printLease(leases[0], format)
	}
	return cmd
}

// borrow asks for the access token, and exchanges it.
func (c *command) borrow(ctx context.Context, f askFlags, wanted ...agent.Borrowing) ([]agent.Lease, error) {
	a, err := c.asked(f)
	if err != nil {
		return nil, plainError(err)
	}
	_, leases, err := obtain.Borrow(ctx, a.request, wanted...)
	if err != nil {
		return nil, refused(err, a.dev != nil)
	}
	return leases, nil
}

// leaseRecord is a lease as JSON.
type leaseRecord struct {
	AccessToken string            `json:"access_token"`
	Header      string            `json:"header"`
	Scheme      string            `json:"scheme,omitempty"`
	ExpiresAt   *time.Time        `json:"expires_at,omitempty"`
	CacheUntil  time.Time         `json:"cache_until"`
	Scope       string            `json:"scope"`
	Provider    string            `json:"provider"`
	Account     string            `json:"account,omitempty"`
	Narrowed    bool              `json:"narrowed"`
	DecisionID  string            `json:"decision_id"`
	Provided    map[string]string `json:"provided,omitempty"`
}

func (c *command) printLease(l agent.Lease, format string) error {
	var err error
	switch format {
	case tokenHeader:
		_, err = fmt.Fprintf(c.stdout, "%s: %s\n", l.Header, l.Value())
	case tokenEnv:
		_, err = fmt.Fprintf(c.stdout, "%s=%s\n", leaseVariable(l.Provider), shellWord(l.Reveal()))
	case tokenJSON:
		record := leaseRecord{
			AccessToken: l.Reveal(), Header: l.Header, Scheme: l.Scheme, CacheUntil: l.CacheUntil, Scope: strings.Join(l.Scopes, " "), Provider: l.Provider,
			Account: l.Account, Narrowed: l.Narrowed, DecisionID: l.DecisionID, Provided: l.Provided,
		}
		if !l.ExpiresAt.IsZero() {
			until := l.ExpiresAt.UTC().Truncate(time.Second)
			record.ExpiresAt = &until
		}
		err = printJSON(c.stdout, record)
	default:
		_, err = fmt.Fprintln(c.stdout, l.Reveal())
	}
	return err
}

// leaseVariable is the name of the variable that holds a provider's token: CHANCERY_GITHUB_TOKEN.
func leaseVariable(provider string) string {
	return "CHANCERY_" + strings.ToUpper(strings.ReplaceAll(provider, "-", "_")) + "_TOKEN"
}

// shellWord is a word of a POSIX shell, in quotes where it needs them.
func shellWord(s string) string {
	plain := !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~+/=:@%", r)
	})
	if plain && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// lentProviders reads --provider NAME[=KEY KEY…].
func lentProviders(given []string) ([]agent.Borrowing, error) {
	wanted := make([]agent.Borrowing, 0, len(given))
	seen := map[string]bool{}
	for _, one := range given {
		name, keys, _ := strings.Cut(one, "=")
		if name == "" || !isVariable(leaseVariable(name)) {
			return nil, fmt.Errorf("--provider: %q is no name of a provider", name)
		}
		if seen[leaseVariable(name)] {
			return nil, fmt.Errorf("--provider: %s is named twice", name)
		}
		seen[leaseVariable(name)] = true
		wanted = append(wanted, agent.Borrowing{Provider: name, Scopes: strings.Fields(keys)})
	}
	return wanted, nil
}
