// Package tutorial types what docs/tutorial.md tells a developer, and docs/guides/policy.md a security engineer, to type, in a
// folder of his and with the built binary, and holds the page to what comes.
//
// It has tests only.
package tutorial
