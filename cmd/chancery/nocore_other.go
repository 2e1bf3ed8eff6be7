//go:build !unix

package main

// keepNoCore: there are none.
func keepNoCore() {}
