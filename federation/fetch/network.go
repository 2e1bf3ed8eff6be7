package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"syscall"
)

const maxBundle = 4 << 20

var errBundle = errors.New("not a regular file of at most 4 MiB")

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
		if pem, err = readBundle(n.CABundle); err != nil {
			return nil, &Error{Kind: ErrConfig, Reason: "network.ca_bundle cannot be read", Change: "give a readable path, or PEM text", Cause: err}
		}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &Error{Kind: ErrConfig, Reason: "network.ca_bundle holds no certificate", Change: "give PEM certificates"}
	}
	return config, nil
}

// readBundle reads a regular file of bounded size: a tenant's administrator names the
// path, and a device or a pipe would never end.
func readBundle(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // read as certificates, and never shown
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	about, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !about.Mode().IsRegular() || about.Size() > maxBundle {
		return nil, errBundle
	}
	return io.ReadAll(io.LimitReader(f, maxBundle))
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
