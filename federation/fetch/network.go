package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"os"
	"strings"
)

// Network is how one peer is reached. The zero value means: system roots, no
// proxy, global addresses only. It is comparable, so that a change is seen.
type Network struct {
	// CABundle is a path or PEM text. When set, only these roots are trusted.
	CABundle string
	// Proxy is an http or https URL. The environment is never asked for one.
	Proxy string
	// AllowPrivateAddresses lifts the port rule, and the address rule for
	// loopback, RFC 1918, shared, benchmarking and unique local addresses. It
	// also permits plain http to loopback.
	AllowPrivateAddresses bool
}

// Validate reads the bundle and the proxy's URL.
func (n Network) Validate() error {
	if _, err := n.tls(); err != nil {
		return err
	}
	_, err := n.proxy()
	return err
}

func (n Network) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if n.CABundle == "" {
		return config, nil
	}
	pem := []byte(n.CABundle)
	if !strings.Contains(n.CABundle, "-----BEGIN") {
		var err error
		if pem, err = os.ReadFile(n.CABundle); err != nil {
			return nil, &Error{Kind: ErrConfig, Reason: "network.ca_bundle cannot be read", Change: "give a readable path, or PEM text", Cause: err}
		}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &Error{Kind: ErrConfig, Reason: "network.ca_bundle holds no certificate", Change: "give PEM certificates"}
	}
	return config, nil
}

// proxy returns nil when there is none.
func (n Network) proxy() (*url.URL, error) {
	if n.Proxy == "" {
		return nil, nil // no proxy is a value
	}
	u, err := url.Parse(n.Proxy)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		// The URL may hold a password: it is not quoted, nor is the cause.
		return nil, &Error{Kind: ErrConfig, Reason: "network.proxy is not an http or https URL"}
	}
	return u, nil
}
