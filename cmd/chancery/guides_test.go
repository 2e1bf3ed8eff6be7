package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
)

// TestGuidesAreValid: each object that a guide shows can be applied, and each page that it links is there.
func TestGuidesAreValid(t *testing.T) {
	const root = "../../docs/guides"
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	links := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	objects := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path) //nolint:gosec // of this repository
		if err != nil {
			return err
		}
		for _, block := range blocks.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(block[1], "apiVersion: chancery/v1") {
				continue
			}
			read, err := objectfile.Read([]string{"-"}, strings.NewReader(block[1]))
			if err != nil {
				t.Errorf("%s: %v\n%s", path, err, block[1])
				continue
			}
			for _, o := range read.Objects {
				objects++
				if err := o.Validate(); err != nil {
					t.Errorf("%s: %s %s: %v", path, o.Kind, o.Metadata.Name, err)
				}
			}
		}
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, link[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if objects < 8 {
		t.Errorf("only %d objects were found: the test looks past them", objects)
	}
}
