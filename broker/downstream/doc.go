// Package downstream is between what a tenant configured of other services and the services themselves: it makes the
// engines that speak to them, with their secrets resolved, and lends what they give. An engine is made of one revision of
// one Provider of one tenant, and serves nobody else.
//
// Who may be lent what is not decided here: the caller has verified whose token it is and has asked policy. No credential
// of a person is held here.
//
// It must import neither a store nor HTTP handlers.
package downstream
