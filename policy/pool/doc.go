// Package pool evaluates policies in child processes with hard limits on memory and time.
//
// Rego is its author's to choose, and no deadline inside a process stops every call that is under way, nor does anything
// there bound the memory of one call. A child evaluates one request at a time; what it does to itself costs that request
// (policy_memory, policy_timeout, policy_error) and nothing else, and another child takes its place.
//
// The child is this same binary with the hidden argument "policy-worker"; cmd calls Main there. It inherits no environment
// and no file but its three pipes, limits itself before it reads anything that somebody wrote, and is sent policies once,
// by the hash of their content. It is not trusted for what it says: the caller checks every answer again.
//
// The package imports policy and policy/confine, nothing else of Chancery. It reads no clock but
// for the deadlines of its pipes.
package pool
