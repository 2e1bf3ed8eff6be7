package fetch_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chancery-dev/chancery/federation/fetch"
)

// open is a client of the widest policy that never dials: the hook counts what
// passed every rule, and stops it.
func open(t *testing.T) (*fetch.Client, *atomic.Int64) {
	t.Helper()
	var dialled atomic.Int64
	client := fetch.New(fetch.Policy{Mode: "allow"}, fetch.WithDialHook(func(string) error {
		dialled.Add(1)
		return errStopped
	}))
	return client, &dialled
}

var errStopped = errors.New("stopped before the first packet")

// refusedAddresses are those of the special-purpose registries, by each edge
// that matters. None is reachable by default.
func refusedAddresses() []string {
	return []string{
		"0.0.0.0", "0.0.0.1", "0.255.255.255",
		"10.0.0.0", "10.0.0.1", "10.255.255.255",
		"100.64.0.0", "100.64.0.1", "100.127.255.255",
		"127.0.0.0", "127.0.0.1", "127.1.2.3", "127.255.255.255",
		"169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255",
		"172.16.0.0", "172.16.0.1", "172.31.255.255",
		"192.0.0.0", "192.0.0.1", "192.0.0.8", "192.0.0.170", "192.0.0.255",
		"192.0.2.0", "192.0.2.1", "192.0.2.255",
		"192.31.196.1", "192.52.193.1", "192.88.99.1", "192.88.99.255",
		"192.168.0.0", "192.168.1.1", "192.168.255.255", "192.175.48.1",
		"198.18.0.0", "198.18.0.1", "198.19.255.255",
		"198.51.100.0", "198.51.100.1", "198.51.100.255",
		"203.0.113.0", "203.0.113.1", "203.0.113.255",
		"224.0.0.0", "224.0.0.1", "239.255.255.250", "239.255.255.255",
		"240.0.0.0", "240.0.0.1", "255.255.255.254", "255.255.255.255",
		"::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "::169.254.169.254",
		"::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:ffff::a00:1",
		"100::1", "100::ffff", "100:0:0:1::1", "200::1", "400::1", "1000::1", "1fff::1",
		"2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:3::1", "2001:10::1", "2001:20::1", "2001:1ff::1",
		"2001:db8::1", "2001:db8:ffff::1", "2002::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1",
		"2620:4f:8000::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "8000::1",
		"fc00::1", "fd00::1", "fd00:ec2::254", "fdff:ffff::1", "fe00::1",
		"fe80::1", "febf::1", "fec0::1", "feff::1", "ff00::1", "ff02::1", "ff0e::1", "ffff::1",
	}
}

// T50: every one refused before the first packet.
func TestSpecialAddressesAreRefused(t *testing.T) {
	client, dialled := open(t)
	addresses := refusedAddresses()
	if len(addresses) < 60 {
		t.Fatalf("only %d addresses", len(addresses))
	}
	for _, address := range addresses {
		host := address
		if strings.Contains(address, ":") {
			host = "[" + address + "]"
		}
		_, err := client.Get(t.Context(), "https://"+host+"/jwks", fetch.Network{}, fetch.Limit{})
		if !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d addresses reached the dialler", n)
	}
}

// The same addresses, come by resolution: names whose answer is the address.
func TestSpecialAddressesAreRefusedAfterResolution(t *testing.T) {
	dns := newFakeDNS(t)
	var dialled atomic.Int64
	client := fetch.New(fetch.Policy{Mode: "allow"}, fetch.WithResolver(dns.resolver()), fetch.WithDialHook(func(string) error {
		dialled.Add(1)
		return errStopped
	}))
	for _, address := range refusedAddresses() {
		dns.answer(netip.MustParseAddr(address))
		_, err := client.Get(t.Context(), "https://idp.example/jwks", fetch.Network{}, fetch.Limit{})
		// An IPv4-mapped answer is dialled, and judged, as the IPv4 address it is.
		if mapped := netip.MustParseAddr(address); mapped.Is4In6() && mapped.Unmap() == netip.MustParseAddr("8.8.8.8") {
			dialled.Store(0)
			continue
		}
		if !errors.Is(err, fetch.ErrRefused) && !errors.Is(err, fetch.ErrTransport) {
			t.Errorf("%s: %v", address, err)
		}
		if dialled.Load() != 0 {
			t.Fatalf("%s reached the dialler", address)
		}
	}
}

