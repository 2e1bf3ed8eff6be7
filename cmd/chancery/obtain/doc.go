// Package obtain gets an access token as an agent would, for commands: it finds
// the authorization server in the resource's metadata (RFC 9728), does both legs
// with sdk/go/agent, and keeps what happened for people to read.
//
// What it is careful about: whom a secret is sent to. An authorization server
// that only the resource names gets nothing that another could use in our place
// (see Identity.mayFollow). It knows neither cobra nor the admin API.
package obtain
