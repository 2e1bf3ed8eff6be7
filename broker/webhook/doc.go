// Package webhook tells companies of events, at addresses that their Tenant names: signed, at least once, tried again
// where nobody answers, and by one of all replicas each.
//
// The audit log is the queue: a reader follows it and makes a message for each address that wants the event; messages
// rest in the database until they are delivered or given up, and can be sent again. What is not in the log is told to
// nobody, and nothing that writes to the log waits for anybody here. What leaves goes through the one outbound door.
//
// It must import neither a store nor HTTP handlers.
package webhook
