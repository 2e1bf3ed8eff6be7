package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/chancery-dev/chancery/admin/client"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/rehearsal"
	"github.com/chancery-dev/chancery/broker/snapshot"
	"github.com/chancery-dev/chancery/broker/tenant"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
)

// entry is an object and where it was read.
type entry struct {
	object.Object
	tenant string
}

const maxListed = 1000 // of a kind in a tenant: doctor is for people

// list reads the objects of a kind in every tenant, directly or by the admin API.
func (d *Doctor) list(ctx context.Context, kind object.Kind) ([]entry, error) {
	if d.served {
		tenants, err := d.Admin(tenant.DefaultName).List(ctx, object.KindTenant)
		if err != nil {
			return nil, err
		}
		var all []entry
		for _, t := range tenants {
			found, err := d.Admin(t.Metadata.Name).List(ctx, kind)
			if err != nil {
				return nil, err
			}
			for _, o := range found {
				all = append(all, entry{o, t.Metadata.Name})
			}
		}
		return all, nil
	}
	if d.db == nil {
		return nil, fmt.Errorf("neither the database nor a server could be asked")
	}
	objects, err := d.db.Objects(nil)
	if err != nil {
		return nil, err
	}
	tenants, err := objects.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, t := range tenants {
		found, err := objects.List(ctx, t.Tenant, kind, "", maxListed)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			o, err := s.Object(t.Name)
			if err != nil {
				return nil, err
			}
			all = append(all, entry{o, t.Name})
		}
	}
	return all, nil
}

// idps tests the connection to each: from the server if one runs, else from here with the same rules.
func (d *Doctor) idps(ctx context.Context) {
	all, err := d.list(ctx, object.KindIdentityProvider)
	if err != nil {
		d.report.skip("idps", "the entries cannot be read: "+err.Error())
		return
	}
	if len(all) == 0 {
		d.report.add("idps", Warn, "there is none: nobody's assertions are taken", "chancery apply an IdentityProvider")
		return
	}
	results := make([]tested, len(all))
	var running sync.WaitGroup
	slots := make(chan struct{}, testsAtOnce)
	for i, one := range all {
		if one.disabled() {
			continue
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(ctx, idpPatience)
			defer cancel()
			results[i].rows, results[i].err = d.testIdP(ctx, one)
		})
	}
	running.Wait()
	for i, one := range all {
		check, name := "idp "+one.name(), one.Metadata.Name
		switch {
		case one.disabled():
			d.report.skip(check, "the entry is disabled: its assertions are refused")
		case results[i].err != nil:
			d.report.add(check, Fail, results[i].err.Error(), "chancery idp test "+name)
		default:
			d.tellIdP(check, name, results[i].rows)
		}
	}
}

// An IdP that hangs costs its own row, and not those of others.
const (
	idpPatience = 20 * time.Second
	testsAtOnce = 8
)

type tested struct {
	rows []diagnose.Row
	err  error
}

func (e entry) disabled() bool {
	spec, ok := e.Spec.(*object.IdentityProviderSpec)
	return ok && spec.Disabled
}

func (d *Doctor) testIdP(ctx context.Context, one entry) ([]diagnose.Row, error) {
	if d.served {
		raw, err := d.Admin(one.tenant).TestIdP(ctx, client.IdPTest{Name: one.Metadata.Name})
		if err != nil {
			return nil, err
		}
		var answer rehearsal.TestAnswer
		if err := json.Unmarshal(raw, &answer); err != nil {
			return nil, fmt.Errorf("read the test: %w", err)
		}
		return answer.Rows, nil
	}
	objects, err := d.db.Objects(nil)
	if err != nil {
		return nil, err
	}
	source, err := snapshot.New(snapshot.Config{Store: objects, Versions: d.db, PublicURL: d.Loaded.Server.PublicURL, Now: d.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	picture, err := source.Get(ctx, one.tenant)
	if err != nil {
		return nil, err
	}
	idp, ok := picture.IdentityProvider(one.Metadata.UID)
	if !ok {
		return nil, fmt.Errorf("the entry is not in its tenant's picture")
	}
	tester := diagnose.Tester{Fetch: fetch.New(d.Loaded.Egress.Policy()), Now: d.Now}
	report, err := tester.Connection(ctx, *idp)
	return report.Rows, err
}

// tellIdP says the first thing that is wrong; chancery idp test says all.
func (d *Doctor) tellIdP(check, name string, rows []diagnose.Row) {
	passed := 0
	var worst *diagnose.Row
	for i, row := range rows {
		switch row.Status {
		case diagnose.Fail:
			if worst == nil || worst.Status != diagnose.Fail {
				worst = &rows[i]
			}
		case diagnose.Warn:
			if worst == nil {
				worst = &rows[i]
			}
		case diagnose.Pass:
			passed++
		case diagnose.Skipped:
		}
	}
	if worst == nil {
		d.report.ok(check, fmt.Sprintf("%d checks passed", passed))
		return
	}
	status := Warn
	if worst.Status == diagnose.Fail {
		status = Fail
	}
	do := worst.Change
	if do == "" {
		do = "chancery idp test " + name
	}
	d.report.add(check, status, strings.TrimSpace(fmt.Sprintf("%s %s: %s", worst.Check, worst.Code, worst.Seen)), do)
}
