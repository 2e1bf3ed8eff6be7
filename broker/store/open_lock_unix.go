//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// hold takes the file for this process until release or the process's end. The
// lock is the kernel's, so that a crash leaves nothing to clean up.
func hold(path string) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the operator's own database
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	fd := int(file.Fd())
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s is locked); several processes need PostgreSQL", ErrHeld, path)
		}
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	return func() { _ = file.Close() }, nil
}
