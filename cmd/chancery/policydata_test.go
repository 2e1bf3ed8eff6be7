package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const grantsCSV = "group,resource,scope\nnotes-editors,notes,notes:write\nnotes-readers,notes,notes:read\n\"Editors, Berlin\",notes,notes:read notes:write\n"

func TestPolicyDataImport(t *testing.T) {
	s := alone(t)
	table := s.file("grants.csv", grantsCSV)
	object := s.file("groups.yaml", groupsText)

	got := s.run(exitDone, "policy", "data", "import", "--csv", table, "--file", object)
	has(t, got.stdout, "template: group-scopes", "Editors, Berlin", "notes-readers")
	has(t, got.stderr, "3 rows, 4 grants, 3 of them new, 0 said again")
	filled := s.file("filled.yaml", got.stdout)
	for group, status := range map[string]int{"notes-readers": exitDone, "Editors, Berlin": exitDone, "strangers": exitDiffers} {
		s.pipe(status, strings.ReplaceAll(evalInput, "notes-editors", group), "policy", "eval", "-f", filled, "-f", s.file("resource.yaml", resourceText), "--input", "-")
	}
	// Read again it says the same, and what is not in the table goes unless it is kept.
	if again := s.run(exitDone, "policy", "data", "import", "--csv", table, "--file", filled); again.stdout != got.stdout || !strings.Contains(again.stderr, "0 of them new") {
		t.Errorf("%s%s", again.stdout, again.stderr)
	}
	less := s.file("less.csv", "group,resource,scope\nothers,notes,notes:read\n")
	got = s.run(exitDone, "policy", "data", "import", "--csv", less, "--file", filled)
	has(t, got.stderr, "4 grants that are there are not in the table, and go")
	hasNot(t, got.stdout, "Berlin")
	has(t, s.run(exitDone, "policy", "data", "import", "--csv", less, "--file", filled, "--add").stdout, "Berlin", "others")

	// Spreadsheets' ways: a mark at the beginning, other names, other separators, other ends of lines, quotes within quotes.
	other := s.file("other.csv", "\ufeffNr;AD group;App;Permission\r\n1;\"say \"\"hi\"\"\";notes;notes:read\r\n")
	has(t, s.run(exitDone, "policy", "data", "import", "--csv", other, "--separator", ";", "--columns", "AD group,App,Permission", "--file", object).stdout, `say "hi"`)
	has(t, s.pipe(exitDone, strings.ReplaceAll(grantsCSV[:53], ",", "\t"), "policy", "data", "import", "--csv", "-", "--separator", "tab").stdout, "grants:", "notes-editors")
	got = s.pipe(exitDone, grantsCSV+"notes-readers,notes,notes:read\n", "policy", "data", "import", "--csv", "-", "--file", object)
	has(t, got.stderr, "warning: line 5 says what line 3 says: notes-readers, notes, notes:read", "1 said again")
	out := filepath.Join(s.folder, "out.yaml")
	s.run(exitDone, "policy", "data", "import", "--csv", table, "--file", object, "--out", out)
	s.run(exitFailed, "policy", "data", "import", "--csv", table, "--file", object, "--out", out)
}

