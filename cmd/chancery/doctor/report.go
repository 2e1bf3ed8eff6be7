// Package doctor looks at an installation and says what is wrong with it, one row a
// check: what was seen and what to do. It changes nothing, and shows no secret.
//
// It looks from where it runs: at the configuration, the files and the database
// directly, and at a running server by its admin API and, as an outsider does, by
// its public URL. A check that could not be made is skipped and says why; it never
// counts as passed.
//
// It decides nothing of what is served; the packages that serve are asked.
package doctor

import (
	"slices"
	"time"
)

// Status is how a check ended.
type Status string

// The statuses.
const (
	OK      Status = "ok"
	Warn    Status = "warn"
	Fail    Status = "fail"
	Skipped Status = "skipped"
)

// Row is one check.
type Row struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Seen   string `json:"seen"`
	Do     string `json:"do,omitempty"`
}

// Report is all of them, in the order in which they were made.
type Report struct {
	At   time.Time `json:"at"`
	Rows []Row     `json:"checks"`
}

// Healthy tells whether no check failed.
func (r *Report) Healthy() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Status == Fail })
}

func (r *Report) add(check string, status Status, seen, do string) {
	r.Rows = append(r.Rows, Row{Check: check, Status: status, Seen: seen, Do: do})
}

func (r *Report) ok(check, seen string) { r.add(check, OK, seen, "") }

func (r *Report) skip(check, why string) { r.add(check, Skipped, why, "") }

// judge adds the worse of two rows: ok if there is nothing wrong.
func (r *Report) judge(check, seen string, status Status, do string) {
	if status == OK {
		do = ""
	}
	r.add(check, status, seen, do)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func ago(d time.Duration) string { return d.Round(time.Second).String() }
