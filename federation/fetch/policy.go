package fetch

import (
	"fmt"
	"net/netip"
	"strings"
)

// Policy says what may leave the machine at all.
type Policy struct {
	// Mode is "allow" or "deny". Anything else, absent too, means "deny".
	Mode string
	// Allow lists, for "deny", hosts (exact names, or addresses) and CIDR blocks.
	Allow []string
}

// Validate refuses modes and entries that would silently match nothing.
func (p Policy) Validate() error {
	if p.Mode != "allow" && p.Mode != "deny" {
		return fmt.Errorf("egress.mode: %q is neither allow nor deny", p.Mode)
	}
	for _, entry := range p.Allow {
		if _, err := netip.ParsePrefix(entry); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(entry); err == nil {
			continue
		}
		if entry == "" || strings.ContainsAny(entry, "/:@*? ") || looksNumeric(entry) {
			return fmt.Errorf("egress.allow: %q is neither a host name nor a CIDR block", entry)
		}
	}
	return nil
}

// egress is a Policy made ready.
type egress struct {
	open     bool
	hosts    map[string]bool
	prefixes []netip.Prefix
}

func newEgress(p Policy) egress {
	e := egress{open: p.Mode == "allow", hosts: make(map[string]bool, len(p.Allow))}
	for _, entry := range p.Allow {
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			e.prefixes = append(e.prefixes, prefix.Masked())
			continue
		}
		if addr, err := netip.ParseAddr(entry); err == nil {
			e.prefixes = append(e.prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		e.hosts[canonicalHost(entry)] = true
	}
	return e
}

const changeEgress = "list it in egress.allow, or set egress.mode: allow"

// checkHost decides before any name is resolved. listed tells that the host
// itself is listed, so that its addresses need not be.
func (e egress) checkHost(host string) (listed bool, refusal *Error) {
	if e.open || e.hosts[canonicalHost(host)] {
		return true, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if refusal := e.checkAddr(addr); refusal != nil {
			return false, refusal
		}
		return true, nil
	}
	if len(e.prefixes) == 0 { // nothing that it resolves to could match: not one DNS query
		return false, refused(host, "egress.mode is deny", changeEgress)
	}
	return false, nil
}

func (e egress) checkAddr(addr netip.Addr) *Error {
	for _, prefix := range e.prefixes {
		if prefix.Contains(addr) {
			return nil
		}
	}
	return refused(addr.String(), "egress.mode is deny", changeEgress)
}

func canonicalHost(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
