package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/transit"
)

const (
	tokenWarn = time.Hour              // a token that nobody renews
	slowVault = 250 * time.Millisecond // for seal, rewrap and open together
)

// openSealer opens what seals: the keyring, or Vault.
func (d *Doctor) openSealer(ctx context.Context) {
	if d.Loaded.Vault.Backend == config.BackendKeyring {
		d.openKeyring()
	} else {
		d.report.skip("keyring", "vault.backend is transit")
	}
	if d.Loaded.Vault.Transit.Used() {
		d.vault(ctx)
	}
}

// vault logs in, looks at the key and the token, and really seals and opens something.
func (d *Doctor) vault(ctx context.Context) {
	at := d.Loaded.Vault.Transit.Address
	client, err := assembly.NewTransit(d.Loaded, slog.New(slog.DiscardHandler), d.Now, nil)
	if err != nil {
		d.report.add("vault", Fail, err.Error(), "mend vault.transit; chancery config explain vault.transit says what each setting means")
		return
	}
	d.transit = client
	if d.Loaded.Vault.Backend == config.BackendTransit {
		began := d.Now()
		key, err := client.Ready(ctx)
		if err != nil {
			d.report.add("vault", Fail, at+": "+err.Error(), assembly.TransitAdvice(err))
			return
		}
		took := d.Now().Sub(began)
		d.sealer = client
		seen := fmt.Sprintf("%s seals, rewraps and opens (%s); key %s is %s, version %d, min_decryption_version %d", at, took.Round(time.Millisecond), d.Loaded.Vault.Transit.Key, key.Type, key.Latest, key.MinDecrypt)
		switch {
		case key.Deletable:
			d.report.add("vault", Warn, seen+"; it may be deleted", "set deletion_allowed=false: without the key nothing that rests opens, ever")
		case took > slowVault:
			d.report.add("vault", Warn, seen, "each use of a secret waits for it: look at the way to Vault, or at vault.transit.cache")
		default:
			d.report.ok("vault", seen)
		}
	}
	d.vaultToken(ctx, client)
}

func (d *Doctor) vaultToken(ctx context.Context, client *transit.Client) {
	token, err := client.Token(ctx)
	if err != nil {
		d.report.add("vault token", Fail, err.Error(), assembly.TransitAdvice(err))
		return
	}
	seen := "policies " + strings.Join(token.Policies, ", ")
	root := false
	for _, policy := range token.Policies {
		root = root || policy == "root"
	}
	switch {
	case root:
		d.report.add("vault token", Warn, seen, "it is a root token: make one with the policy of docs/operations.md")
	case token.TTL == 0:
		d.report.add("vault token", Warn, seen+"; it has no end", "prefer approle, kubernetes or cert: what they give ends by itself")
	case !token.Renewable && token.TTL < tokenWarn && d.Loaded.Vault.Transit.Auth.Method == "token":
		d.report.add("vault token", Warn, fmt.Sprintf("%s; it ends in %s and cannot be renewed", seen, ago(token.TTL)), "put a new one where vault.transit.auth.token points, or use approle")
	default:
		d.report.ok("vault token", fmt.Sprintf("%s; %s are left, renewable: %t", seen, ago(token.TTL), token.Renewable))
	}
}

// vaultUsage looks whether everything that rests still opens: under which keys it is, without opening it.
func (d *Doctor) vaultUsage(ctx context.Context) {
	const check = "sealed"
	if !d.served {
		d.report.skip(check, "no server could be asked what rests under which key")
		return
	}
	listed, err := d.Admin(tenant.DefaultName).VaultKeys(ctx)
	if err != nil {
		d.report.skip(check, "the server does not tell: "+err.Error())
		return
	}
	var under []string
	var ended, lost, old int64
	for _, k := range listed.Keys {
		all := k.Sealed + k.Soon
		switch {
		case all == 0:
			continue
		case k.ID == "":
			lost += all
			continue
		case k.Ended:
			ended += all
		case !k.Seals:
			old += k.Sealed
		}
		under = append(under, fmt.Sprintf("%d under %s", all, k.ID))
	}
	seen := strings.Join(under, ", ")
	switch {
	case lost > 0:
		d.report.add(check, Fail, fmt.Sprintf("%d secrets are sealed with a key that is not at hand; %s", lost, seen), "bring back the keyring's newest copy, or name the keyring beside vault.transit")
	case ended > 0:
		d.report.add(check, Fail, fmt.Sprintf("%d secrets are below the key's min_decryption_version and do not open; %s", ended, seen), "nothing is lost: lower min_decryption_version, run chancery vault rewrap, then raise it again")
	case old > 0:
		d.report.add(check, Warn, seen, "chancery vault rewrap moves them to the newest key; until then no older one may be ended (min_decryption_version)")
	default:
		d.report.ok(check, seen)
	}
}

// unopened says why a sealed key does not open, and what to do.
func (d *Doctor) unopened(err error) (seen, do string) {
	seen = "it does not open: " + err.Error()
	switch {
	case errors.Is(err, transit.ErrVersion), errors.Is(err, vault.ErrUnavailable):
		return seen, assembly.TransitAdvice(err)
	case d.transit != nil:
		return seen, "vault.transit.key is another installation's, or what was sealed by the keyring was never moved: name vault.keyring.file beside it and run chancery vault rewrap"
	default:
		return "it does not open out of the keyring: " + err.Error(), "vault.keyring.file is another installation's, or older than the key: bring back the newest copy"
	}
}
