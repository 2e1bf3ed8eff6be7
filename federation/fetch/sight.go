package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// Stage is a step on the way to a document, in the order in which they come.
type Stage string

// The stages. Not every way has all of them: an address needs no DNS, plain http
// no TLS.
const (
	StageConfig  Stage = "config"  // bundle and proxy can be read
	StageRule    Stage = "rule"    // the egress rules let the URL, and then the address, pass
	StageDNS     Stage = "dns"     // the name, or the proxy's, has an address
	StageConnect Stage = "connect" // somebody accepts the connection
	StageProxy   Stage = "proxy"   // the proxy lets it pass
	StageTLS     Stage = "tls"     // the peer's certificate is good
	StageAnswer  Stage = "answer"  // status, type and size are usable
)

// Sight is what was seen on the way to one document. It is for people: it says
// nothing of the body, which may be anything. Chain is shown even where it is not
// trusted.
type Sight struct {
	Failed      Stage // where it ended, "" where it did not
	Addresses   []string
	Remote      string // of the connection: ip:port, the proxy's where there is one
	Proxy       string // host of the proxy, "" without one
	ProxyStatus int    // what it answered to CONNECT, 0 where nothing
	Chain       []*x509.Certificate
	TLSVersion  uint16
	Status      int
	ContentType string
	Date        time.Time // the peer's clock by its Date header, zero where it sends none
	Bytes       int
}

// watch collects a Sight. The dialer tries several addresses at once, so that it
// is called from several goroutines.
type watch struct {
	mu       sync.Mutex
	sight    Sight
	reached  Stage
	tunneled bool // CONNECT was answered: what follows is the peer's
}

func (w *watch) reach(s Stage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = s
}

// Probe is Get, and tells what was seen on the way, whether it succeeded or not.
// It is the same door: same rules, limits and errors.
func (c *Client) Probe(ctx context.Context, rawURL string, n Network, limit Limit) (Response, Sight, error) {
	w := &watch{reached: StageRule}
	response, err := c.get(w.trace(ctx), rawURL, n, limit, w)
	w.mu.Lock()
	defer w.mu.Unlock()
	sight := w.sight
	sight.Bytes = len(response.Body)
	if err != nil {
		sight.Failed = w.failed(err)
	}
	return response, sight, err
}

func (w *watch) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { w.reach(StageDNS) },
		DNSDone: func(info httptrace.DNSDoneInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, address := range info.Addrs {
				w.sight.Addresses = append(w.sight.Addresses, address.String())
			}
		},
		ConnectStart: func(string, string) { w.reach(StageConnect) },
		ConnectDone: func(_, address string, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil {
				w.sight.Remote = address
				if w.sight.Proxy != "" {
					w.reached = StageProxy
				}
			}
		},
		TLSHandshakeStart: func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.sight.Proxy == "" || w.tunneled { // else it is the proxy's own
				w.reached = StageTLS
			}
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.sight.Proxy != "" && !w.tunneled {
				return
			}
			w.sight.Chain, w.sight.TLSVersion = state.PeerCertificates, state.Version
			if unverified, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
				w.sight.Chain = unverified.UnverifiedCertificates
			}
		},
		WroteRequest: func(httptrace.WroteRequestInfo) { w.reach(StageAnswer) },
	})
}

// through notes the proxy and what it answers to CONNECT.
func (w *watch) through(t *http.Transport, proxy *url.URL) {
	if proxy == nil {
		return
	}
	w.sight.Proxy = proxy.Host
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.sight.ProxyStatus = response.StatusCode
		w.tunneled = response.StatusCode == http.StatusOK
		return nil
	}
}

func (w *watch) answered(r *http.Response) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reached = StageAnswer
	w.sight.Status, w.sight.ContentType = r.StatusCode, r.Header.Get("Content-Type")
	if date, err := http.ParseTime(r.Header.Get("Date")); err == nil {
		w.sight.Date = date
	}
	if r.StatusCode == http.StatusProxyAuthRequired && w.sight.Proxy != "" { // plain http: the proxy answers itself
		w.sight.ProxyStatus, w.reached = r.StatusCode, StageProxy
	}
}

// failed: a refusal by the rules may come at the dial, a reason of the
// configuration before anything.
func (w *watch) failed(err error) Stage {
	switch {
	case errors.Is(err, ErrConfig):
		return StageConfig
	case errors.Is(err, ErrRefused):
		return StageRule
	default:
		return w.reached
	}
}
