package fetch

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	maxHeaderBytes = 32 << 10
	idleTimeout    = 30 * time.Second
)

// guard is what one connection is held to.
type guard struct {
	client   *Client
	private  bool // addresses of one's own pass
	loopback bool // only loopback passes: plain http
	listed   bool // the egress policy names the host
}

// transport makes a transport whose every connection passes the guard. With a
// proxy in the configuration, the proxy is all that is ever dialled: in one's own
// networks too, but not where instance metadata lives, and under egress.mode deny
// only if it is listed itself.
func (c *Client) transport(n Network, g guard) (*http.Transport, error) {
	tlsConfig, err := n.tls()
	if err != nil {
		return nil, err
	}
	proxy, err := n.proxy()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Resolver: c.resolver, ControlContext: g.control}
	t := &http.Transport{
		Proxy:                  nil, // never http.ProxyFromEnvironment
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig,
		DisableCompression:     true, // a body is as large as it was sent
		MaxResponseHeaderBytes: maxHeaderBytes,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConnsPerHost:    8,
		ForceAttemptHTTP2:      true,
	}
	if proxy != nil {
		listed, refusal := c.egress.checkHost(proxy.Hostname())
		if refusal != nil {
			return nil, refusal
		}
		t.Proxy = http.ProxyURL(proxy)
		dialer.ControlContext = guard{client: c, private: true, listed: listed}.control
	}
	return t, nil
}

// control runs on the resolved address, before the first packet to it.
func (g guard) control(ctx context.Context, network, address string, conn syscall.RawConn) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused(address, "not an IP address and port", "")
	}
	addr := endpoint.Addr()
	if refusal := g.client.rule.check(addr, g.private); refusal != nil {
		return refusal
	}
	if g.loopback && !addr.IsLoopback() {
		return refused(addr.String(), "plain http beyond loopback", "use https")
	}
	if !g.private && endpoint.Port() != 443 {
		return refused(addr.String(), "port is not 443", "")
	}
	if !g.listed {
		if refusal := g.client.egress.checkAddr(addr); refusal != nil {
			return refusal
		}
	}
	return g.client.observe(ctx, network, address, conn)
}

// observe shows an address that passed to whoever watches, who may still stop it.
func (c *Client) observe(_ context.Context, _, address string, _ syscall.RawConn) error {
	if c.dialing == nil {
		return nil
	}
	return c.dialing(address)
}

// guarded is the RoundTripper handed out: each request is checked again, since
// its URL may come from anywhere.
type guarded struct {
	client    *Client
	network   Network
	limit     Limit
	transport map[guard]*http.Transport
}

func (g *guarded) pick(u *url.URL, listed bool) *http.Transport {
	return g.transport[guard{
		client: g.client, private: g.network.AllowPrivateAddresses, loopback: u.Scheme == "http", listed: listed,
	}]
}
