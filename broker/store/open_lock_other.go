//go:build !unix

package store

import "errors"

// hold refuses: without the kernel's word that nobody else writes, nothing is opened.
func hold(string) (func(), error) {
	return nil, errors.New("SQLite needs a system with flock; use PostgreSQL")
}

// heldBy: what cannot be held is not.
func heldBy(string) (bool, error) { return false, nil }
