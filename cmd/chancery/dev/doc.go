// Package dev is the surroundings that `chancery dev` keeps running and that the
// demo plays in: a fake company IdP, Chancery with embedded storage, and a
// protected MCP server, each on a loopback port of its own; and what the commands
// around it need: where everything is (Context), a sign-in at the IdP, assertions
// broken on purpose.
//
// It is for one developer's machine and trusts everybody on it: the IdP asks for
// no password. It listens on loopback and nowhere else. It depends on assembly
// and the test kit of federation; nothing but commands imports it.
package dev
