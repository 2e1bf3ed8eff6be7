package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/keyring"
	"github.com/chancery-dev/chancery/vault/transit"
)

// Admin is what is asked of a running server; *client.Client is one.
type Admin interface {
	List(ctx context.Context, kind object.Kind) ([]object.Object, error)
	Keys(ctx context.Context) ([]client.Key, error)
	VaultKeys(ctx context.Context) (client.VaultKeys, error)
	TestIdP(ctx context.Context, t client.IdPTest) (json.RawMessage, error)
}

// Config is what a Doctor looks at. Now and HTTP are required.
type Config struct {
	Loaded    *config.Loaded // nil where it could not even be read
	LoadError error
	// Admin gives the admin API for a tenant; AdminError says why there is none.
	Admin      func(tenant string) Admin
	AdminError error
	AdminURL   string
	// HTTP is how an outsider would ask: it follows no redirect.
	HTTP *http.Client
	Now  func() time.Time
}

// Doctor looks at one installation.
type Doctor struct {
	Config
	db      *store.Store
	keyring *keyring.Keyring
	sealer  vault.Sealer // nil: what rests cannot be opened here
	transit *transit.Client
	held    bool // a server holds the SQLite file
	served  bool // the admin API answers, and knows us
	behind  bool // migrations are missing
	report  Report
}

// ErrIncomplete is returned where the checks would be empty.
var ErrIncomplete = errors.New("doctor: a part is missing")

// Run makes every check. The error means that it could not look at all.
func Run(ctx context.Context, c Config) (Report, error) {
	if c.HTTP == nil || c.Now == nil || c.Loaded == nil && c.LoadError == nil {
		return Report{}, ErrIncomplete
	}
	d := &Doctor{Config: c, report: Report{At: c.Now().UTC()}}
	defer d.close()
	if !d.configuration() {
		for _, check := range []string{"profile", "files", "keyring", "database", "server", "public", "certificate", "keys", "sealed", "audit", "idps", "egress"} {
			d.report.skip(check, "the configuration is not valid")
		}
		return d.report, ctx.Err()
	}
	d.profile()
	d.files()
	d.openSealer(ctx)
	d.database(ctx)
	d.server(ctx)
	d.public(ctx)
	d.certificate()
	d.keys(ctx)
	d.vaultUsage(ctx)
	d.audit(ctx)
	d.idps(ctx)
	d.egressRow(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		d.report.add("time", Fail, "it ran out before everything was looked at", "the rows above say what does not answer; look at each by itself (chancery idp test NAME)")
		return d.report, nil
	}
	return d.report, ctx.Err()
}

func (d *Doctor) close() {
	if d.db != nil {
		_ = d.db.Close()
	}
	if d.transit != nil {
		d.transit.Close()
	}
}

func (d *Doctor) configuration() bool {
	err := d.LoadError
	if err == nil {
		err = d.Loaded.Served()
	}
	if err != nil {
		d.report.add("configuration", Fail, strings.ReplaceAll(err.Error(), "\n", "; "), "mend it; chancery config explain KEY says what a setting means")
		return false
	}
	from := d.Loaded.Path
	if from == "" {
		from = "defaults and environment"
	}
	d.report.ok("configuration", from+" is valid (profile "+string(d.Loaded.Profile)+")")
	return true
}

// profile warns of what is allowed and still not what the profile is for.
func (d *Doctor) profile() {
	c := d.Loaded
	https := strings.HasPrefix(c.Server.PublicURL, "https://")
	var odd []string
	note := func(when bool, text string) {
		if when {
			odd = append(odd, text)
		}
	}
	note(c.Profile == config.Dev && https, "profile dev behind an https issuer: migrations and the keyring are made by whoever starts first")
	note(c.Profile != config.Dev && !https, "server.public_url is a loopback address: it is the issuer in every token")
	note(c.Profile != config.Dev && c.Database.Migrate == "auto", "database.migrate is auto: the server needs the owner's rights")
	note(c.Profile == config.Regulated && c.Egress.Mode != "deny", "egress.mode is not deny")
	note(c.Profile != config.Dev && https && c.Server.TLS.Cert == "" && len(c.Server.TrustedProxies) == 0, "a proxy is in front and not in server.trusted_proxies: every caller has its address")
	note(c.Profile != config.Dev && c.Limits.PerAddress == "" && c.Limits.PerClient == "", "no limits: one caller may take all of limits.in_flight")
	note(c.Log.Level == "debug", "log.level is debug: every request is logged")
	for _, key := range c.Shared() {
		note(true, "everybody on this machine may read the file of "+key)
	}
	if len(odd) > 0 {
		d.report.add("profile", Warn, strings.Join(odd, "; "), "change it, or know why not")
		return
	}
	d.report.ok("profile", fmt.Sprintf("nothing is odd for %s", c.Profile))
}
