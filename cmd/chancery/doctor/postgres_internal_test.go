package doctor

import (
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/store"
	"github.com/chancery-dev/chancery/broker/storetest"
	"github.com/chancery-dev/chancery/migrations"
)

// TestPostgres: the role that serves, and what it may; the schema; what would be forgotten.
func TestPostgres(t *testing.T) {
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			database := e.Empty(t)
			look := func(flags map[string]any, check string, status Status) Row {
				t.Helper()
				d := doctorOf(t, flags)
				defer d.close()
				d.database(t.Context())
				for _, row := range d.report.Rows {
					if row.Check == check {
						if row.Status != status || row.Status == Fail && row.Do == "" {
							t.Errorf("%+v, want %s", row, status)
						}
						return row
					}
				}
				t.Errorf("no row %s in %+v", check, d.report.Rows)
				return Row{}
			}
			owner := map[string]any{"profile": "production", "database.url": database.OwnerURL}
			look(owner, "migrations", Fail)
			look(owner, "database", OK)
			d := doctorOf(t, owner)
			d.database(t.Context())
			if _, err := d.db.SQL().ExecContext(t.Context(), "create table x (y int)"); err == nil {
				t.Error("what is opened to read was written")
			}
			d.close()
			up(t, database.OwnerURL)
			look(owner, "migrations", OK)
			look(owner, "role", Fail)
			look(map[string]any{"database.url": database.OwnerURL}, "role", Warn)
			forgetful := map[string]any{"profile": "production", "database.url": withParameter(database.OwnerURL, "synchronous_commit=off")}
			look(forgetful, "database", Fail)
			look(forgetful, "role", Skipped)

			served := e.New(t)
			good := map[string]any{"profile": "production", "database.url": served.URL}
			look(good, "role", OK)
			look(good, "migrations", OK)
			d = doctorOf(t, good)
			defer d.close()
			d.database(t.Context())
			d.keys(t.Context())
			d.want(t, Fail, "no key signs") // the tenant is there, and no server was yet
			d.audit(t.Context())
			d.want(t, Warn, "no checkpoint was written yet")
		})
	}
}

func up(t *testing.T, url string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := migrations.Up(t.Context(), s.SQL(), migrations.Postgres); err != nil {
		t.Fatal(err)
	}
}

func withParameter(url, parameter string) string {
	if strings.Contains(url, "?") {
		return url + "&" + parameter
	}
	return url + "?" + parameter
}
