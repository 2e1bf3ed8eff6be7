//go:build !linux

package confine

import (
	"syscall"
	"time"
)

// Available reports whether Process can do what it says.
func Available() error { return ErrUnavailable }

// Confined is a process that is limited.
type Confined struct{}

// Process fails.
func Process(Limits) (*Confined, error) { return nil, ErrUnavailable }

// Allow fails.
func (*Confined) Allow(int64) error { return ErrUnavailable }

// Spent is not known here.
func Spent() time.Duration { return 0 }

// Apart leaves the child as it is.
func Apart() *syscall.SysProcAttr { return nil }
