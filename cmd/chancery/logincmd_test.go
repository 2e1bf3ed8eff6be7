package main

import "testing"

// TestLoopbackHost: in the clear a credential goes to this machine alone, and to no name that looks like it.
func TestLoopbackHost(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.8.8.8": true, "::1": true,
		"127.example.com": false, "127.0.0.1.example.com": false, "localhost.example.com": false, "10.0.0.1": false, "": false, "0.0.0.0": false,
	} {
		if isLoopbackHost(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}
