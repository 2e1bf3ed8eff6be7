//go:build !unix

package main

import "errors"

// become needs a system on which one program can take another's place.
func become(string, []string, []string) error {
	return errors.New("exec is not available on this system: use chancery token --format env")
}
