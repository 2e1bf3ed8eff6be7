// Package mcpconformance runs the conformance suite of the Model Context Protocol,
// as its authors publish it, against the real server: its authorization-server
// mode, for the root issuer and for a tenant's. It is tests only.
package mcpconformance
