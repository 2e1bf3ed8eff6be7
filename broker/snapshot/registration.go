package snapshot

import (
	"time"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/object"
)

// Registration is how clients come to be without an administrator.
type Registration struct {
	// Documents are the rules for client ID metadata documents.
	Documents cimd.Rules
	// Dynamic are the rules for clients that register themselves.
	Dynamic Dynamic
}

// DynamicMode is who may register a client (RFC 7591 §3).
type DynamicMode string

// The modes. Absent, and anything else, is DynamicOff.
const (
	DynamicOff   DynamicMode = "off"
	DynamicToken DynamicMode = "initial_access_token" // whoever was given a token for it
	DynamicOpen  DynamicMode = "open"                 // anybody
)

// Dynamic bounds the clients that register themselves. Absent lists allow nothing.
type Dynamic struct {
	Mode       DynamicMode
	MaxClients int           // alive at a time; more than 0
	Lifetime   time.Duration // of a registration; more than 0
	Scopes     []string      // the most that such a client can get
	Resources  []string      // names of Resource objects
	// Hosts are those that redirect URIs may name, exactly, or *.suffix for every name below a suffix; loopback is always
	// allowed, other places never.
	Hosts []string
}

// registration is a Tenant object's, with its defaults. Absent lists stay absent: they allow nothing.
func registration(r object.TenantRegistration) Registration {
	return Registration{
		Documents: cimd.Rules{Mode: cimd.Mode(r.CIMD.Mode), Hosts: r.CIMD.Hosts, Scopes: r.CIMD.Scopes, Resources: r.CIMD.Resources},
		Dynamic: Dynamic{
			Mode: DynamicMode(r.DCR), MaxClients: r.DCRLimits.MaxClients, Lifetime: time.Duration(r.DCRLimits.Lifetime),
			Scopes: r.DCRLimits.Scopes, Resources: r.DCRLimits.Resources, Hosts: r.DCRLimits.Hosts,
		},
	}
}
