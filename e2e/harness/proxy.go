package harness

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a server and its database, and can be cut.
type Proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	cut   bool
	hang  bool
	conns map[net.Conn]bool
}

// NewProxy forwards to a host:port until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); p.Cut() })
	go p.accept()
	return p
}

// Before changes a URL to go through a new proxy.
func Before(t testing.TB, raw string) (through string, p *Proxy) {
	t.Helper()
	u, err := url.Parse(raw)
	must(t, err)
	p = NewProxy(t, u.Host)
	u.Host = p.listener.Addr().String()
	return u.String(), p
}

func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		if !p.keep(near) {
			_ = near.Close()
			continue
		}
		go p.forward(near)
	}
}

// keep remembers a connection; false when the line is cut.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) forward(near net.Conn) {
	far, err := net.Dial("tcp", p.target) //nolint:noctx // it ends when the line is cut
	if err != nil {
		_ = near.Close()
		return
	}
	if !p.keep(far) {
		_ = near.Close()
		_ = far.Close()
		return
	}
	go p.pour(near, far)
	p.pour(far, near)
}

// pour copies until either end closes. A line that hangs takes bytes and delivers none.
func (p *Proxy) pour(to, from net.Conn) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	_, _ = io.Copy(&gate{p, to}, from)
	p.mu.Lock()
	delete(p.conns, from)
	p.mu.Unlock()
}

type gate struct {
	proxy *Proxy
	to    io.Writer
}

func (g *gate) Write(b []byte) (int, error) {
	g.proxy.mu.Lock()
	hang := g.proxy.hang
	g.proxy.mu.Unlock()
	if hang {
		return len(b), nil
	}
	return g.to.Write(b)
}

// Cut ends every connection and refuses new ones.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	p.drop()
}

// Hang swallows what is sent from now on, as a host that stopped does.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hang = true
}

// Mend lets everything through again. Connections that swallowed something are ended.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hang {
		p.drop()
	}
	p.cut, p.hang = false, false
}

func (p *Proxy) drop() {
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = map[net.Conn]bool{}
}
