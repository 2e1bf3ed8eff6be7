//go:build unix

package main

import "syscall"

// keepNoCore: what a crash would write to the disk holds keys. It is for serve, whose unit says so too; that it may not be
// raised again holds for the child in which policies are checked.
func keepNoCore() {
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // lowering is always allowed
}
