// Package confine sets hard limits on the process that it runs in: for the children in which policies are checked
// (policy/gate) and evaluated (policy/pool). What is set cannot be taken back by the process itself, and where the kernel's
// limits are not known to hold it fails: limits that are not there would be none.
//
// It imports nothing of Chancery.
package confine

import (
	"errors"
	"strings"
	"time"
)

// ErrUnavailable is a system whose limits are not known to hold.
var ErrUnavailable = errors.New("child processes with hard limits exist on Linux only")

// Limits bound a process.
type Limits struct {
	// Memory is what may be mapped writable beyond what is mapped already, in bytes; Most is what Allow may raise it to,
	// and Memory if that is more.
	Memory, Most int64
	// CPU is the processor time of all cores together that ends the process, counted from its start.
	CPU time.Duration
	// Nice lowers the process's priority, if it leads a process group of its own.
	Nice int
}

// Validate refuses limits that would be none.
func (l Limits) Validate() error {
	if l.Memory <= 0 || l.CPU <= 0 {
		return errors.New("no limits were given")
	}
	return nil
}

// OutOfMemory reads off what a Go process wrote as it died whether it was for memory. The collector follows a nil pointer
// where the kernel refused it memory for its own books: nothing else of a pure Go program ends so.
func OutOfMemory(stderr string) bool {
	for _, sign := range []string{
		"out of memory", "cannot allocate memory", "stack exceeds", "stack overflow", "failed to create new OS thread", "SIGSEGV: segmentation violation",
	} {
		if strings.Contains(stderr, sign) {
			return true
		}
	}
	return false
}
