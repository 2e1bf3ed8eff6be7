package connection

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Orphan is a sealed successor without a place. It opens only as its connection's next version.
type Orphan struct {
	Ref       Ref
	Attempt   Attempt
	Successor Successor
}

// Shelf keeps orphans of one replica until they are saved.
type Shelf interface {
	Keep(o Orphan) error
	Find(attempt string) (Orphan, bool, error)
	List() ([]Orphan, error)
	Drop(attempt string) error
}

// Folder is a shelf on disk: one file an orphan, for this user alone.
type Folder struct{ path string }

var _ Shelf = (*Folder)(nil)

// OpenFolder makes the folder if it is not there.
func OpenFolder(path string) (*Folder, error) {
	if path == "" {
		return nil, errors.New("the shelf needs a folder")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	return &Folder{path}, nil
}

const suffix = ".json"

// Keep implements Shelf: the file is on disk, whole, or not there.
func (f *Folder) Keep(o Orphan) error {
	name, err := f.file(o.Attempt.Name)
	if err != nil {
		return err
	}
	content, err := json.Marshal(o)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(f.path, "new-*") // 0600
	if err != nil {
		return err
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Sync(), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return f.sync()
}

// Find implements Shelf.
func (f *Folder) Find(attempt string) (Orphan, bool, error) {
	name, err := f.file(attempt)
	if err != nil {
		return Orphan{}, false, nil //nolint:nilerr // no attempt has such a name
	}
	o, err := readOrphan(name)
	if errors.Is(err, fs.ErrNotExist) {
		return Orphan{}, false, nil
	}
	return o, err == nil, err
}

// List implements Shelf. A file that cannot be read does not hide the others.
func (f *Folder) List() ([]Orphan, error) {
	files, err := os.ReadDir(f.path)
	if err != nil {
		return nil, err
	}
	var all []Orphan
	var failed []error
	for _, entry := range files {
		if !strings.HasSuffix(entry.Name(), suffix) {
			continue
		}
		o, err := readOrphan(filepath.Join(f.path, entry.Name()))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		all = append(all, o)
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, errors.Join(failed...)
}

// Drop implements Shelf.
func (f *Folder) Drop(attempt string) error {
	name, err := f.file(attempt)
	if err != nil {
		return err
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return f.sync()
}

// file is an attempt's: only names that we give can be one.
func (f *Folder) file(attempt string) (string, error) {
	rest, ok := strings.CutPrefix(attempt, "try_")
	if !ok || rest == "" || strings.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", errors.New("no name of an attempt")
	}
	return filepath.Join(f.path, attempt+suffix), nil
}

func (f *Folder) sync() error {
	folder, err := os.Open(f.path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func readOrphan(name string) (Orphan, error) {
	content, err := os.ReadFile(name) //nolint:gosec // the name is made of the folder's and an attempt's
	if err != nil {
		return Orphan{}, err
	}
	var o Orphan
	err = json.Unmarshal(content, &o)
	return o, err
}
