// Package discovery fetches what an authorization server publishes about itself
// (RFC 8414), and believes it only if it says that it is the one that was asked.
//
// It depends on internal/strictjson, and must not know tokens.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/chancery-dev/chancery/sdk/go/internal/strictjson"
)

// MaxBytes is the largest metadata document that is read.
const MaxBytes = 64 << 10

const timeout = 10 * time.Second

// Metadata is what is used of a metadata document. Endpoints that are absent are "".
type Metadata struct {
	Issuer        string
	TokenEndpoint string
	JWKSURI       string
}

// Client gives a client that follows no redirect and ends each request in ten seconds.
// given may be nil; its transport is kept.
func Client(given *http.Client) *http.Client {
	client := &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 16, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: timeout, MaxResponseHeaderBytes: 64 << 10,
	}}
	if given != nil {
		copied := *given
		client = &copied
	}
	// A redirect would take the request, and what is in it, to somebody who was not asked.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if client.Timeout <= 0 || client.Timeout > timeout {
		client.Timeout = timeout
	}
	return client
}

// CheckURL demands https, or http on loopback; a host; neither user nor fragment.
func CheckURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.Contains(raw, "#") {
		return nil, fmt.Errorf("%q is not an absolute URL without user and fragment", raw)
	}
	if u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()) {
		return u, nil
	}
	return nil, fmt.Errorf("%q is not https", raw)
}

// CheckIssuer demands of an issuer what RFC 8414 §2 does: no query, no fragment.
func CheckIssuer(issuer string) error {
	u, err := CheckURL(issuer)
	if err != nil {
		return err
	}
	if u.RawQuery != "" || u.ForceQuery || strings.HasSuffix(issuer, "/") && u.Path == "/" {
		return fmt.Errorf("issuer %q has a query, or a slash at the end of its host", issuer)
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Fetch gets the metadata of an issuer: RFC 8414 §3 first, and OpenID Connect's place
// if there is nothing.
func Fetch(ctx context.Context, client *http.Client, issuer string) (Metadata, error) {
	u, err := CheckURL(issuer)
	if err != nil {
		return Metadata{}, err
	}
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	var first error
	for _, place := range []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + path + "/.well-known/openid-configuration",
	} {
		body, err := Get(ctx, client, place, MaxBytes)
		if err == nil {
			return parse(body, issuer)
		}
		first = errors.Join(first, err)
		if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != http.StatusNotFound {
			break
		}
	}
	return Metadata{}, first
}

func parse(body []byte, issuer string) (Metadata, error) {
	members, err := strictjson.Object(body, MaxBytes, "issuer", "token_endpoint", "jwks_uri")
	if err != nil {
		return Metadata{}, fmt.Errorf("metadata of %s: %w", issuer, err)
	}
	// RFC 8414 §3.3: identical to the one that was asked, character by character.
	if said, _ := members["issuer"].(string); said != issuer {
		return Metadata{}, fmt.Errorf("metadata of %s says that its issuer is %q", issuer, said)
	}
	m := Metadata{Issuer: issuer}
	for name, into := range map[string]*string{"token_endpoint": &m.TokenEndpoint, "jwks_uri": &m.JWKSURI} {
		value, present := members[name]
		if !present {
			continue
		}
		text, _ := value.(string)
		u, err := CheckURL(text)
		if err != nil {
			return Metadata{}, fmt.Errorf("metadata of %s: %s: %w", issuer, name, err)
		}
		// http is for loopback, and loopback is another machine for each who asks.
		if u.Scheme != "https" && strings.HasPrefix(issuer, "https:") {
			return Metadata{}, fmt.Errorf("metadata of %s: %s %q is not https", issuer, name, text)
		}
		*into = text
	}
	return m, nil
}

// StatusError is an answer other than 200.
type StatusError struct {
	URL    string
	Status int
}

func (e *StatusError) Error() string { return fmt.Sprintf("GET %s answered %d", e.URL, e.Status) }

// Get reads one document of at most maxBytes.
func Get(ctx context.Context, client *http.Client, from string, maxBytes int64) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, &StatusError{URL: from, Status: response.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", from, err)
	}
	if int64(len(body)) > maxBytes {
		return nil, fmt.Errorf("GET %s answered more than %d bytes", from, maxBytes)
	}
	return body, nil
}