func TestGlobalAddressesPass(t *testing.T) {
	client, dialled := open(t)
	for i, address := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
		"169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255",
		"192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
		"2000::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "3ffe::1",
	} {
		host := address
		if strings.Contains(address, ":") {
			host = "[" + address + "]"
		}
		if _, err := client.Get(t.Context(), "https://"+host+"/", fetch.Network{}, fetch.Limit{}); errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", address, err)
		}
		if n := dialled.Load(); n != int64(i+1) {
			t.Fatalf("%s did not reach the dialler", address)
		}
	}
}

// Private addresses pass where an IdP's network says so; link-local, multicast
// and reserved ones never do.
func TestAllowPrivateAddresses(t *testing.T) {
	client, dialled := open(t)
	private := fetch.Network{AllowPrivateAddresses: true}
	for _, host := range []string{"10.0.0.1", "127.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "[::1]", "[fd12::1]"} {
		before := dialled.Load()
		if _, err := client.Get(t.Context(), "https://"+host+":8443/", private, fetch.Limit{}); errors.Is(err, fetch.ErrRefused) || dialled.Load() == before {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "224.0.0.1", "255.255.255.255", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"} {
		if _, err := client.Get(t.Context(), "https://"+host+"/", private, fetch.Limit{}); !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestURLsAreRefused(t *testing.T) {
	client, dialled := open(t)
	private := fetch.Network{AllowPrivateAddresses: true}
	for rawURL, n := range map[string]fetch.Network{
		"":                                  {},
		"https://":                          {},
		"https:///path":                     {},
		"https:idp.example":                 {},
		"//idp.example/":                    {},
		"idp.example":                       {},
		"http://idp.example/":               {},
		"HTTP://8.8.8.8/":                   {},
		"http://127.0.0.1/":                 {},
		"http://localhost/":                 {},
		"http://10.0.0.1/":                  private,
		"http://8.8.8.8/":                   private,
		"http://idp.example/private":        private,
		"http://localhost.example/":         private,
		"http://localhost./":                private,
		"ftp://idp.example/":                {},
		"file:///etc/passwd":                {},
		"gopher://8.8.8.8/":                 {},
		"unix:///run/docker.sock":           {},
		"javascript:alert(1)":               {},
		"data:application/json,{}":          {},
		"https://user@8.8.8.8/":             {},
		"https://user:pw@8.8.8.8/":          {},
		"https://:pw@8.8.8.8/":              {},
		"https://8.8.8.8/#fragment":         {},
		"https://8.8.8.8:80/":               {},
		"https://8.8.8.8:8443/":             {},
		"https://8.8.8.8:0/":                {},
		"https://8.8.8.8:99999/":            {},
		"https://2130706433/":               {},
		"https://0x7f000001/":               {},
		"https://0x7f.1/":                   {},
		"https://0177.0.0.1/":               {},
		"https://127.1/":                    {},
		"https://127.0.0.1./":               {},
		"https://1.1.1.1.1/":                {},
		"https://a.0x1/":                    {},
		"https://[fe80::1%25eth0]/":         {},
		"https://[::1%25lo]/":               private,
		"https://idp\u3002example/":         {},
		"https://ⓘdp.example/":              {},
		"https://idp.example%00.evil/":      {},
		"https://idp.example\\@evil.test/":  {},
		"https://idp example/":              {},
		"https://idp.example:443:443/":      {},
		"https://idp.example\r\nX: y/":      {},
		"https://[::ffff:a9fe:a9fe]/latest": {},
	} {
		_, err := client.Get(t.Context(), rawURL, n, fetch.Limit{})
		if !errors.Is(err, fetch.ErrRefused) {
			t.Errorf("%q: %v", rawURL, err)
		}
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d connections were tried", n)
	}
}
