package vend_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/chancery-dev/chancery/e2e/harness"
)

// command is one of the binary's, in an environment of its own.
func (l *leaks) command(ctx context.Context, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, harness.Binary(l.t), arguments...)
	c.Env = []string{"HOME=" + l.t.TempDir(), "PATH=" + os.Getenv("PATH")}
	return c
}

// process keeps what the machine tells everybody, or its owner, of a process.
func (l *leaks) process(what string, pid int) {
	l.t.Helper()
	l.cmdline(what, pid)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil && !errors.Is(err, fs.ErrPermission) { // which a process can refuse to its own user
		l.t.Fatal(err)
	}
	l.keep("environ of "+what, string(text))
}

func (l *leaks) cmdline(what string, pid int) {
	l.t.Helper()
	var text []byte
	harness.Eventually(l.t, settle, what+" runs", func() bool {
		var err error
		text, err = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return err == nil && len(text) > 0
	})
	l.keep("cmdline of "+what, string(text))
}

// collect reads what is left when everything was done, and tells what was found where. A backup is among it: it is a copy of
// the database.
func (l *leaks) collect(s *sieve) map[string][]string {
	l.t.Helper()
	harness.Eventually(l.t, settle, "spans and messages have left", func() bool { return len(l.traces.bytes()) > 0 && len(l.hooks.bytes()) > 0 })
	l.process("the server", l.Server().PID())
	metrics := l.AdminRequest(http.MethodGet, "/metrics", nil)
	l.keep("metrics", metrics.Body)
	if !strings.Contains(metrics.Body, "chancery_") {
		l.t.Error("no metrics")
	}
	file := filepath.Join(l.t.TempDir(), "audit.jsonl")
	if o := l.Run("audit", "export", "--out", file); o.Status != 0 {
		l.t.Fatal(o)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		l.t.Fatal(err)
	}
	l.keep("the audit log's export", string(text))
	found := l.stored(s)
	l.Server().Stop() // with what it says at its end
	l.keep("the log", l.Server().Log())
	l.places["traces"], l.places["webhooks"] = l.traces.bytes(), l.hooks.bytes()
	for place, what := range l.stored(s) {
		found[place+", at rest"] = what
	}
	for place, text := range l.places {
		if len(text) <= 1 && !strings.HasPrefix(place, "environ") {
			l.t.Errorf("%s is empty: that proves nothing", place)
		}
		found[place] = s.find(text)
	}
	if len(found) < 20 {
		l.t.Fatalf("%d places are too few: %v", len(found), found)
	}
	return found
}

// stored reads every byte of the database and of the server's folder, and tells what was found where.
func (l *leaks) stored(s *sieve) map[string][]string {
	l.t.Helper()
	folders := []string{l.Folder}
	if l.DB.Engine == harness.SQLite {
		folders = append(folders, filepath.Dir(l.DB.File))
	} else {
		folders = append(folders, l.cluster()...)
	}
	known := append(slices.Clone(l.private), filepath.Join(l.Folder, "admin-token"), filepath.Join(l.Folder, "idp-secret"))
	found := map[string][]string{}
	for _, folder := range folders {
		read := 0
		root := os.DirFS(folder)
		err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || entry != nil && !entry.Type().IsRegular() || slices.Contains(known, filepath.Join(folder, path)) {
				return nil // gone meanwhile
			}
			if err != nil {
				return err
			}
			text, err := fs.ReadFile(root, path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			read += len(text)
			where := l.place(folder, path)
			found[where] = append(found[where], s.find(text)...)
			return err
		})
		if err != nil || read < 1000 {
			l.t.Fatalf("%d bytes of %s: %v", read, folder, err)
		}
	}
	return found
}

// place puts files together that are the same to somebody who reads them.
func (l *leaks) place(folder, path string) string {
	if folder == l.Folder || l.DB.Engine == harness.SQLite {
		return "the file " + filepath.Base(path)
	}
	return "PostgreSQL's " + filepath.Base(filepath.Dir(folder)) + "/" + filepath.Base(folder)
}

// cluster are the folders of the PostgreSQL server that have something of ours, with everything written out.
func (l *leaks) cluster() []string {
	l.t.Helper()
	ctx := l.t.Context()
	root, err := pgx.Connect(ctx, os.Getenv(harness.ServerVariable))
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = root.Close(ctx) }()
	if _, err := root.Exec(ctx, "checkpoint"); err != nil {
		l.t.Fatal(err)
	}
	at, err := url.Parse(l.DB.URL)
	if err != nil {
		l.t.Fatal(err)
	}
	var folder, number string
	if err := root.QueryRow(ctx, "select current_setting('data_directory'), oid::text from pg_database where datname = $1", strings.Trim(at.Path, "/")).Scan(&folder, &number); err != nil {
		l.t.Fatal(err)
	}
	return []string{filepath.Join(folder, "base", number), filepath.Join(folder, "pg_wal"), filepath.Join(folder, "global")}
}

// planted writes a secret where secrets are looked for, and demands that it is found: in the table, and in the log of writes.
func (l *leaks) planted() {
	l.t.Helper()
	secret := "planted-" + rand.Text()
	db := l.beside()
	defer func() { _ = db.Close() }()
	for _, statement := range []string{"create table planted (text varchar(200))", "insert into planted values ('" + secret + "')"} {
		if _, err := db.ExecContext(l.t.Context(), statement); err != nil {
			l.t.Fatal(err)
		}
	}
	var found []string
	for place, what := range l.stored(newSieve(l.t, map[string]string{"what was planted": secret})) { // while SQLite's log of writes is there
		if len(what) > 0 {
			found = append(found, place)
		}
	}
	slices.Sort(found)
	want := "[the file chancery.db-wal]"
	if l.DB.Engine == harness.Postgres {
		_, number, _ := strings.Cut(fmt.Sprint(found), "base/")
		number, _, _ = strings.Cut(number, " ")
		want = "[PostgreSQL's base/" + number + " PostgreSQL's data/pg_wal]"
	}
	if fmt.Sprint(found) != want {
		l.t.Errorf("what was planted is found in %v, want %v", found, want)
	}
}
