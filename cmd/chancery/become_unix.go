//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// become ends this program in favour of another one, under the same process id. It returns only if that failed.
func become(path string, args, environ []string) error {
	return fmt.Errorf("run %s: %w", path, syscall.Exec(path, args, environ)) //nolint:gosec // running what the caller names is the purpose
}
