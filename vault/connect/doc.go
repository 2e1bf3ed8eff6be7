// Package connect is the one time that a person is asked whether we may keep a
// credential of his: he goes to the provider, comes back, sees whose account it
// is, and says yes. A connection begins with that yes and with nothing before it.
//
// An agent that lacks a connection is given a link for its person; it opens for
// him alone and makes one connection at most. What was obtained and is not
// confirmed is given back to the provider.
//
// It returns values and knows no HTML and no SQL. Who is signed in, and whether
// policy lets him connect, the caller has asked.
//
// It must import neither broker, federation nor policy.
package connect
