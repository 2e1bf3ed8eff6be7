package revision

import (
	"slices"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/broker/object"
)

func TestBetween(t *testing.T) {
	was := &object.PolicySpec{
		Role: "grant", Modules: map[string]string{"a.rego": "one\ntwo\nthree\nfour\nfive\n", "gone.rego": "x\n", "same.rego": "y\n"},
		Data: map[string]any{"limit": 1}, Tests: map[string]string{"a_test.rego": "t\n"},
	}
	is := &object.PolicySpec{
		Role: "guard", Modules: map[string]string{"a.rego": "one\ntwo\nthree\n4\nfive\nsix\n", "new.rego": "z\n", "same.rego": "y\n"},
		Data: map[string]any{"limit": 2}, Tests: map[string]string{"a_test.rego": "t\n"},
	}
	d, err := Between(was, is)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, c := range d.Changes {
		paths = append(paths, c.Path)
	}
	if !slices.Equal(paths, []string{"spec.data.limit", "spec.role"}) {
		t.Errorf("%v", d.Changes)
	}
	files := map[string]string{}
	for _, f := range d.Files {
		files[f.Path] = strings.Join(f.Lines, "|")
	}
	for path, want := range map[string]string{
		"modules.a.rego": " one| two| three|-four|+4| five|+six", "modules.gone.rego": "-x", "modules.new.rego": "+z",
	} {
		if files[path] != want {
			t.Errorf("%s: %q, want %q", path, files[path], want)
		}
	}
	if len(files) != 3 {
		t.Errorf("%v", files)
	}
	if same, err := Between(was, was); err != nil || len(same.Changes)+len(same.Files) != 0 {
		t.Errorf("%+v, %v", same, err)
	}
	if ends, err := Between(was, nil); err != nil || len(ends.Files) != 4 {
		t.Errorf("%+v, %v", ends, err)
	}
}

// Two large files that share nothing are not compared line by line.
func TestBetweenIsBounded(t *testing.T) {
	text := func(of string) string { return strings.Repeat(of+"\n", 20_000) }
	d, err := Between(&object.PolicySpec{Modules: map[string]string{"a.rego": text("a")}}, &object.PolicySpec{Modules: map[string]string{"a.rego": text("b")}})
	if err != nil || len(d.Files) != 1 || len(d.Files[0].Lines) != 40_000 {
		t.Errorf("%v", err)
	}
}
