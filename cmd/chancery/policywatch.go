package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/objectfile"
)

// lookEvery is how often watched files are looked at. Looking works where notifications do not: on network file systems, and on
// folders that are mounted into containers.
const lookEvery = 300 * time.Millisecond

// watching runs something, and again after each change of the files, until it is interrupted. What goes wrong is said, and does
// not end it: a file that is half written is written whole a moment later.
func (c *command) watching(ctx context.Context, paths []string, do func() error) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		seen := look(paths)
		if err := do(); err != nil && !errors.Is(err, errDiffers) && ctx.Err() == nil {
			_, _ = fmt.Fprintln(c.stderr, "chancery:", visibleLines(err.Error()))
		}
		_, _ = fmt.Fprintf(c.stderr, "watching %d files; interrupt to end\n", len(seen))
		for changed := false; !changed; {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
				changed = !maps.Equal(seen, look(paths))
			}
		}
	}
}

// stamp tells two states of a file apart.
type stamp struct {
	size     int64
	modified time.Time
}

// look notes the files below the paths that are read. One that is not there is not in it.
func look(paths []string) map[string]stamp {
	seen := map[string]stamp{}
	for _, path := range paths {
		if path == objectfile.Stdin {
			continue
		}
		// What cannot be walked now is a change when it can.
		_ = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return nil //nolint:nilerr // as above
			}
			if file != path && !slices.Contains([]string{".rego", ".yaml", ".yml", ".json"}, filepath.Ext(file)) {
				return nil
			}
			if info, err := os.Stat(file); err == nil {
				seen[file] = stamp{info.Size(), info.ModTime()}
			}
			return nil
		})
	}
	return seen
}
