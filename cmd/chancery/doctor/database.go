package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/migrations"
)

// database looks at it directly, without changing anything.
func (d *Doctor) database(ctx context.Context) {
	below := []string{"migrations", "role", "clock"}
	unseen := func() {
		for _, check := range below {
			d.report.skip(check, "the database could not be opened")
		}
	}
	url, err := d.Loaded.Text(d.Loaded.Database.URL)
	if err != nil {
		d.report.add("database", Fail, "database.url: "+err.Error(), "set what it refers to")
		unseen()
		return
	}
	d.held, _ = store.Held(url.Reveal()) // what opening it says is clearer
	d.db, err = store.OpenToRead(ctx, store.Config{URL: url.Reveal()})
	if err != nil {
		status, do := databaseFault(err, d.Loaded.Profile)
		d.report.add("database", status, err.Error(), do)
		unseen()
		d.disk(url.Reveal())
		return
	}
	facts, err := d.db.Facts(ctx)
	if err != nil {
		d.report.add("database", Fail, err.Error(), "look at the database's log")
		unseen()
		return
	}
	seen := fmt.Sprintf("%s %s", d.db.Dialect(), facts.Version)
	if facts.Synchronous != "" {
		seen += ", synchronous_commit " + facts.Synchronous
	}
	if d.held {
		seen += "; a server holds the file, which is read beside it"
	}
	d.report.ok("database", seen)
	d.disk(url.Reveal())
	d.migrations(ctx)
	d.role(ctx, facts)
	d.clock(ctx)
}

func databaseFault(err error, profile config.Profile) (Status, string) {
	switch {
	case errors.Is(err, store.ErrSynchronous):
		return Fail, "set synchronous_commit to on for the runtime role: what was redeemed would be forgotten"
	case errors.Is(err, store.ErrURL):
		return Fail, "write database.url as sqlite:///path or postgres://user:password@host/database"
	case errors.Is(err, fs.ErrNotExist) && profile == config.Dev:
		return Warn, "serve makes it in profile dev"
	case errors.Is(err, fs.ErrNotExist):
		return Fail, "chancery migrate up makes it"
	}
	return Fail, "is it running, is its name right, does it let this role in"
}

func (d *Doctor) migrations(ctx context.Context) {
	steps, err := migrations.Status(ctx, d.db.SQL(), migrations.Dialect(d.db.Dialect()))
	if err != nil {
		d.report.add("migrations", Fail, err.Error(), "the runtime role may read chancery_migrations: run chancery migrate up as the owner")
		return
	}
	missing := 0
	for _, step := range steps {
		if !step.Applied {
			missing++
		}
	}
	d.behind = missing > 0
	seen := fmt.Sprintf("%d of %d are applied", len(steps)-missing, len(steps))
	switch {
	case missing > 0 && d.Loaded.Database.Migrate == "auto":
		d.report.add("migrations", Warn, seen, "serve applies them at its start (database.migrate: auto)")
	case missing > 0:
		d.report.add("migrations", Fail, seen, "chancery migrate plan, then chancery migrate up")
	default:
		d.report.ok("migrations", seen)
	}
}

func (d *Doctor) role(ctx context.Context, facts store.Facts) {
	if d.db.Dialect() == store.SQLite {
		d.report.skip("role", "SQLite has no roles")
		return
	}
	const do = "make two roles, as docs/operations.md says, and give database.url the one that owns nothing"
	err := d.db.CheckRole(ctx)
	switch {
	case err == nil:
		d.report.ok("role", facts.Role+" is bound by the rights that it was given")
	case errors.Is(err, store.ErrRole) && d.Loaded.Profile == config.Dev:
		d.report.add("role", Warn, err.Error(), do)
	default:
		d.report.add("role", Fail, err.Error(), do)
	}
}

func (d *Doctor) clock(ctx context.Context) {
	before := d.Now()
	theirs, err := d.db.Now(ctx)
	if err != nil {
		d.report.add("clock", Fail, err.Error(), "look at the database's log")
		return
	}
	after := d.Now()
	skew := before.Add(after.Sub(before) / 2).Sub(theirs)
	status := OK
	switch {
	case skew.Abs() > clockFail:
		status = Fail
	case skew.Abs() > clockWarn:
		status = Warn
	}
	d.report.judge("clock", fmt.Sprintf("ours is %+d ms from the database's", skew.Round(time.Millisecond).Milliseconds()), status, "run a time daemon on both; past 30 s a server does not start, and is not ready")
}

// audit looks at how far the log is proved.
func (d *Doctor) audit(ctx context.Context) {
	if d.db == nil {
		d.report.skip("audit", "the database could not be opened")
		return
	}
	if d.behind {
		d.report.skip("audit", "migrations are missing")
		return
	}
	facts, err := d.db.AuditFacts(ctx)
	if err != nil {
		d.report.add("audit", Fail, err.Error(), "chancery migrate up, if nothing was ever served")
		return
	}
	late := 6*d.Loaded.Audit.CheckpointEvery + time.Minute
	switch {
	case !facts.Events:
		d.report.ok("audit", "nothing was recorded yet")
	case facts.Number == 0:
		d.report.add("audit", Warn, "no checkpoint was written yet", "the first comes audit.checkpoint_every after something was recorded; if not, the server's log says why")
	case facts.Abandoned > 0 && facts.Live > 0:
		d.report.add("audit", Fail, fmt.Sprintf("%d writers are dead and not sealed, while %d live", facts.Abandoned, facts.Live), "the servers do not write checkpoints: their log says why")
	case facts.Abandoned > 0:
		d.report.add("audit", Warn, fmt.Sprintf("%d writers ended without a last checkpoint, which is at %s", facts.Abandoned, stamp(facts.At)), "the next server that starts seals them within a minute")
	default:
		age := facts.Now.Sub(facts.At)
		seen := fmt.Sprintf("checkpoint %d is %s old, %d writers", facts.Number, ago(age), facts.Live)
		if age > late && facts.Live > 0 {
			seen += "; nothing was recorded since, or it is not proved (chancery_audit_lag_seconds tells)"
		}
		d.report.ok("audit", seen)
	}
}
