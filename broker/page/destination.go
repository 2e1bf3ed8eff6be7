package page

import (
	"errors"
	"fmt"
	"html/template"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ErrModel is wrapped by all that Render says of a model that must not be shown.
var ErrModel = errors.New("page: model cannot be shown")

func unfit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrModel, fmt.Sprintf(format, args...))
}

var (
	hostPattern   = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	schemePattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)
	// What a browser does by itself, without leaving for a program.
	browserSchemes = []string{
		"about", "blob", "chrome", "chrome-extension", "content", "data", "edge", "file", "filesystem", "ftp", "intent",
		"javascript", "jar", "mailto", "moz-extension", "resource", "sms", "tel", "vbscript", "view-source", "ws", "wss",
	}
)

// destination is a place outside that the browser may be sent to.
type destination struct {
	URL      template.URL
	Host     string // with its port, unless that is the scheme's own; empty for a program's own scheme
	Scheme   string
	Loopback bool // a program on the person's own machine
	Program  bool // whichever program took the scheme
	source   string
}

// readDestination takes https, http on loopback, and schemes of programs (RFC 8252 §7). Everything else is refused, whoever
// registered it.
func readDestination(raw string) (destination, error) {
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`\"'<>^{|}`+"`", r) }) {
		return destination{}, unfit("a destination with characters that no URI has")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" && (u.Scheme == "https" || u.Scheme == "http") || u.User != nil {
		return destination{}, unfit("a destination that is no URI")
	}
	d := destination{URL: template.URL(raw), Scheme: u.Scheme} //nolint:gosec // G203: its scheme and characters are checked here
	switch {
	case u.Scheme == "https", u.Scheme == "http":
		d.Host = strings.ToLower(u.Host)
		d.Loopback = isLoopback(u.Hostname())
		if u.Scheme == "http" && !d.Loopback {
			return destination{}, unfit("a destination over http that is not on loopback")
		}
		return d.withSource(u)
	case schemePattern.MatchString(u.Scheme) && !slices.Contains(browserSchemes, u.Scheme):
		d.Program, d.source = true, u.Scheme+":"
		return d, nil
	}
	return destination{}, unfit("a destination of scheme %q", u.Scheme)
}

// withSource settles what the destination is called in a Content-Security-Policy. One at an IPv6 address has no name
// there (CSP3 §2.3.1 host-source): such a destination is reached by an Onward page only.
func (d destination) withSource(u *url.URL) (destination, error) {
	host := strings.ToLower(u.Hostname())
	if address, err := netip.ParseAddr(host); err == nil && address.Is6() && address.Zone() == "" {
		return d, nil
	}
	if !hostPattern.MatchString(host) || len(host) > 253 {
		return destination{}, unfit("a destination at %q", host)
	}
	d.source = d.Scheme + "://" + d.Host
	return d, nil
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback() || strings.EqualFold(host, "localhost")
}

// here refuses the paths that are not ours: `//evil`, `/\evil` and `https:evil` are somebody else's (T39).
func here(paths ...string) error {
	for _, path := range paths {
		if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsFunc(path, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || r == '\\'
		}) {
			return unfit("a form that does not stay here")
		}
	}
	return nil
}

// isHost tells a host name, with or without a port, as it may be shown: ASCII only, so that nothing looks like another.
func isHost(host string) bool {
	name, port, found := strings.Cut(host, ":")
	return hostPattern.MatchString(name) && len(name) <= 253 && (!found || port != "" && len(port) <= 5 && strings.Trim(port, "0123456789") == "")
}
