package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/decision"
	"github.com/chancery-dev/chancery/broker/ledger"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// Decisions reads recorded decisions, and removes them. They are written with the ledger's entries.
type Decisions struct{ store *Store }

var _ decision.Log = (*Decisions)(nil)

// Decisions opens them.
func (s *Store) Decisions() *Decisions { return &Decisions{store: s} }

const (
	decisionColumnNames = "id, at, trace, action, allow, code, policies, input_hash, input, result"
	decisionsAtOnce     = 500
	maxDecisionsPage    = 1000
)

// Find implements decision.Log.
func (d *Decisions) Find(ctx context.Context, t tenant.UID, id string) (ledger.Decision, error) {
	found, err := d.store.Audit().FindDecision(ctx, t, id)
	if errors.Is(err, ErrNotRecorded) {
		return found, decision.ErrUnknown
	}
	return found, err
}

// place is where one is in the order of at and id.
type place struct {
	at int64
	id string
}

// Page implements decision.Log.
func (d *Decisions) Page(ctx context.Context, t tenant.UID, f decision.Filter, cursor string, limit int) ([]ledger.Decision, string, error) {
	w, err := d.narrow(t, f)
	if err != nil {
		return nil, "", err
	}
	if cursor != "" {
		p, err := parsePlace(cursor)
		if err != nil {
			return nil, "", err
		}
		w.add("(at, id) < (?, ?)", p.at, p.id)
	}
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, maxDecisionsPage)
	found, err := d.read(ctx, t, w.sql()+" order by at desc, id desc limit "+strconv.Itoa(limit+1), w.args)
	if err != nil || len(found) <= limit {
		return found, "", err
	}
	last := found[limit-1]
	return found[:limit], place{last.At.UnixMicro(), last.ID}.String(), nil
}

// Each implements decision.Log. It reads page by page behind the last one, so that no transaction stays open.
func (d *Decisions) Each(ctx context.Context, t tenant.UID, f decision.Filter) iter.Seq2[ledger.Decision, error] {
	return func(yield func(ledger.Decision, error) bool) {
		after := place{at: -1 << 62}
		for {
			w, err := d.narrow(t, f)
			if err != nil {
				yield(ledger.Decision{}, err)
				return
			}
			w.add("(at, id) > (?, ?)", after.at, after.id)
			found, err := d.read(ctx, t, w.sql()+" order by at, id limit "+strconv.Itoa(decisionsAtOnce), w.args)
			if err != nil {
				yield(ledger.Decision{}, err)
				return
			}
			for _, one := range found {
				if !yield(one, nil) {
					return
				}
				after = place{one.At.UnixMicro(), one.ID}
			}
			if len(found) < decisionsAtOnce {
				return
			}
		}
	}
}

func (d *Decisions) narrow(t tenant.UID, f decision.Filter) (*where, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	w := &where{}
	w.add("tenant_uid = ?", t.String())
	if !f.Since.IsZero() {
		w.add("at >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		w.add("at < ?", f.Until.UnixMicro())
	}
	if f.Code != "" {
		w.add("code = ?", f.Code)
	}
	if f.Action != "" {
		w.add("action = ?", f.Action)
	}
	if f.Allow != nil {
		w.add("allow = ?", *f.Allow)
	}
	if f.User != "" {
		w.add(d.member("user", "id")+" = ?", f.User)
	}
	if f.Client != "" {
		w.add("("+d.member("client", "name")+" = ? or "+d.member("client", "id")+" = ?)", f.Client, f.Client)
	}
	if f.Resource != "" {
		w.add(d.member("resource", "name")+" = ?", f.Resource)
	}
	return w, nil
}

// member is a member of the recorded input; both names are constants.
func (d *Decisions) member(of, name string) string {
	if d.store.dialect == Postgres {
		return "nullif(input, '')::json #>> '{" + of + "," + name + "}'"
	}
	return "json_extract(input, '$." + of + "." + name + "')"
}

// read runs one bounded reading.
func (d *Decisions) read(ctx context.Context, t tenant.UID, rest string, args []any) ([]ledger.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, d.store.limit)
	defer cancel()
	rows, err := d.store.read.QueryContext(ctx, "select "+decisionColumnNames+" from decisions"+rest, args...) //nolint:gosec // rest is made of this file's own words; values are bound
	if err != nil {
		return nil, withoutURL(err)
	}
	defer rows.Close()
	var found []ledger.Decision
	for rows.Next() {
		one, err := scanDecision(t, rows.Scan)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, withoutURL(rows.Err())
}

func scanDecision(t tenant.UID, scan func(...any) error) (ledger.Decision, error) {
	d := ledger.Decision{Tenant: t}
	var at int64
	var hash []byte
	var policies, result string
	var input sql.NullString
	if err := scan(&d.ID, &at, &d.Trace, &d.Action, &d.Allow, &d.Code, &policies, &hash, &input, &result); err != nil {
		return d, withoutURL(err)
	}
	d.At, d.Input, d.Result = time.UnixMicro(at).UTC(), []byte(input.String), []byte(result)
	if err := digest(&d.InputHash, hash); err != nil {
		return d, err
	}
	if err := json.Unmarshal([]byte(policies), &d.Policies); err != nil {
		return d, fmt.Errorf("decision %s: %w", d.ID, err)
	}
	return d, nil
}

// String is the place as a cursor. It holds nothing secret and cannot widen a reading: the conditions are made anew for each page.
func (p place) String() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.at, 10) + "." + p.id))
}

func parsePlace(cursor string) (place, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return place{}, decision.ErrCursor
	}
	number, id, ok := strings.Cut(string(text), ".")
	at, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || strings.IndexByte(id, 0) >= 0 || len(id) > 64 {
		return place{}, decision.ErrCursor
	}
	return place{at, id}, nil
}
