package keyring

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// What Create and Load refuse, besides ErrInvalid.
var (
	ErrExists      = errors.New("there is a keyring already")
	ErrPermissions = errors.New("the keyring file is not its owner's alone")
)

// Create makes a keyring with one fresh key, mode 0600. Only what may make a
// keyring calls it; it never touches one that is there (ErrExists), and of two
// that race one wins.
func Create(path string, now time.Time) (*Keyring, error) {
	fresh, err := newEntry(now)
	if err != nil {
		return nil, err
	}
	f := &file{Format: format, Primary: fresh.ID, Keys: []entry{fresh}}
	err = locked(path, func(dir *os.File) error {
		// Link, unlike rename, fails where something is, be it a broken symbolic link.
		return write(dir, path, f, os.Link)
	})
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create keyring %s: %w", path, ErrExists)
	}
	if err != nil {
		return nil, fmt.Errorf("create keyring: %w", err)
	}
	return Load(path)
}

// Load opens the keyring that is there. It refuses a file that anybody but its
// owner may read or write, that another user owns, and a symbolic link.
func Load(path string) (*Keyring, error) {
	k := &Keyring{path: path}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

func read(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a symbolic link", ErrPermissions, path)
	}
	if err != nil {
		return nil, fmt.Errorf("open keyring: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	if err := checkOwner(f, path); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	defer clear(b)
	if err != nil {
		return nil, fmt.Errorf("read keyring: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrInvalid, maxFile)
	}
	return decode(b)
}

// checkOwner looks at the opened file, not at its name, which may change hands.
func checkOwner(f *os.File, path string) error {
	about, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open keyring: %w", err)
	}
	if !about.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file", ErrPermissions, path)
	}
	if mode := about.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w: %s has mode %04o; chmod 600 it", ErrPermissions, path, mode)
	}
	if owner, ok := about.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%w: %s belongs to another user", ErrPermissions, path)
	}
	return nil
}

// replace changes the file under the lock, from what it holds at that moment.
func replace(path string, change func(*file) error) error {
	return locked(path, func(dir *os.File) error {
		f, err := read(path)
		if err != nil {
			return err
		}
		if err := change(f); err != nil {
			return err
		}
		if _, err := f.ring(); err != nil {
			return err
		}
		return write(dir, path, f, os.Rename)
	})
}

// locked holds an exclusive lock on the file's folder: the file itself is
// replaced by each write, so a lock on it would guard nothing.
func locked(path string, do func(dir *os.File) error) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // releases the lock
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", dir.Name(), err)
	}
	return do(dir)
}

// write puts a complete file in place or none: a temporary one beside it is
// synced first, then the folder, so that a crash leaves the old or the new.
func write(dir *os.File, path string, f *file, place func(from, to string) error) error {
	b, err := f.encode()
	if err != nil {
		return err
	}
	defer clear(b)
	temp, err := os.CreateTemp(dir.Name(), "."+filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // gone already after a rename
	_, err = temp.Write(b)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return err
	}
	if err := place(temp.Name(), path); err != nil {
		return err
	}
	return dir.Sync()
}
