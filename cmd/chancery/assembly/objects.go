package assembly

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/chancery-dev/chancery/broker/object"
	"github.com/chancery-dev/chancery/broker/object/regocheck"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/cmd/chancery/config"
	"github.com/chancery-dev/chancery/policy"
	"github.com/chancery-dev/chancery/policy/gate"
)

// applyObjects applies what `objects:` names, before the listeners open. A bad one stops the start.
func (s *Server) applyObjects(ctx context.Context) error {
	var checker regocheck.Checker
	if s.Executable != "" {
		checker.Gate = func(ctx context.Context, source policy.Source) error { return gate.Check(ctx, s.Executable, source) }
	}
	var err error
	s.path, err = object.NewPath(object.Config{
		Store: s.objects, Keys: s.objects, Secrets: s.objects, Checker: checker, Now: s.Now, Resolve: s.resolve,
	})
	if err != nil || len(s.Config.Objects) == 0 {
		return err
	}
	objects, err := ReadObjects(s.Config.Objects)
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	plan, err := s.path.ApplyAll(ctx, objects, object.Request{Manager: object.ManagerConfig, By: system(), Prune: true})
	if err != nil {
		return fmt.Errorf("objects: %w", err)
	}
	for _, w := range plan.Warnings {
		s.Log.Warn("objects", "warning", w.String())
	}
	return nil
}

// resolve reads a secret that an object of the configuration refers to.
func (s *Server) resolve(r object.SecretRef) (secret.Text, error) {
	return config.Ref{Env: r.Env, File: r.File}.Resolve(s.Config.Lookup)
}

// ReadObjects reads files, and folders of them, in the order of their names.
func ReadObjects(paths []string) ([]object.Object, error) {
	var all []object.Object
	for _, root := range paths {
		files, err := filesOf(root)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			found, err := readObjectFile(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func readObjectFile(path string) (objects []object.Object, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return object.Decode(f, object.Options{})
}

// filesOf lists a file, or the YAML and JSON files below a folder.
func filesOf(root string) ([]string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{root}, nil
	}
	var files []string
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".yaml", ".yml", ".json":
			if !entry.IsDir() {
				files = append(files, path)
			}
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no .yaml, .yml or .json file", root)
	}
	return files, err
}
