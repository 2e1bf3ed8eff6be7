package fetch

import (
	"net/netip"
	"slices"
	"strings"
)

// block is a range of addresses that no request may leave for, unless private
// addresses are allowed and the block is private.
type block struct {
	prefix  netip.Prefix
	name    string
	private bool // a network of one's own: lifted by allow_private_addresses
}

// blocks returns the IANA special-purpose registries (RFC 6890 and what was
// added since), plus what else is not global unicast. Anything outside 2000::/3
// is refused too, whatever its name.
func blocks() []block {
	b := func(prefix, name string) block { return block{netip.MustParsePrefix(prefix), name, false} }
	private := func(prefix, name string) block { return block{netip.MustParsePrefix(prefix), name, true} }
	return []block{
		b("0.0.0.0/8", "this network (RFC 791)"),
		private("10.0.0.0/8", "private use (RFC 1918)"),
		private("100.64.0.0/10", "shared address space (RFC 6598)"),
		private("127.0.0.0/8", "loopback (RFC 1122)"),
		b("169.254.0.0/16", "link-local (RFC 3927)"),
		private("172.16.0.0/12", "private use (RFC 1918)"),
		b("192.0.0.0/24", "IETF protocol assignments (RFC 6890)"),
		b("192.0.2.0/24", "documentation (RFC 5737)"),
		b("192.31.196.0/24", "AS112 (RFC 7535)"),
		b("192.52.193.0/24", "AMT (RFC 7450)"),
		b("192.88.99.0/24", "6to4 relay anycast (RFC 7526)"),
		private("192.168.0.0/16", "private use (RFC 1918)"),
		b("192.175.48.0/24", "AS112 (RFC 7534)"),
		private("198.18.0.0/15", "benchmarking (RFC 2544)"),
		b("198.51.100.0/24", "documentation (RFC 5737)"),
		b("203.0.113.0/24", "documentation (RFC 5737)"),
		b("224.0.0.0/4", "multicast (RFC 5771)"),
		b("240.0.0.0/4", "reserved (RFC 1112)"),

		b("::/128", "unspecified (RFC 4291)"),
		private("::1/128", "loopback (RFC 4291)"),
		b("::ffff:0:0/96", "IPv4-mapped (RFC 4291)"),
		b("::/96", "IPv4-compatible (RFC 4291)"),
		b("64:ff9b::/96", "IPv4/IPv6 translation (RFC 6052)"),
		b("64:ff9b:1::/48", "IPv4/IPv6 translation (RFC 8215)"),
		b("100::/64", "discard-only (RFC 6666)"),
		b("100:0:0:1::/64", "dummy prefix (RFC 9780)"),
		b("2001::/23", "IETF protocol assignments, Teredo (RFC 2928, RFC 4380)"),
		b("2001:db8::/32", "documentation (RFC 3849)"),
		b("2002::/16", "6to4 (RFC 3056)"),
		b("2620:4f:8000::/48", "AS112 (RFC 7534)"),
		b("3fff::/20", "documentation (RFC 9637)"),
		b("5f00::/16", "segment routing (RFC 9602)"),
		b("fd00:ec2::254/128", "instance metadata of a cloud"),
		private("fc00::/7", "unique local (RFC 4193)"),
		b("fe80::/10", "link-local (RFC 4291)"),
		b("fec0::/10", "site-local (RFC 3879)"),
		b("ff00::/8", "multicast (RFC 4291)"),
	}
}

// addressRule decides on an address that is about to be dialled.
type addressRule struct {
	blocks []block
	global netip.Prefix // 2000::/3, all that is assigned as global unicast (RFC 4291 §2.4)
}

func newAddressRule() addressRule {
	return addressRule{blocks: blocks(), global: netip.MustParsePrefix("2000::/3")}
}

// check returns nil for global unicast. With private set, networks of one's own
// pass as well; link-local (where clouds keep instance metadata), multicast and
// reserved ranges never do: no server lives there.
func (r addressRule) check(addr netip.Addr, private bool) *Error {
	const change = "set network.allow_private_addresses where this address is meant to be reached"
	if !addr.IsValid() || addr.Zone() != "" {
		return refused(addr.String(), "not a plain IP address", "")
	}
	i := slices.IndexFunc(r.blocks, func(b block) bool { return b.prefix.Contains(addr) })
	switch {
	case i < 0 && (addr.Is4() || r.global.Contains(addr)):
		return nil
	case i < 0:
		return refused(addr.String(), "not global unicast", "")
	case r.blocks[i].private && private:
		return nil
	case r.blocks[i].private:
		return refused(addr.String(), r.blocks[i].name, change)
	default:
		return refused(addr.String(), r.blocks[i].name, "")
	}
}

// looksNumeric recognises hosts that some resolvers take for an IPv4 address in
// decimal, octal or hexadecimal: 2130706433, 0177.0.0.1, 0x7f.1, 127.1. As a
// name none of them can exist: no top-level domain begins with a digit (RFC 1123
// §2.1; RFC 3696 §2).
func looksNumeric(host string) bool {
	host = strings.TrimSuffix(host, ".") // the root, written out
	last := host[strings.LastIndexByte(host, '.')+1:]
	return last != "" && last[0] >= '0' && last[0] <= '9'
}
