package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/broker/audit"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// ErrCursor says that a cursor is none of ours.
var ErrCursor = errors.New("this is no cursor of the audit log")

// pageLimit bounds one page.
const pageLimit = 1000

// Filter narrows a reading; what is empty does not narrow. Since is inclusive, Until is not.
type Filter struct {
	Since, Until time.Time
	Types        []audit.Type
	Outcome      audit.Outcome
	Code         string
	Trace        string
	ID           string
	Client       string // these two are looked for in the bodies
	TokenID      string
	Limit        int    // at most 1000; 0 means 100
	Cursor       string // of the page before
}

// Query returns a tenant's events, the newest first, and the cursor of the next page, empty at the end.
func (a *Audit) Query(ctx context.Context, t tenant.UID, f Filter) ([]AuditRow, string, error) {
	if err := t.Check(); err != nil {
		return nil, "", err
	}
	return a.query(ctx, t, f)
}

// QueryAll is Query over every tenant, for those who run the installation.
func (a *Audit) QueryAll(ctx context.Context, f Filter) ([]AuditRow, string, error) {
	return a.query(ctx, tenant.UID{}, f)
}

// AuditRow is an event in its place. Body is nil where it was erased; then Event is empty.
type AuditRow struct {
	Writer     string
	Seq        int64
	At         time.Time
	Leaf, Link audit.Digest
	Body       []byte
	Event      audit.Event
}

const auditColumns = "writer, seq, at, body, leaf, link"

// where collects conditions; values are bound, never spelled.
type where struct {
	conditions []string
	args       []any
}

// add appends a condition whose every ? stands for the next of the values.
func (w *where) add(condition string, values ...any) {
	for _, v := range values {
		w.args = append(w.args, v)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

func (w *where) sql() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " where " + strings.Join(w.conditions, " and ")
}

func (a *Audit) query(ctx context.Context, t tenant.UID, f Filter) ([]AuditRow, string, error) {
	w, err := a.narrow(t, f)
	if err != nil {
		return nil, "", err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	limit = min(limit, pageLimit)
	query := "select " + auditColumns + " from audit_events" + w.sql() +
		" order by at desc, writer desc, seq desc limit " + strconv.Itoa(limit+1)
	rows, err := a.rowsOf(ctx, query, w.args...)
	if err != nil {
		return nil, "", err
	}
	if len(rows) <= limit {
		return rows, "", nil
	}
	last := rows[limit-1]
	return rows[:limit], cursor(last), nil
}

func (a *Audit) narrow(t tenant.UID, f Filter) (*where, error) {
	w := &where{}
	if !t.IsZero() {
		w.add("tenant_uid = ?", t.String())
	}
	if !f.Since.IsZero() {
		w.add("at >= ?", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		w.add("at < ?", f.Until.UnixMicro())
	}
	if len(f.Types) > 0 {
		types := make([]any, len(f.Types))
		for i, kind := range f.Types {
			types[i] = string(kind)
		}
		w.add("type in ("+strings.Repeat(", ?", len(types))[2:]+")", types...)
	}
	for _, exact := range []struct{ column, value string }{
		{"outcome", string(f.Outcome)}, {"code", f.Code}, {"trace", f.Trace}, {"id", f.ID},
	} {
		if exact.value != "" {
			w.add(exact.column+" = ?", exact.value)
		}
	}
	for _, member := range []struct{ name, value string }{{"client", f.Client}, {"token_jti", f.TokenID}} {
		if member.value == "" {
			continue
		}
		if a.dialect == Postgres {
			w.add("body::json ->> '"+member.name+"' = ?", member.value)
		} else {
			w.add("json_extract(body, '$."+member.name+"') = ?", member.value)
		}
	}
	if f.Cursor != "" {
		at, writer, seq, err := parseCursor(f.Cursor)
		if err != nil {
			return nil, err
		}
		w.add("(at, writer, seq) < (?, ?, ?)", at, writer, seq)
	}
	return w, nil
}

// rowsOf runs one bounded reading.
func (a *Audit) rowsOf(ctx context.Context, query string, args ...any) ([]AuditRow, error) {
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	rows, err := a.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer rows.Close()
	var found []AuditRow
	for rows.Next() {
		row, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	return found, withoutURL(rows.Err())
}

func scanEvent(rows *sql.Rows) (AuditRow, error) {
	var r AuditRow
	var at int64
	var body sql.NullString
	var leaf, link []byte
	if err := rows.Scan(&r.Writer, &r.Seq, &at, &body, &leaf, &link); err != nil {
		return AuditRow{}, err
	}
	r.At = time.UnixMicro(at).UTC()
	if err := errors.Join(digest(&r.Leaf, leaf), digest(&r.Link, link)); err != nil {
		return AuditRow{}, err
	}
	if !body.Valid {
		return r, nil
	}
	r.Body = []byte(body.String)
	var err error
	if r.Event, err = audit.ParseEvent(r.Body); err != nil {
		return AuditRow{}, fmt.Errorf("writer %s, event %d: %w", r.Writer, r.Seq, err)
	}
	return r, nil
}

// cursor is a place in the order of at, writer, seq. It holds nothing secret and cannot widen a
// reading: the conditions are made anew for each page.
func cursor(r AuditRow) string {
	b, err := json.Marshal([]any{r.At.UnixMicro(), r.Writer, r.Seq})
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s string) (at int64, writer string, seq int64, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return 0, "", 0, ErrCursor
	}
	var parts []json.RawMessage
	if json.Unmarshal(b, &parts) != nil || len(parts) != 3 ||
		json.Unmarshal(parts[0], &at) != nil || json.Unmarshal(parts[1], &writer) != nil || json.Unmarshal(parts[2], &seq) != nil ||
		strings.IndexByte(writer, 0) >= 0 {
		return 0, "", 0, ErrCursor
	}
	return at, writer, seq, nil
}
