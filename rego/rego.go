// Package rego holds the policies that Chancery brings along: templates that a
// Policy object names instead of writing modules, each a folder with the policy,
// its tests, the schema of its data and a page that says when to use it.
//
// It is text only. It imports nothing of Chancery, and not OPA.
package rego

//go:generate go test -run TestPages -update .

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

//go:embed templates
var files embed.FS

// Template is one embedded policy.
type Template struct {
	Name       string
	Summary    string            // the first line of its README
	Modules    map[string]string // Rego by file name
	Tests      map[string]string // Rego tests by file name
	DataSchema map[string]any    // JSON Schema of the object's data
	Example    map[string]any    // data to begin with, which its README shows
	README     string            // when to use it, in Markdown

	// Index is the document of package chancery.authz.index for some data.
	// It is nil where the template is its policy.rego alone.
	Index func(data map[string]any) map[string]any
}

var load = sync.OnceValue(func() map[string]Template {
	folders, err := fs.ReadDir(files, "templates")
	if err != nil {
		panic(fmt.Sprintf("embedded templates: %s", err)) // built in: cannot fail at run time
	}
	templates := make(map[string]Template, len(folders))
	for _, f := range folders {
		t, err := read(f.Name())
		if err != nil {
			panic(fmt.Sprintf("embedded template %s: %s", f.Name(), err))
		}
		templates[t.Name] = t
	}
	return templates
})

func read(name string) (Template, error) {
	t := Template{Name: name, Modules: map[string]string{}, Tests: map[string]string{}, Index: indexes[name]}
	folder := "templates/" + name
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return t, err
	}
	for _, e := range entries {
		text, err := fs.ReadFile(files, folder+"/"+e.Name())
		if err != nil {
			return t, err
		}
		switch {
		case e.Name() == "README.md":
			t.README = string(text)
			title, _, _ := strings.Cut(t.README, "\n")
			t.Summary = strings.TrimPrefix(title, "# ")
		case e.Name() == "data.schema.json":
			if err := json.Unmarshal(text, &t.DataSchema); err != nil {
				return t, err
			}
		case e.Name() == "data.json":
			var data struct { // as OPA reads it: data.policy
				Policy map[string]any `json:"policy"`
			}
			if err := json.Unmarshal(text, &data); err != nil {
				return t, err
			}
			t.Example = data.Policy
		case strings.HasSuffix(e.Name(), "_test.rego"):
			t.Tests[e.Name()] = string(text)
		case strings.HasSuffix(e.Name(), ".rego"):
			t.Modules[e.Name()] = string(text)
		}
	}
	return t, nil
}

// Templates lists the embedded policies by name. The maps in them are shared: do
// not change them.
func Templates() []Template {
	var list []Template
	for _, name := range Names() {
		list = append(list, load()[name])
	}
	return list
}

// Lookup finds a template by its exact name.
func Lookup(name string) (Template, bool) {
	t, ok := load()[name]
	return t, ok
}

// Names lists the names of the templates in order.
func Names() []string {
	var names []string
	for name := range load() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
