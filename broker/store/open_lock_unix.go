//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

const (
	lockTries = 5
	lockPause = 10 * time.Millisecond
)

// hold takes the file for this process until release or the process's end. The
// lock is the kernel's, so that a crash leaves nothing to clean up.
func hold(path string) (release func(), err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the operator's own database
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	fd := int(file.Fd())
	err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	for try := 0; errors.Is(err, syscall.EWOULDBLOCK) && try < lockTries; try++ { // who only asks whether it is held lets go at once
		time.Sleep(lockPause)
		err = syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
	}
	if err != nil {
		_ = file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w (%s is locked); several processes need PostgreSQL", ErrHeld, path)
		}
		return nil, fmt.Errorf("lock the database: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// heldBy tells whether a process holds the file. It makes nothing, writes nothing, and does not stand in the way of others who ask.
func heldBy(path string) (bool, error) {
	file, err := os.Open(path) //nolint:gosec // beside the operator's own database
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the database's lock: %w", err)
	}
	defer file.Close() //nolint:errcheck // gives up the lock
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
