package transit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/sony/gobreaker/v2"
)

// Bounds.
const (
	// DefaultTimeout bounds one call with its second try, so that a request that needs a secret is refused before its caller
	// gives up (F8).
	DefaultTimeout = 1500 * time.Millisecond
	loginTimeout   = 5 * time.Second
	tripAfter      = 5               // outages in a row
	restFor        = 5 * time.Second // then one call is tried again
	connections    = 64
	// loginPace is how long after a login that was refused, or that did not help, there is no other: where a permission is lost,
	// each request would log in once more, and a log-in writes at Vault.
	loginPace = time.Second
)

// Config says which key of which Vault. Address, Mount, Key, Auth and Log are required.
type Config struct {
	Address   string // https://…; http only on loopback
	Mount     string // of the Transit engine
	Key       string
	Namespace string
	Auth      Auth
	TLS       *tls.Config   // authorities, and a client certificate; nil is the machine's
	Timeout   time.Duration // 0: DefaultTimeout
	Cache     Cache         // of data keys; the zero value keeps none
	Log       *slog.Logger
	Now       func() time.Time
	// Observe hears of each call: what was asked (Operation…), how it ended (OutcomeDone, a Kind, …) and how long it took; nil:
	// nobody does.
	Observe func(operation, outcome string, took time.Duration)
}

func (c Config) validate() error {
	if c.Address == "" || c.Mount == "" || c.Key == "" || c.Auth == nil || c.Log == nil || c.Now == nil {
		return errors.New("transit: address, mount, key, auth, log and a clock are required")
	}
	u, err := url.Parse(c.Address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("transit: the address is an absolute URL without user, query and fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return errors.New("transit: the address is https, or http on loopback")
	}
	for _, part := range []string{c.Mount, c.Key} {
		if strings.ContainsAny(part, "?#%\\ ") || strings.Contains(part, "..") || strings.HasPrefix(part, "/") || strings.HasSuffix(part, "/") {
			return fmt.Errorf("transit: %q is no mount or key name", part)
		}
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address := net.ParseIP(host)
	return address != nil && address.IsLoopback()
}

// Client asks one Transit engine. It is safe for concurrent use, and logs in by itself.
type Client struct {
	config  Config
	api     *api.Client
	breaker *gobreaker.CircuitBreaker[*api.Secret]
	cache   *keyCache

	mu     sync.Mutex // one login at a time
	since  uint64     // how many logins there were
	vain   vain       // the last login, if it was refused or did not help
	done   context.Context
	close  context.CancelFunc
	renews sync.WaitGroup
}

// New makes a client. It asks Vault nothing yet: Check does.
func New(c Config) (*Client, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	inner, err := newAPI(c)
	if err != nil {
		return nil, err
	}
	t := &Client{config: c, api: inner, cache: newKeyCache(c.Cache, c.Now)}
	t.done, t.close = context.WithCancel(context.Background())
	t.breaker = gobreaker.NewCircuitBreaker[*api.Secret](gobreaker.Settings{
		Name: "vault", MaxRequests: 1, Timeout: restFor,
		ReadyToTrip:  func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= tripAfter },
		IsSuccessful: func(err error) bool { return !counts(err) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			c.Log.Warn("vault: the breaker moved", "from", from.String(), "to", to.String())
		},
	})
	return t, nil
}

// newAPI is the library's client without what it reads from the environment: another program's token, namespace, headers or
// proxy must not become ours.
func newAPI(c Config) (*api.Client, error) {
	transport := &http.Transport{
		Proxy: nil, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: loginTimeout, ForceAttemptHTTP2: true,
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, IdleConnTimeout: 90 * time.Second, ResponseHeaderTimeout: loginTimeout,
		DialContext: (&net.Dialer{Timeout: c.Timeout, KeepAlive: 30 * time.Second}).DialContext,
	}
	if c.TLS != nil {
		transport.TLSClientConfig = c.TLS.Clone()
		transport.TLSClientConfig.MinVersion = max(tls.VersionTLS12, transport.TLSClientConfig.MinVersion)
	}
	settings := &api.Config{
		Address: c.Address, Timeout: loginTimeout, MaxRetries: 0, MinRetryWait: time.Millisecond, MaxRetryWait: time.Millisecond,
		HttpClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	inner, err := api.NewClient(settings)
	if err != nil {
		return nil, fmt.Errorf("vault client: %w", err)
	}
	inner.ClearToken()
	inner.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	inner.ClearNamespace()
	if c.Namespace != "" {
		inner.SetNamespace(c.Namespace)
	}
	return inner, nil
}

// Close ends the renewal of the token. The token itself lives on: another process may have it too.
func (t *Client) Close() {
	t.close()
	t.renews.Wait()
}

// write asks once, and once more where a connection broke or the token was not good any more: encryption and decryption
// change nothing at Vault, so that asking twice is safe.
func (t *Client) write(ctx context.Context, path string, body map[string]any) (*api.Secret, error) {
	answer, err := t.ask(ctx, path, func(ctx context.Context) (*api.Secret, error) {
		return t.api.Logical().WriteWithContext(ctx, path, body)
	})
	if errors.Is(err, errNothing) {
		return nil, &Outage{Failing, err}
	}
	return answer, err
}

// errNothing: there is nothing at the path.
var errNothing = errors.New("an empty answer")

func (t *Client) read(ctx context.Context, path string) (*api.Secret, error) {
	return t.ask(ctx, path, func(ctx context.Context) (*api.Secret, error) { return t.api.Logical().ReadWithContext(ctx, path) })
}

func (t *Client) ask(ctx context.Context, path string, call func(context.Context) (*api.Secret, error)) (answer *api.Secret, err error) {
	began := t.config.Now()
	defer func() { t.observe(path, err, t.config.Now().Sub(began)) }()
	ctx, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	answer, err = t.breaker.Execute(func() (*api.Secret, error) {
		before, err := t.token(ctx)
		if err != nil {
			return nil, err
		}
		answer, err := call(ctx)
		err = answered(ctx, err)
		outage, ok := errors.AsType[*Outage](err)
		switch {
		case !ok || ctx.Err() != nil:
			return answer, err
		case outage.Kind == Denied: // the token may have ended: one that is new says whether it is that
			if err := t.login(ctx, before); err != nil {
				return nil, err
			}
		case outage.Kind != Unreachable && outage.Kind != Standby:
			return answer, err
		}
		answer, err = call(ctx)
		err = answered(ctx, err)
		if again, ok := errors.AsType[*Outage](err); ok && outage.Kind == Denied && again.Kind == Denied {
			t.inVain(again)
		}
		return answer, err
	})
	if err == nil && answer == nil {
		return nil, errNothing
	}
	if _, ok := errors.AsType[*Outage](err); err != nil && !ok {
		return nil, answeredByBreaker(err)
	}
	return answer, err
}

func answeredByBreaker(err error) error {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &Outage{Resting, errFailed}
	}
	return err
}
