package provider

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
)

var (
	placeholder = regexp.MustCompile(`\{([a-z_]+)\}`)
	hostValue   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	pathValue   = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9._~-]*$`)
)

// checkURL judges an address as it is written in a manifest: https, or http on loopback; what varies stands in the path, or
// in the host in front of a domain that does not vary.
func checkURL(raw string, config map[string]ConfigRule, also ...string) error {
	names := placeholder.FindAllStringSubmatch(raw, -1)
	for _, name := range names {
		_, declared := config[name[1]]
		if !declared && !contains(also, name[1]) {
			return fmt.Errorf("%q: {%s} is not in connection_config", raw, name[1])
		}
	}
	u, err := url.Parse(placeholder.ReplaceAllString(raw, "x"))
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" || strings.ContainsAny(u.Path, "{}") {
		return fmt.Errorf("%q is no absolute URL without user and fragment", raw)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return fmt.Errorf("%q: an address is https", raw)
	}
	if placeholder.MatchString(raw[strings.IndexByte(raw+"?", '?'):]) && strings.Contains(raw, "?") {
		return fmt.Errorf("%q: what varies stands in host or path, not in the query", raw)
	}
	return checkHost(raw)
}

// checkHost: with {instance}.example.com nobody can write an address that is not below example.com.
func checkHost(raw string) error {
	host := hostOf(raw)
	last := strings.LastIndexByte(host, '}')
	if last < 0 {
		return nil
	}
	fixed := host[last+1:]
	if !strings.HasPrefix(host, "{") || strings.Count(host, "{") != 1 || !strings.HasPrefix(fixed, ".") || strings.Count(fixed, ".") < 2 || strings.Contains(fixed, ":") {
		return fmt.Errorf("%q: in a host, {name} stands first and alone, in front of a domain of two labels or more", raw)
	}
	return nil
}

func hostOf(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}

// expand puts values into an address. They were checked against their patterns; here they are held to where they stand.
func expand(raw string, values map[string]string) (string, error) {
	host := hostOf(raw)
	at := strings.Index(raw, host)
	var failed error
	put := func(part string, shape *regexp.Regexp, longest int) string {
		return placeholder.ReplaceAllStringFunc(part, func(name string) string {
			value := values[strings.Trim(name, "{}")]
			if len(value) > longest || !shape.MatchString(value) {
				failed = invalid("connection_config: the value of %s does not fit into an address", name)
			}
			return value
		})
	}
	expanded := raw[:at] + put(host, hostValue, maxConfig) + put(raw[at+len(host):], pathValue, maxToken)
	if failed != nil {
		return "", failed
	}
	u, err := url.Parse(expanded)
	if err != nil || u.User != nil || !strings.HasSuffix(u.Host, strings.TrimPrefix(host[strings.LastIndexByte(host, '}')+1:], ".")) {
		return "", invalid("connection_config: the values lead away from %s", host)
	}
	return expanded, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address := net.ParseIP(host)
	return address != nil && address.IsLoopback()
}
