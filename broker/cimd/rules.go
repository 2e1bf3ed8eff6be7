package cimd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/broker/oauth"
)

// Mode is how far a tenant goes.
type Mode string

// The modes. Absent, and anything else, is ModeOff.
const (
	// ModeOff takes no client by its URL.
	ModeOff Mode = "off"
	// ModeRegistered takes URLs that an administrator has registered as Client
	// objects; those are no matter of this package, and no document is read.
	ModeRegistered Mode = "registered"
	// ModeHosts reads documents of the hosts that are listed.
	ModeHosts Mode = "hosts"
	// ModeOpen reads documents of every host, loopback among them. It is for
	// development, and counts as ModeOff anywhere else.
	ModeOpen Mode = "open"
)

// Rules are what a tenant allows clients that come by a document: its
// registration.cimd. Absent lists allow nothing.
type Rules struct {
	Mode      Mode
	Hosts     []string // exact names, or *.suffix for every name below a suffix
	Scopes    []string // the most that such a client can get
	Resources []string // names of Resource objects
}

// Validate refuses what would match nothing, or more than it seems to.
func (r Rules) Validate() error {
	if !slices.Contains([]Mode{"", ModeOff, ModeRegistered, ModeHosts, ModeOpen}, r.Mode) {
		return fmt.Errorf("mode %q: expected off, registered, hosts or open", r.Mode)
	}
	for _, pattern := range r.Hosts {
		if !isHost(strings.TrimPrefix(pattern, "*.")) {
			return fmt.Errorf("host %q: expected a lower-case host name with a dot, or *. and one", pattern)
		}
	}
	return nil
}

// Reads tells whether any document is read under these rules. dev is whether the server is in development.
func (r Rules) Reads(dev bool) bool {
	return r.Mode == ModeHosts && len(r.Hosts) > 0 || r.Mode == ModeOpen && dev
}

// admit decides whether the document of a URL may be read at all.
func (r Rules) admit(u URL, dev bool) error {
	switch {
	case r.Mode == ModeOpen && dev:
		return nil
	case r.Mode != ModeHosts:
		return refuse(oauth.CodeCIMDOff, string(r.Mode), string(ModeHosts))
	case u.loopback || !r.lists(u.host):
		return refuse(oauth.CodeCIMDHostUnlisted, u.host, strings.Join(r.Hosts, " "))
	}
	return nil
}

// lists compares whole labels: *.example.com is every name below example.com, and
// neither example.com itself nor badexample.com.
func (r Rules) lists(host string) bool {
	return slices.ContainsFunc(r.Hosts, func(pattern string) bool {
		suffix, below := strings.CutPrefix(pattern, "*.")
		if !isHost(suffix) { // not validated: it would match too much
			return false
		}
		if !below {
			return host == pattern
		}
		return strings.HasSuffix(host, "."+suffix)
	})
}