func TestPolicyDataImportRefuses(t *testing.T) {
	s := alone(t)
	object := s.file("groups.yaml", groupsText)
	const head = "group,resource,scope\n"
	for name, test := range map[string]struct{ text, want string }{
		"nothing":              {"", "there is no row"},
		"no row":               {head, "no row below"},
		"no such column":       {"groups,resource,scope\na,notes,a\n", `no column "group": there are groups, resource, scope`},
		"a column twice":       {"group,resource,scope,group\na,notes,a,b\n", `two columns "group"`},
		"a cell is missing":    {head + "a,notes,a\na,notes\n", "line 3: wrong number of fields"},
		"a cell too many":      {head + "a,notes,a,b\n", "line 2: wrong number of fields"},
		"a quote that is open": {head + "a,notes,a\n\"b,notes,a\n", "line 3: "},
		"a quote in a cell":    {head + "a\"b,notes,a\n", "line 2: bare \""},
		"no group":             {head + ",notes,a\n", "line 2: the group is empty"},
		"a group of spaces":    {head + "a,notes,a\n a,notes,a\n", "line 3: the group"},
		"a group of two lines": {head + "\"a\nb\",notes,a\nc,,a\n", "line 4: "},
		"no resource":          {head + "a,,a\n", `line 2: "" is no name of a resource`},
		"no name":              {head + "a,Notes App,a\n", "line 2: "},
		"no scope":             {head + "a,notes,\n", `line 2: "" is no scope`},
		"a scope in quotes":    {head + "a,notes,\"\"\"a\"\"\"\n", "line 2: "},
		"a cell without end":   {head + strings.Repeat("a", maxCSVCell+1) + ",notes,a\n", "line 2: a cell has more than"},
		"a group too long":     {head + strings.Repeat("a", 300) + ",notes,a\n", "data"}, // the template's schema
		"no UTF-8":             {head + "\xe4,notes,a\n", "no UTF-8"},
		"several":              {head + ",notes,a\nb,notes,a\nc,,a\n", "line 4: "},
		"many":                 {head + strings.Repeat(",notes,a\n", maxCSVWrong+5), "and more"},
	} {
		got := s.pipe(exitFailed, test.text, "policy", "data", "import", "--csv", "-", "--file", object)
		if !strings.Contains(got.stderr, test.want) || got.stdout != "" {
			t.Errorf("%s: %s%s", name, got.stdout, got.stderr)
		}
	}
	table := s.file("grants.csv", grantsCSV)
	odd := s.file("odd.yaml", strings.Replace(policyText, "  tests:", "  data: {grants: [{team: a}]}\n  tests:", 1))
	strict := s.file("strict.yaml", strings.Replace(policyText, "  tests:", "  data_schema: {properties: {grants: {maxItems: 1}}}\n  tests:", 1))
	for name, args := range map[string][]string{
		"no table":              {"--file", object},
		"one column":            {"--csv", table, "--file", object, "--columns", "group"},
		"an empty column":       {"--csv", table, "--file", object, "--columns", "group,,scope"},
		"two separators":        {"--csv", table, "--file", object, "--separator", ",;"},
		"no separator":          {"--csv", table, "--file", object, "--separator", ""},
		"a quote as separator":  {"--csv", table, "--file", object, "--separator", `"`},
		"standard input twice":  {"--csv", "-", "--file", "-"},
		"a dry run of a file":   {"--csv", table, "--file", object, "--dry-run"},
		"added to nothing":      {"--csv", table, "--add"},
		"no such policy":        {"--csv", table, "--file", object, "--policy", "other"},
		"grants of other forms": {"--csv", table, "--file", odd},
		"against its schema":    {"--csv", table, "--file", strict},
	} {
		if got := s.runIn(t.Context(), "", append([]string{"policy", "data", "import"}, args...)...); got.status != exitFailed || got.stdout != "" {
			t.Errorf("%s: exit status %d: %s", name, got.status, got.stdout)
		}
	}
	if _, err := readGrants(make([]byte, maxCSV+1), [3]string{"group", "resource", "scope"}, ','); err == nil {
		t.Error("a table without end")
	}
	var many strings.Builder
	many.WriteString(head)
	for i := range maxCSVRows + 1 {
		fmt.Fprintf(&many, "g%d,notes,a\n", i%8)
	}
	if _, err := readGrants([]byte(many.String()), [3]string{"group", "resource", "scope"}, ','); err == nil || !strings.Contains(err.Error(), "rows") {
		t.Errorf("rows without end: %v", err)
	}
}

func TestPolicyDataImportIntoAServer(t *testing.T) {
	s := serving(t)
	s.run(exitDone, "apply", "-f", s.file("objects.yaml", resourceText+"---\n"+groupsText))
	table := s.file("grants.csv", grantsCSV)
	has(t, s.run(exitDiffers, "policy", "data", "import", "--csv", table, "--policy", "groups", "--dry-run").stdout, "~ Policy groups", "1 would be updated")
	s.run(exitDone, "policy", "data", "import", "--csv", table, "--policy", "groups", "--note", "quarterly review")
	has(t, s.run(exitDone, "policy", "history", "groups", "-o", "json").stdout, "quarterly review")
	has(t, s.run(exitDone, "policy", "data", "import", "--csv", table, "--policy", "groups").stdout, "1 unchanged")
	s.run(exitFailed, "policy", "data", "import", "--csv", table, "--policy", "gone")
}
