package obtain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/chancery-dev/chancery/federation/strict"
)

const (
	maxMetadata = 64 << 10
	wellKnown   = "/.well-known/oauth-protected-resource"
)

// Described is what a resource says about itself (RFC 9728 §2).
type Described struct {
	Issuers []string // authorization_servers
	Scopes  []string // scopes_supported, sorted
}

// ErrUndescribed says that a resource publishes no metadata.
var ErrUndescribed = errors.New("the resource publishes no metadata (RFC 9728)")

// ErrMisdescribed says that metadata is there, and not to be believed.
var ErrMisdescribed = errors.New("wrong metadata")

// resourceMetadata finds the parameter of a challenge (RFC 9728 §5.1).
var resourceMetadata = regexp.MustCompile(`(?i)\bresource_metadata="([^"\\]+)"`)

// Describe asks a resource, first where its metadata must be (RFC 9728 §3.1), then itself: its challenge may name another place.
func Describe(ctx context.Context, h *http.Client, resource string) (Described, error) {
	u, err := checkURL(resource)
	if err != nil {
		return Described{}, err
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	place := u.Scheme + "://" + u.Host + wellKnown + path
	if u.RawQuery != "" {
		place += "?" + u.RawQuery
	}
	body, status, err := get(ctx, h, place)
	if err != nil {
		return Described{}, err
	}
	if status == http.StatusOK {
		return parse(body, resource)
	}
	if place, err = challenged(ctx, h, resource); err != nil {
		return Described{}, err
	}
	if body, status, err = get(ctx, h, place); err != nil {
		return Described{}, err
	}
	if status != http.StatusOK {
		return Described{}, fmt.Errorf("%w: %s answered %d", ErrUndescribed, place, status)
	}
	return parse(body, resource)
}

// challenged reads the place from the answer to a request without a token.
func challenged(ctx context.Context, h *http.Client, resource string) (string, error) {
	response, err := send(ctx, h, resource)
	if err != nil {
		return "", err
	}
	_ = response.Body.Close()
	for _, field := range response.Header.Values("WWW-Authenticate") {
		if m := resourceMetadata.FindStringSubmatch(field); m != nil && len(field) <= 8<<10 {
			at, err := checkURL(m[1])
			if err != nil {
				return "", fmt.Errorf("resource_metadata of %s: %w", resource, err)
			}
			if at.Scheme != "https" && strings.HasPrefix(resource, "https:") { // http is for loopback: whose, it cannot know
				return "", fmt.Errorf("resource_metadata of %s: %q is not https", resource, m[1])
			}
			return m[1], nil
		}
	}
	return "", fmt.Errorf("%w: neither at its well-known place nor in its challenge", ErrUndescribed)
}

func parse(body []byte, resource string) (Described, error) {
	members, err := strict.Object(body, strict.Limits{Bytes: maxMetadata})
	if err != nil {
		return Described{}, fmt.Errorf("%w of %s: %w", ErrMisdescribed, resource, err)
	}
	// RFC 9728 §3.3: another resource's metadata must not be used.
	if said, _ := members["resource"].(string); said != resource {
		return Described{}, fmt.Errorf("%w of %s: it is about %q; say --resource as its server writes it", ErrMisdescribed, resource, said)
	}
	issuers := texts(members["authorization_servers"])
	for _, issuer := range issuers {
		// It is shown to people, who are told to paste it where they trust it.
		if _, err := checkURL(issuer); err != nil || strings.ContainsFunc(issuer, isNoIssuer) {
			return Described{}, fmt.Errorf("%w of %s: %q is no issuer", ErrMisdescribed, resource, issuer)
		}
	}
	return Described{Issuers: issuers, Scopes: slices.Sorted(slices.Values(texts(members["scopes_supported"])))}, nil
}

// isNoIssuer: what an issuer (RFC 8414 §2) may have of a URL, less what a shell would act on.
func isNoIssuer(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~:/%@+,=[]", r)
}

func texts(value any) []string {
	list, _ := value.([]any)
	found := []string{}
	for _, item := range list {
		if text, ok := item.(string); ok && text != "" {
			found = append(found, text)
		}
	}
	return found
}

func get(ctx context.Context, h *http.Client, from string) (body []byte, status int, err error) {
	response, err := send(ctx, h, from)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(response.Body, maxMetadata+1)) // one more: Parse refuses it
	return body, response.StatusCode, err
}

func send(ctx context.Context, h *http.Client, to string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, text/event-stream")
	return h.Do(request)
}

// checkURL demands https, or http on loopback.
func checkURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Contains(raw, "#") { // RFC 8707 §2
		return nil, fmt.Errorf("%q is not an absolute URL without user and fragment", raw)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return u, nil
	}
	return nil, fmt.Errorf("%q is not https", raw)
}
