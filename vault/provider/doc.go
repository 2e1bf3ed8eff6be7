// Package provider speaks with the services whose credentials people connect: it sends a person there and takes what
// comes back, refreshes, narrows and revokes. What is particular to a service is data, its [Manifest].
//
// Values go in and values come out. It stores nothing, retries nothing and waits for nobody; its errors say what a caller
// with a store may do next ([Error]). Before Refresh the caller writes down that one is in flight: an answer can be lost.
//
// What it does not check: who may use a credential, and whether a person is the one who departed. The address that is
// dialled is the transport's to judge.
//
// It must import neither broker, federation nor policy.
package provider
