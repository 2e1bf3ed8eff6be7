// Package structure holds the shape of the repository: which room may import which,
// where each third-party library lives, that every package says what it is for, and
// that nothing of one person's machine is committed.
//
// It has tests only. It reads what `go list` and git say of the module and depends on
// no package of it, so that it can judge all of them.
package structure
