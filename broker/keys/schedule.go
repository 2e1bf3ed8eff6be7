package keys

import (
	"cmp"
	"slices"
	"time"
)

// schedule says when a key comes and goes.
type schedule struct {
	every time.Duration // a key's time as the active one
	lead  time.Duration // how long a successor is published before it signs
	keep  time.Duration // how long a predecessor stays published
}

// due is what has to happen now to the keys of one algorithm.
type due struct {
	promote []Row     // at most one: its time has come
	retire  []Row     // they sign no longer
	drop    []Row     // nothing that they signed is alive
	prepare time.Time // when a successor that is made now shall sign; zero: none is due
}

// due is a pure function: whichever replica writes its answer first, the others
// find nothing to do.
func (s schedule) due(rows []Row, now time.Time) due {
	var d due
	signing, waiting := line(rows, now)
	for i, row := range signing {
		last := i == len(signing)-1 // the one that Ring.Signer picks
		switch {
		case !last:
			d.retire = append(d.retire, s.retired(row, now))
		case row.State == Prepared:
			row.State = Active
			d.promote = append(d.promote, row)
		}
	}
	for _, row := range rows {
		if row.State == Retiring && !now.Before(row.ExpiresAt) {
			d.drop = append(d.drop, row)
		}
	}
	if len(signing) == 0 || len(waiting) > 0 {
		return d
	}
	end := signing[len(signing)-1].ActiveAt.Add(s.every)
	if !now.Before(end.Add(-s.lead)) {
		// After a pause it is late, and published long enough all the same.
		d.prepare = later(end, now.Add(s.lead))
	}
	return d
}

func (s schedule) retired(row Row, now time.Time) Row {
	row.State = Retiring
	row.RetiredAt = now
	row.ExpiresAt = now.Add(s.keep)
	return row
}

// line returns the keys whose time to sign has come, and those that wait for
// theirs, each in the order in which they sign.
func line(rows []Row, now time.Time) (signing, waiting []Row) {
	for _, row := range rows {
		switch {
		case row.State != Active && row.State != Prepared:
		case now.Before(row.ActiveAt) && row.State == Prepared:
			waiting = append(waiting, row)
		default:
			signing = append(signing, row)
		}
	}
	order := func(a, b Row) int { return cmp.Or(a.ActiveAt.Compare(b.ActiveAt), cmp.Compare(a.KeyID, b.KeyID)) }
	slices.SortFunc(signing, order)
	slices.SortFunc(waiting, order)
	return signing, waiting
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
