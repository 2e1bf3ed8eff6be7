package fetch

import (
	"net/netip"
	"net/url"
	"strings"
)

// checkTarget decides on a URL before anything is resolved. listed tells that
// the egress policy names the host, so that its addresses need not be listed.
func (c *Client) checkTarget(u *url.URL, n Network) (listed bool, err error) {
	host := u.Hostname()
	if refusal := checkShape(u, host); refusal != nil {
		return false, refusal
	}
	if refusal := checkScheme(u, host, n); refusal != nil {
		return false, refusal
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if refusal := c.rule.check(addr, n.AllowPrivateAddresses); refusal != nil {
			return false, refusal
		}
	} else if refusal := checkName(host); refusal != nil {
		return false, refusal
	}
	listed, refusal := c.egress.checkHost(host)
	if refusal != nil {
		return false, refusal
	}
	if !listed && n.Proxy != "" { // the proxy resolves: no address will be seen here
		return false, refused(host, "egress.mode is deny", changeEgress)
	}
	return listed, nil
}

func checkShape(u *url.URL, host string) *Error {
	switch {
	case u.Opaque != "" || host == "":
		return refused(host, "the URL has no host", "")
	case u.User != nil:
		return refused(host, "the URL has user information", "remove what stands before the @")
	case u.Fragment != "" || u.RawFragment != "":
		return refused(host, "the URL has a fragment", "remove what follows the #")
	}
	return nil
}

func checkScheme(u *url.URL, host string, n Network) *Error {
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && n.AllowPrivateAddresses && isLoopbackName(host):
	case u.Scheme == "http":
		return refused(host, "plain http", "use https; http is for loopback only, with network.allow_private_addresses")
	default:
		return refused(host, "the scheme is not https", "use https")
	}
	if port := u.Port(); port != "" && port != "443" && !n.AllowPrivateAddresses {
		return refused(host, "port "+port, "use port 443, or set network.allow_private_addresses for this peer")
	}
	return nil
}

// isLoopbackName: what `localhost` resolves to is checked when it is dialled.
func isLoopbackName(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() && !addr.Is4In6()
	}
	return strings.EqualFold(host, "localhost")
}

func checkName(host string) *Error {
	if looksNumeric(host) {
		return refused(host, "a number is not a host name", "write IPv4 addresses as four decimal numbers")
	}
	for i := range len(host) {
		c := host[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return refused("", "the host is not a DNS name", "write international names in their ASCII form")
		}
	}
	return nil
}
