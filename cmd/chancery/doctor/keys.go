package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/keys"
	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// rotationSlack is how long after its time a successor may still be on its way.
const rotationSlack = time.Hour

// keys looks at each tenant's signing keys: directly, or as the admin API tells of them.
func (d *Doctor) keys(ctx context.Context) {
	if d.db == nil {
		d.keysOfServer(ctx)
		return
	}
	objects, err := d.db.Objects(nil)
	if err != nil {
		d.report.add("keys", Fail, err.Error(), "look at the database's log")
		return
	}
	tenants, err := objects.Tenants(ctx)
	if err != nil {
		d.report.skip("keys", "the tenants cannot be read: "+err.Error())
		return
	}
	if len(tenants) == 0 {
		d.report.skip("keys", "no server has started on this database yet")
		return
	}
	for _, t := range tenants {
		d.keysOf(ctx, t)
	}
}

func (d *Doctor) keysOf(ctx context.Context, t object.Stored) {
	check := "keys of " + t.Name
	kept, err := d.db.SigningKeys(nil)
	if err != nil {
		d.report.add(check, Fail, err.Error(), "look at the database's log")
		return
	}
	rows, err := kept.SigningKeys(ctx, t.Tenant)
	if err != nil {
		d.report.add(check, Fail, err.Error(), "look at the database's log")
		return
	}
	if d.sealer != nil {
		for _, row := range rows {
			if row.State == keys.Revoked {
				continue
			}
			if err := keys.Openable(ctx, d.sealer, t.Tenant, row); err != nil {
				seen, do := d.unopened(err)
				d.report.add(check, Fail, seen, do)
				return
			}
		}
	}
	d.judgeKeys(check, t.Name, rows, d.sealer != nil)
}

func (d *Doctor) keysOfServer(ctx context.Context) {
	if !d.served {
		d.report.skip("keys", "neither the database nor a server could be asked")
		return
	}
	found, err := d.Admin(tenant.DefaultName).Keys(ctx)
	if err != nil {
		d.report.add("keys", Fail, err.Error(), "the server's log says why")
		return
	}
	rows := make([]keys.Row, len(found))
	for i, k := range found {
		rows[i] = keys.Row{KeyID: k.KeyID, Algorithm: k.Algorithm, State: keys.State(k.State), CreatedAt: k.CreatedAt, ActiveAt: k.ActiveAt}
	}
	d.judgeKeys("keys of "+tenant.DefaultName, tenant.DefaultName, rows, false)
}

// judgeKeys: each algorithm has a key that signs, and its successor came in time.
func (d *Doctor) judgeKeys(check, name string, rows []keys.Row, opened bool) {
	now := d.Now()
	newest := map[string]time.Time{} // by algorithm, when the one that signs began
	prepared := 0
	for _, row := range rows {
		if row.State == keys.Active || row.State == keys.Prepared {
			if row.ActiveAt.After(now) {
				prepared++
			} else if row.ActiveAt.After(newest[row.Algorithm]) {
				newest[row.Algorithm] = row.ActiveAt
			}
		}
	}
	if len(newest) == 0 && len(rows) == 0 && name != tenant.DefaultName {
		d.report.skip(check, "its first token makes its first key")
		return
	}
	if len(newest) == 0 {
		d.report.add(check, Fail, "no key signs", "chancery keys rotate; a running server makes one by itself")
		return
	}
	var seen, late []string
	for _, algorithm := range keys.Algorithms() {
		began, ok := newest[algorithm]
		if !ok {
			continue
		}
		seen = append(seen, fmt.Sprintf("%s since %s", algorithm, stamp(began)))
		if now.Sub(began) > d.Loaded.Keys.RotateEvery+rotationSlack {
			late = append(late, algorithm)
		}
	}
	text := strings.Join(seen, ", ")
	if prepared > 0 {
		text += fmt.Sprintf(", %d prepared", prepared)
	}
	if opened {
		text += "; all open"
	}
	if len(late) > 0 {
		d.report.add(check, Warn, text, fmt.Sprintf("%s is past keys.rotate_every (%s): a running server rotates by itself; if one runs, its log says why not", strings.Join(late, " and "), d.Loaded.Keys.RotateEvery))
		return
	}
	d.report.ok(check, text)
}
