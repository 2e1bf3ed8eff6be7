package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// DefaultPort is the authorization server's; the IdP, the sample server and the admin API have the three after it.
const DefaultPort = 9000

// ports are where everything listens, in this order: authorization server, IdP, sample server, admin API.
const ports = 4

// CheckHost allows names and addresses of this machine only: the IdP signs in whoever asks.
func CheckHost(host string) error {
	if host == "localhost" {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() && addr.Zone() == "" {
		return nil
	}
	return fmt.Errorf("%q is not loopback: these surroundings sign in whoever asks, and never leave this machine", host)
}

// onlyHere answers requests to this machine by its own names: a web page that pointed its name here (DNS rebinding) must not
// talk to an IdP that signs in whoever asks.
func onlyHere(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]")
		}
		if CheckHost(host) != nil {
			http.Error(w, "this is not that host", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// place is where a folder's surroundings listen: the same in every run, because issuers and identifiers are in its objects.
type place struct {
	Host  string `json:"host"`
	Ports []int  `json:"ports"`
}

// placeFor settles where to listen: what the folder has, else what is wished. host "" and port -1 wish nothing.
func placeFor(kept *place, host string, port int) (place, error) {
	if kept != nil {
		if host != "" && host != kept.Host || port > 0 && port != kept.Ports[0] {
			return place{}, fmt.Errorf("what is kept here belongs to http://%s: leave --port and --host out, or choose another folder with --dir", net.JoinHostPort(kept.Host, strconv.Itoa(kept.Ports[0])))
		}
		return *kept, nil
	}
	if host == "" {
		host = "localhost"
	}
	if err := CheckHost(host); err != nil {
		return place{}, err
	}
	if port < 0 {
		port = DefaultPort
	}
	if port > 65535-ports+1 {
		return place{}, fmt.Errorf("port %d: 0, or 1 to %d, is expected", port, 65535-ports+1)
	}
	wished := place{Host: host, Ports: make([]int, ports)}
	for i := range wished.Ports {
		if port != 0 {
			wished.Ports[i] = port + i
		}
	}
	return wished, nil
}

func (p place) validate() error {
	if len(p.Ports) != ports || slices.Contains(p.Ports, 0) {
		return errors.New("four ports are expected")
	}
	return CheckHost(p.Host)
}

// listenAll opens every port, or none, and writes what was chosen where a free one was wished.
func (p place) listenAll(ctx context.Context) (open []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range open {
				_ = l.Close()
			}
			open = nil
		}
	}()
	for i, port := range p.Ports {
		l, err := listen(ctx, p.Host, port)
		if errors.Is(err, syscall.EADDRINUSE) {
			return open, fmt.Errorf("port %d is taken by another program (%v are needed): end it, or choose others with --port, or free ones with --port 0", port, p.Ports)
		}
		if err != nil {
			return open, fmt.Errorf("port %d: %w", port, err)
		}
		open, p.Ports[i] = append(open, l), portOf(l)
	}
	return open, nil
}

// listen opens one port. What is called localhost may be found under either address family: somebody else behind the other
// one would be spoken to in our place.
func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	var config net.ListenConfig
	address := host
	if host == "localhost" {
		address = "127.0.0.1"
	}
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil || host != "localhost" {
		return l, err
	}
	other, err := config.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(portOf(l))))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		_ = l.Close()
		return nil, err
	case err != nil:
		return l, nil //nolint:nilerr // this machine has no such family: nobody can be behind it
	}
	return join(l, other), nil
}

func portOf(l net.Listener) int {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0
	}
	return at.Port
}
