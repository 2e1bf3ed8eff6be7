package harness

import (
	"context"
	"crypto/x509"
	"net"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Fork is a copy of a person's browser with the cookies of now, for which the issuer's address leads to one replica, as a
// balancer would have it. It goes nowhere that begins with stop, unless that is empty. Whoever copied somebody's cookies
// has no more than that; each fork may be used beside the others.
func (p *Person) Fork(through *Process, stop string) *Person {
	p.t.Helper()
	fork := NewPerson(p.t, p.Name)
	fork.from, fork.stop = p.from, stop
	jar, err := cookiejar.New(nil)
	must(p.t, err)
	issuer, err := url.Parse(through.world.Issuer)
	must(p.t, err)
	replica, err := url.Parse(through.Base)
	must(p.t, err)
	place := secured(issuer)
	cookies := p.http.Jar.Cookies(issuer)
	for _, c := range cookies { // a jar tells names and values alone; all of ours are __Host-
		c.Path, c.Secure = "/", true
	}
	jar.SetCookies(place, cookies)
	fork.http.Jar = trustworthy{jar}
	transport := transportOf()
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == issuer.Host {
			address = replica.Host
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	fork.http.Transport = transport
	return fork
}

// Cookie is the value of a cookie that the browser would send to an address, "" for none.
func (p *Person) Cookie(address, name string) string {
	p.t.Helper()
	u, err := url.Parse(address)
	must(p.t, err)
	for _, c := range p.http.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// Trust lets the browser open an IdP of a test whose certificate nobody else knows.
func (p *Person) Trust(c *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(c)
	transport := transportOf()
	transport.TLSClientConfig.RootCAs = roots
	p.http.Transport = transport
}

// Way brings the person to an address that begins with stop, doing what a willing person does, and gives it back
// unvisited, with what would be posted there.
func (p *Person) Way(start, stop string) *Page {
	p.t.Helper()
	_, page, err := p.Try(p.t.Context(), start, stop)
	must(p.t, err)
	if page.Outside == nil {
		p.t.Fatalf("no way to %s: %d %s\n%s", stop, page.Status, page.URL, page.Body)
	}
	return page
}

// Says tells whether a page of ours shows a code of an error.
func (p *Page) Says(code string) bool { return strings.Contains(p.Body, code) }

// Scatter sends n calls at one moment, spread over the replicas, each on a connection of its own, while meanwhile runs
// (nil: nothing does), which can ask how many were answered so far. Nobody may answer some of them.
func (w *World) Scatter(t testing.TB, n int, call func(i int) *Call, meanwhile func(answered func() int)) []Shot {
	t.Helper()
	shots := make([]Shot, n)
	client := Clients(n)
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	var ended atomic.Int64
	start := make(chan struct{})
	for i := range n {
		c, replica := call(i), i%len(w.Replicas)
		all.Go(func() {
			<-start
			s := Shot{Replica: replica, Started: time.Now()}
			s.Answer, s.Err = TrySend(t.Context(), client, w.Replicas[replica], c)
			s.Ended = time.Now()
			shots[i] = s
			ended.Add(1)
		})
	}
	close(start)
	if meanwhile != nil {
		meanwhile(func() int { return int(ended.Load()) })
	}
	all.Wait()
	return shots
}
