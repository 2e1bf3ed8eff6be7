package fetch

import (
	"context"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds where a Limit says nothing.
const (
	DefaultBytes   = 256 << 10
	DefaultTimeout = 3 * time.Second
	maxInFlight    = 256
)

// Limit bounds one request. Zero members mean the defaults.
type Limit struct {
	Bytes   int64         // of the body
	Timeout time.Duration // from the first packet to the last byte of the body
	// ContentTypes lists the media types that are accepted, in lower case;
	// "+json" accepts every type with that suffix. Absent means any.
	ContentTypes []string
}

// JSON accepts application/json and structured types on top of it.
func JSON() []string { return []string{"application/json", "+json"} }

func (l Limit) withDefaults() Limit {
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	if l.Timeout <= 0 {
		l.Timeout = DefaultTimeout
	}
	return l
}

// Response is a complete answer. Its status is 200: everything else is an error.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client fetches. Use New.
type Client struct {
	egress   egress
	rule     addressRule
	resolver *net.Resolver
	dialing  func(address string) error
	slots    chan struct{}
	agent    string
}

// Option changes a Client's surroundings, never its rules.
type Option func(*Client)

// WithResolver resolves names elsewhere than the system does.
func WithResolver(r *net.Resolver) Option { return func(c *Client) { c.resolver = r } }

// WithUserAgent names the product to those it fetches from.
func WithUserAgent(agent string) Option { return func(c *Client) { c.agent = agent } }

// WithDialHook is called with each address (ip:port) that has passed every
// rule, before the connection is made; an error stops it.
func WithDialHook(hook func(address string) error) Option {
	return func(c *Client) { c.dialing = hook }
}

// New makes a Client. Call Policy.Validate first: entries that cannot be read
// match nothing.
func New(p Policy, options ...Option) *Client {
	c := &Client{
		egress: newEgress(p),
		rule:   newAddressRule(),
		slots:  make(chan struct{}, maxInFlight),
		agent:  "chancery",
	}
	for _, option := range options {
		option(c)
	}
	return c
}

// Get fetches one document. Only 200 is an answer; redirects are not followed.
func (c *Client) Get(ctx context.Context, rawURL string, n Network, limit Limit) (Response, error) {
	return c.get(ctx, rawURL, n, limit, nil)
}

// get fetches; w, if there is one, watches.
func (c *Client) get(ctx context.Context, rawURL string, n Network, limit Limit, w *watch) (Response, error) {
	limit = limit.withDefaults()
	u, err := url.Parse(rawURL)
	if err != nil {
		return Response{}, refused("", "not a URL", "")
	}
	listed, err := c.checkTarget(u, n)
	if err != nil {
		return Response{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit.Timeout)
	defer cancel()
	if err := c.enter(ctx); err != nil {
		return Response{}, err
	}
	defer c.leave()

	// 1. A transport of its own: documents are fetched minutes apart, and a
	// bundle that was replaced on disk counts at once.
	transport, err := c.transport(n, guard{client: c, private: n.AllowPrivateAddresses, loopback: u.Scheme == "http", listed: listed})
	if err != nil {
		return Response{}, err
	}
	transport.DisableKeepAlives = true
	defer transport.CloseIdleConnections()
	if w != nil {
		proxy, err := n.proxy()
		if err != nil {
			return Response{}, err
		}
		w.through(transport, proxy)
	}

	// 2. The request. RoundTrip follows no redirect.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Response{}, refused(u.Hostname(), "not a URL", "")
	}
	request.Header.Set("User-Agent", c.agent)
	if len(limit.ContentTypes) > 0 {
		request.Header.Set("Accept", "application/json")
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return Response{}, transportError(u.Hostname(), err)
	}
	defer response.Body.Close()
	if w != nil {
		w.answered(response)
	}

	// 3. The answer.
	if err := checkAnswer(response, u.Hostname(), limit); err != nil {
		return Response{}, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, limit.Bytes+1))
	if err != nil {
		return Response{}, transportError(u.Hostname(), err)
	}
	if int64(len(body)) > limit.Bytes {
		return Response{}, tooLarge(u.Hostname(), limit)
	}
	return Response{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// enter bounds the requests in flight, so that slow peers cannot use up the
// process.
func (c *Client) enter(ctx context.Context) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return &Error{Kind: ErrTimeout, Reason: "too many requests in flight"}
	}
}

func (c *Client) leave() { <-c.slots }

func checkAnswer(response *http.Response, host string, limit Limit) error {
	switch status := response.StatusCode; {
	case status == http.StatusOK:
	case status >= 300 && status < 400:
		return &Error{Kind: ErrStatus, Host: host, Reason: http.StatusText(status) + " redirects are not followed", Change: "configure the final URL"}
	default:
		return &Error{Kind: ErrStatus, Host: host, Reason: strconv.Itoa(status)}
	}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &Error{Kind: ErrType, Host: host, Reason: "a compressed body", Change: "the server must not compress unasked"}
	}
	if response.ContentLength > limit.Bytes {
		return tooLarge(host, limit)
	}
	if !accepts(limit.ContentTypes, response.Header.Get("Content-Type")) {
		return &Error{Kind: ErrType, Host: host, Reason: "content type is not one of " + strings.Join(limit.ContentTypes, ", ")}
	}
	return nil
}

func accepts(types []string, header string) bool {
	if len(types) == 0 {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(header)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(types, func(accepted string) bool {
		return mediaType == accepted || strings.HasPrefix(accepted, "+") && strings.HasSuffix(mediaType, accepted)
	})
}
