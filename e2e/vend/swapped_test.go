package vend_test

import (
	"database/sql"
	"net/http"
	"slices"
	"testing"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// beside opens the database past the server, as somebody who may write there (O).
func (w scene) beside() *sql.DB {
	w.t.Helper()
	if w.DB.Engine == harness.Postgres {
		db := w.DB.Open(w.t)
		db.SetMaxOpenConns(1) // the wall knows the tenant by the connection
		tenant := harness.Strings(w.t, db, "select uid from tenants")[0]
		harness.Strings(w.t, db, "select set_config('chancery.tenant', '"+tenant+"', false)")
		return db
	}
	db, err := sql.Open("sqlite", "file:"+w.DB.File+"?_pragma=busy_timeout(5000)")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	return db
}

// swaps are what somebody exchanges between two rows who can write into the database: the columns.
var swaps = map[string][]string{
	"blobs":              {"credential"},
	"owners":             {"owner_uid"}, // so that each has the other's whole row
	"all-but-their-keys": {"credential", "version", "sealed_at", "account_id", "account_label", "expires_at", "refresh_at"},
}

// T68: credentials that were moved between people in the database open for nobody, and somebody is told.
func TestSwappedInTheDatabase(t *testing.T) {
	harness.Each(t, func(t *testing.T, e harness.Engine) {
		for name, columns := range swaps {
			t.Run(name, func(t *testing.T) {
				w := start(t, harness.Options{Engine: e, Env: environment()})
				tracker := w.serve("tracker", singleUse)
				for _, who := range []string{"alice", "bob"} {
					w.connects(w.signedIn(who), tracker)
				}
				w.borrow(w.Server(), alice, "tracker").Granted(t)
				w.borrow(w.Server(), bob, "tracker").Granted(t)
				lent, asked := len(w.told("token.vended")), tracker.Count("refresh")
				w.swap(columns)
				for n, who := range []string{alice, bob} {
					a := w.borrow(w.Server(), who, "tracker")
					a.Refused(t, http.StatusServiceUnavailable, "temporarily_unavailable", "vault_unavailable")
					if a.Header.Get("Retry-After") == "" {
						t.Errorf("nobody says when to come again: %s", a.Body)
					}
					alerts := w.about("connection.alert", "tracker")
					if len(alerts) != n+1 || alerts[n]["alert"] != "credential_unopened" || alerts[n]["connection"] == "" {
						t.Errorf("alerts %v", alerts)
					}
				}
				if got := w.metric(`chancery_connection_alerts_total{kind="credential_unopened"}`); got != "2" {
					t.Errorf("counted: %q", got)
				}
				if n := tracker.Count("refresh") - asked; n != 0 || len(w.told("token.vended")) != lent {
					t.Errorf("%d refreshes, lent %v", n, w.told("token.vended"))
				}
				w.swap(columns) // put back, nothing was lost
				w.borrow(w.Server(), alice, "tracker").Granted(t)
				w.borrow(w.Server(), bob, "tracker").Granted(t)
			})
		}
	})
}

// swap exchanges columns between the two connections.
func (w scene) swap(columns []string) {
	w.t.Helper()
	db := w.beside()
	db.SetMaxOpenConns(1)
	defer func() { _ = db.Close() }()
	run := func(statement string, arguments ...any) {
		if _, err := db.ExecContext(w.t.Context(), statement, arguments...); err != nil {
			w.t.Fatalf("%s: %v", statement, err)
		}
	}
	ids := harness.Strings(w.t, db, "select id from connections order by id")
	if len(ids) != 2 {
		w.t.Fatalf("connections %v", ids)
	}
	run("create temporary table before as select * from connections")
	run("update connections set owner_uid = 'usr_nobody' where id = $1", ids[0]) // an owner has an account once
	for n, id := range []string{ids[1], ids[0]} {
		for _, c := range append([]string{"owner_uid"}, columns...) {
			from := id
			if slices.Contains(columns, c) {
				from = ids[n]
			}
			run("update connections set "+c+" = (select "+c+" from before where id = $1) where id = $2", from, id)
		}
	}
}
