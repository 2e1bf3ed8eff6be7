package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // to count what a stopped server left behind
)

// database is a fresh one in a cluster that really writes: owner and runtime role apart, as an installation has them.
type database struct {
	server               string
	name, owner, runtime string
	ownerURL, runtimeURL string
	postmaster           int // 0 when it does not run on this machine
}

func makeDatabase(ctx context.Context, server string) (*database, error) {
	root, err := pgx.Connect(ctx, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close(ctx) }()
	for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
		var value string
		if err := root.QueryRow(ctx, "select current_setting($1)", setting).Scan(&value); err != nil {
			return nil, err
		}
		if value != "on" {
			return nil, fmt.Errorf("%s is %s in this cluster: a grant must be durable before it is answered", setting, value)
		}
	}
	suffix, password := strings.ToLower(rand.Text()[:12]), rand.Text()
	d := &database{server: server, name: "bench_" + suffix, owner: "owner_" + suffix, runtime: "runtime_" + suffix}
	for _, statement := range []string{
		"create role " + d.owner + " login password '" + password + "'",
		"create role " + d.runtime + " login password '" + password + "'",
		"create database " + d.name + " owner " + d.owner,
	} {
		if _, err := root.Exec(ctx, statement); err != nil {
			return nil, err
		}
	}
	if d.ownerURL, err = d.url(d.owner, password); err != nil {
		return nil, err
	}
	if d.runtimeURL, err = d.url(d.runtime, password); err != nil {
		return nil, err
	}
	d.postmaster = parentOf(ctx, root)
	return d, nil
}

func (d *database) url(role, password string) (string, error) {
	u, err := url.Parse(d.server)
	if err != nil {
		return "", err
	}
	u.Path, u.User = "/"+d.name, url.UserPassword(role, password)
	return u.String(), nil
}

// parentOf finds the cluster's first process by the one that serves this connection, if it is one of ours.
func parentOf(ctx context.Context, c *pgx.Conn) int {
	var pid int
	if err := c.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		return 0
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || !strings.HasPrefix(string(comm), "postgres") {
		return 0
	}
	fields, err := stat(pid)
	if err != nil {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// cpu reads the CPU time of every process of the cluster; nil where it cannot be seen.
func (d *database) cpu() func() (time.Duration, error) {
	if d.postmaster == 0 {
		return nil
	}
	return func() (time.Duration, error) {
		used, err := cpuOf(d.postmaster, true)
		if err != nil {
			return 0, err
		}
		for _, pid := range pidsWhere(func(fields []string) bool { return fields[1] == strconv.Itoa(d.postmaster) }) {
			if child, err := cpuOf(pid, false); err == nil { // else gone since
				used += child
			}
		}
		return used, nil
	}
}

// verify counts what the server left: everything that was answered, and nothing else, has its rows.
func (d *database) verify(ctx context.Context, left rows) error {
	c, err := d.superuser(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }()
	return agree(left, func(query string) (n int, err error) {
		err = c.QueryRow(ctx, query).Scan(&n)
		return n, err
	})
}

// superuser connects to this database as who made it.
func (d *database) superuser(ctx context.Context) (*pgx.Conn, error) {
	root, err := d.superuserURL()
	if err != nil {
		return nil, err
	}
	return pgx.Connect(ctx, root)
}

func (d *database) superuserURL() (string, error) {
	root, err := url.Parse(d.server)
	if err != nil {
		return "", err
	}
	root.Path = "/" + d.name
	return root.String(), nil
}

func (d *database) drop(ctx context.Context) error {
	root, err := pgx.Connect(ctx, d.server)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close(ctx) }()
	var errs []error
	for _, statement := range []string{"drop database " + d.name + " with (force)", "drop role " + d.owner, "drop role " + d.runtime} {
		_, err := root.Exec(ctx, statement)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func verifySQLite(ctx context.Context, file string, left rows) (err error) {
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return agree(left, func(query string) (n int, err error) {
		err = db.QueryRowContext(ctx, query).Scan(&n)
		return n, err
	})
}

// agree compares the client's count with the database's.
func agree(left rows, count func(query string) (int, error)) error {
	const redeemed = "select count(*) from redemptions where space = "
	for _, row := range []struct {
		what, query string
		wanted      int
		atLeast     bool
	}{
		{"issued tokens", "select count(*) from issued_tokens", left.tokens, false},
		{"recorded decisions", "select count(*) from decisions", left.tokens + left.considered, false},
		{"audit events", "select count(*) from audit_events", left.tokens + left.revoked, true},
		{"redeemed assertions", redeemed + "'assertion'", left.assertions, false},
		{"redeemed codes", redeemed + "'code'", left.codes, false},
		{"used proofs", redeemed + "'dpop'", left.proofs, false},
		{"revoked tokens", redeemed + "'revoked_token'", left.revoked, false},
	} {
		n, err := count(row.query)
		if err != nil {
			return err
		}
		if n < row.wanted || (n > row.wanted && !row.atLeast) {
			return fmt.Errorf("the client was told of %d, the database has %d %s", row.wanted, n, row.what)
		}
	}
	return nil
}
