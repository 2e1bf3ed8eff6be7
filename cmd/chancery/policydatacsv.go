package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/object"
)

// Bounds on a table of grants.
const (
	maxCSV      = 64 << 20 // bytes
	maxCSVRows  = 1 << 20
	maxCSVCell  = 2048 // bytes
	maxCSVWrong = 20   // rows that are told
)

// granted is one line of the product group × resource × scope.
type granted struct{ group, resource, scope string }

// grantTable is what a CSV file says.
type grantTable struct {
	grants  map[granted]int // with the first line that says it
	rows    int
	repeats []string // told, and taken once
	again   int
}

// readGrants reads a table whose first row names its columns. Every row that is wrong is told by its line, and then nothing is taken.
func readGrants(text []byte, columns [3]string, separator rune) (grantTable, error) {
	t := grantTable{grants: map[granted]int{}}
	if len(text) > maxCSV {
		return t, fmt.Errorf("more than %d MiB", maxCSV>>20)
	}
	if !utf8.Valid(text) {
		return t, errors.New("the text is no UTF-8: save it as CSV UTF-8")
	}
	reader := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	reader.Comma = separator
	header, err := reader.Read()
	if errors.Is(err, io.EOF) {
		return t, errors.New("there is no row")
	}
	if err != nil {
		return t, err
	}
	places, err := columnsOf(header, columns)
	if err != nil {
		return t, err
	}
	var wrong []string
	tell := func(line int, format string, args ...any) {
		if len(wrong) < maxCSVWrong {
			wrong = append(wrong, fmt.Sprintf("line %d: %s", line, fmt.Sprintf(format, args...)))
		} else if len(wrong) == maxCSVWrong {
			wrong = append(wrong, "and more")
		}
	}
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if parse, ok := errors.AsType[*csv.ParseError](err); ok {
			tell(parse.StartLine, "%s", parse.Err)
			if !errors.Is(err, csv.ErrFieldCount) {
				break // where the next row begins is not known
			}
			continue
		}
		if err != nil {
			return t, err
		}
		if t.rows++; t.rows > maxCSVRows {
			return t, fmt.Errorf("more than %d rows", maxCSVRows)
		}
		line, _ := reader.FieldPos(0)
		if err := t.add(line, row[places[0]], row[places[1]], row[places[2]]); err != nil {
			tell(line, "%s", err)
		}
	}
	switch {
	case len(wrong) > 0:
		return t, errors.New(strings.Join(wrong, "\n"))
	case t.rows == 0:
		return t, errors.New("there is no row below the names of the columns")
	}
	return t, nil
}

// columnsOf finds the three columns by their names, exactly as they are written.
func columnsOf(header []string, columns [3]string) (places [3]int, err error) {
	for i, name := range columns {
		places[i] = slices.Index(header, name)
		switch {
		case places[i] < 0:
			return places, fmt.Errorf("line 1: there is no column %q: there are %s (--columns GROUP,RESOURCE,SCOPE names them as they are)", name, strings.Join(header, ", "))
		case slices.Contains(header[places[i]+1:], name):
			return places, fmt.Errorf("line 1: there are two columns %q", name)
		}
	}
	return places, nil
}

// add takes one row. A cell of scopes may hold several, with spaces between.
func (t *grantTable) add(line int, group, resource, scopes string) error {
	for _, cell := range []string{group, resource, scopes} {
		if len(cell) > maxCSVCell {
			return fmt.Errorf("a cell has more than %d bytes", maxCSVCell)
		}
	}
	switch {
	case group == "":
		return errors.New("the group is empty")
	case group != strings.TrimSpace(group) || strings.ContainsFunc(group, hidden):
		return fmt.Errorf("the group %q begins or ends with a space, or has a character that is not seen", group)
	case !object.IsName(resource):
		return fmt.Errorf("%q is no name of a resource", resource)
	}
	list, err := oauth.ParseScope(scopes)
	if err != nil || len(list) == 0 {
		return fmt.Errorf("%q is no scope", scopes)
	}
	for _, scope := range list {
		g := granted{group, resource, scope}
		if first, there := t.grants[g]; there {
			if t.again++; len(t.repeats) < maxCSVWrong {
				t.repeats = append(t.repeats, fmt.Sprintf("line %d says what line %d says: %s, %s, %s", line, first, group, resource, scope))
			}
			continue
		}
		t.grants[g] = line
	}
	return nil
}

// entries are grants as spec.data.grants has them: those with the same scopes of the same resource together, in order.
func entries(grants map[granted]int) []any {
	type holder struct{ group, resource string }
	scopesOf := map[holder][]string{}
	for g := range grants {
		h := holder{g.group, g.resource}
		scopesOf[h] = append(scopesOf[h], g.scope)
	}
	type kind struct{ resource, scopes string }
	groupsOf := map[kind][]string{}
	for h, scopes := range scopesOf {
		slices.Sort(scopes)
		k := kind{h.resource, strings.Join(scopes, " ")}
		groupsOf[k] = append(groupsOf[k], h.group)
	}
	kinds := slices.SortedFunc(maps.Keys(groupsOf), func(a, b kind) int {
		return strings.Compare(a.resource+"\x00"+a.scopes, b.resource+"\x00"+b.scopes)
	})
	list := make([]any, 0, len(kinds))
	for _, k := range kinds {
		slices.Sort(groupsOf[k])
		list = append(list, map[string]any{"groups": anyList(groupsOf[k]), "resource": k.resource, "scopes": anyList(strings.Fields(k.scopes))})
	}
	return list
}

func anyList(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// grantsOf reads spec.data.grants as the table has them; what is not of that form is an error: it would be lost.
func grantsOf(data map[string]any) (map[granted]int, error) {
	found := map[granted]int{}
	list, ok := data["grants"].([]any)
	if _, there := data["grants"]; there && !ok {
		return nil, errors.New("data.grants is no list")
	}
	for i, item := range list {
		entry, _ := item.(map[string]any)
		groups, okGroups := entry["groups"].([]any)
		scopes, okScopes := entry["scopes"].([]any)
		resource, okResource := entry["resource"].(string)
		if !okGroups || !okScopes || !okResource || len(entry) != 3 {
			return nil, fmt.Errorf("data.grants[%d] is not {groups, resource, scopes}", i)
		}
		for _, group := range groups {
			for _, scope := range scopes {
				g, okGroup := group.(string)
				s, okScope := scope.(string)
				if !okGroup || !okScope {
					return nil, fmt.Errorf("data.grants[%d] is not {groups, resource, scopes}", i)
				}
				found[granted{g, resource, s}] = 0
			}
		}
	}
	return found, nil
}
