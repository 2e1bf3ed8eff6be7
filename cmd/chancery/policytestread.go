package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
	"github.com/chancery-dev/chancery/policy"
)

// testSubject is one policy whose tests are run.
type testSubject struct {
	label  string
	tenant string
	source policy.Source
}

// readSubjects reads objects from files, and folders of Rego as one policy each.
func (c *command) readSubjects(args []string) ([]testSubject, error) {
	var objects []string
	var subjects []testSubject
	for _, arg := range args {
		if arg != objectfile.Stdin {
			found, err := regoFolder(arg)
			if err != nil {
				return nil, err
			}
			if found != nil {
				s, err := readRego(arg, found)
				if err != nil {
					return nil, err
				}
				subjects = append(subjects, s)
				continue
			}
		}
		objects = append(objects, arg)
	}
	if len(objects) == 0 {
		return subjects, nil
	}
	_, policies, err := c.readPolicies(objects)
	if err != nil {
		return nil, err
	}
	for _, p := range policies {
		subjects = append(subjects, testSubject{label: p.object.Label(), tenant: p.object.TenantName(), source: regocheck.Source("", p.object.Metadata.Name, 0, p.spec)})
	}
	return subjects, nil
}

// regoFolder lists the Rego of a folder in which there is no YAML: that would be objects, with Rego beside them.
func regoFolder(root string) ([]string, error) {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return nil, err
	}
	var found []string
	objects := false
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".rego":
			found = append(found, path)
		case ".yaml", ".yml":
			objects = true
		}
		return nil
	})
	if objects {
		found = nil
	}
	return found, err
}

// readRego reads a folder as a policy. What a bundle says of role and template is no matter of its tests.
func readRego(root string, files []string) (testSubject, error) {
	absolute, err := filepath.Abs(root)
	if err != nil {
		return testSubject{}, err
	}
	s := testSubject{label: root, source: policy.Source{
		Name: filepath.Base(absolute), Role: policy.RoleGrant, Modules: map[string]string{}, Tests: map[string]string{},
	}}
	for _, file := range files {
		text, err := readBounded(file, maxModule)
		if err != nil {
			return s, err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return s, err
		}
		name = filepath.ToSlash(name)
		into := s.source.Modules
		if strings.HasSuffix(name, "_test.rego") || slices.Contains(strings.Split(name, "/"), "tests") {
			into = s.source.Tests
		}
		into[name] = string(text)
	}
	s.source.Data, err = regoData(root)
	return s, err
}

// regoData is what data.json has under policy, or the whole of policy/data.json. What else is in data a policy does not see.
func regoData(root string) (map[string]any, error) {
	for _, place := range []string{"data.json", filepath.Join("policy", "data.json")} {
		text, err := readBounded(filepath.Join(root, place), policy.MaxDataSize+policy.MaxDataSize/2)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var members map[string]any
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&members); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(root, place), err)
		}
		if place != "data.json" {
			return members, nil
		}
		seen, there := members["policy"]
		if !there {
			continue // data that no policy sees
		}
		of, ok := seen.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: policy is no object", filepath.Join(root, place))
		}
		return of, nil
	}
	return nil, nil
}

func readBounded(file string, most int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s: more than %d bytes", file, most)
	}
	return os.ReadFile(file) //nolint:gosec // the operator names the folder
}
