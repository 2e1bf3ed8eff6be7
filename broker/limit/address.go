package limit

import "net/netip"

// siteBits is the part of an IPv6 address that one site gets (RFC 6177 §2): the
// rest is its own to choose.
const siteBits = 64

// Address is the key of a network address: an IPv4 address itself, also where it is
// written as IPv6, or the /64 of an IPv6 one. What is no address shares one key.
func Address(text string) netip.Prefix {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}
	}
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = siteBits
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
