package fetch

import (
	"context"
	"io"
	"net/http"
	"strconv"
)

// RoundTripper gives a library that brings its own requests the same door: the
// same rules, limits (content types aside) and errors. It follows no redirect,
// but an http.Client around it would: set its CheckRedirect. Connections are
// kept; a changed bundle needs a new RoundTripper.
func (c *Client) RoundTripper(n Network, limit Limit) (http.RoundTripper, error) {
	g := &guarded{client: c, network: n, limit: limit.withDefaults(), transport: map[guard]*http.Transport{}}
	for _, loopback := range []bool{false, true} {
		for _, listed := range []bool{false, true} {
			key := guard{client: c, private: n.AllowPrivateAddresses, loopback: loopback, listed: listed}
			transport, err := c.transport(n, key)
			if err != nil {
				return nil, err
			}
			g.transport[key] = transport
		}
	}
	return g, nil
}

func (g *guarded) RoundTrip(request *http.Request) (*http.Response, error) {
	host := request.URL.Hostname()
	listed, err := g.client.checkTarget(request.URL, g.network)
	if err != nil {
		closeBody(request)
		return nil, err
	}
	ctx, cancel := context.WithTimeout(request.Context(), g.limit.Timeout)
	if err := g.client.enter(ctx); err != nil {
		cancel()
		closeBody(request)
		return nil, err
	}
	done := func() {
		cancel()
		g.client.leave()
	}
	response, err := g.pick(request.URL, listed).RoundTrip(request.WithContext(ctx))
	if err != nil {
		done()
		return nil, transportError(host, err)
	}
	if response.ContentLength > g.limit.Bytes {
		_ = response.Body.Close()
		done()
		return nil, tooLarge(host, g.limit)
	}
	response.Body = &boundedBody{body: response.Body, host: host, limit: g.limit, left: g.limit.Bytes, done: done}
	return response, nil
}

// closeBody keeps a RoundTripper's promise to close what it was given.
func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

func tooLarge(host string, limit Limit) error {
	return &Error{Kind: ErrTooLarge, Host: host, Reason: "more than " + strconv.FormatInt(limit.Bytes, 10) + " bytes"}
}

// boundedBody fails past the limit; it never ends early as if complete.
type boundedBody struct {
	body  io.ReadCloser
	host  string
	limit Limit
	left  int64
	done  func()
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, tooLarge(b.host, b.limit)
	}
	if err != nil && err != io.EOF { //nolint:errorlint // io.EOF is never wrapped by a reader
		err = transportError(b.host, err)
	}
	return n, err
}

func (b *boundedBody) Close() error {
	err := b.body.Close()
	if b.done != nil {
		b.done()
		b.done = nil
	}
	return err
}
