package matrix

import (
	"cmp"
	"reflect"
	"slices"
)

// Change is a cell that differs between two matrices; the side that has no such cell is nil.
type Change struct {
	Before *Cell `json:"before"`
	After  *Cell `json:"after"`
}

// cell is where it is.
func (c Change) cell() Cell {
	if c.After != nil {
		return *c.After
	}
	return *c.Before
}

// Difference is what changes between two sets of policies.
type Difference struct {
	Changes []Change `json:"changes"`
	// Cells are those that either matrix has.
	Cells int `json:"cells"`
	// Assumes is what either set reads that is the same in every cell.
	Assumes  []Assumption `json:"assumes"`
	ReadsAll bool         `json:"reads_all"`
}

type key struct {
	client, resource string
	who              Who
	group            string
}

func (c Cell) key() key { return key{c.Client, c.Resource, c.Who, c.Group} }

// Diff compares two matrices, cell by cell. Reasons are words: cells that differ in nothing else are the same.
func Diff(before, after Matrix) Difference {
	d := Difference{Changes: []Change{}, ReadsAll: before.ReadsAll || after.ReadsAll}
	was := make(map[key]*Cell, len(before.Cells))
	for i := range before.Cells {
		was[before.Cells[i].key()] = &before.Cells[i]
	}
	d.Cells = len(was)
	for i := range after.Cells {
		is := &after.Cells[i]
		old := was[is.key()]
		delete(was, is.key())
		if old == nil {
			d.Cells++
		}
		if old == nil || !same(*old, *is) {
			d.Changes = append(d.Changes, Change{Before: old, After: is})
		}
	}
	for _, gone := range was {
		d.Changes = append(d.Changes, Change{Before: gone})
	}
	slices.SortFunc(d.Changes, func(a, b Change) int { return compare(a.cell(), b.cell()) })
	d.Assumes = slices.Concat([]Assumption{}, before.Assumes, after.Assumes)
	slices.SortFunc(d.Assumes, func(a, b Assumption) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Value, b.Value))
	})
	d.Assumes = slices.Compact(d.Assumes)
	return d
}

func same(a, b Cell) bool {
	a.Reason, b.Reason = "", ""
	return reflect.DeepEqual(a, b)
}

func compare(a, b Cell) int {
	order := func(w Who) int { return slices.Index([]Who{Member, Person, Nobody}, w) }
	return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Resource, b.Resource), cmp.Compare(order(a.Who), order(b.Who)), cmp.Compare(a.Group, b.Group))
}
