package cimd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/chancery-dev/chancery/broker/cimd"
	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// host is a real server on loopback, and a Source of a development installation that reaches it.
func host(t *testing.T, handler http.HandlerFunc) (clientID string, s *cimd.Source) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	s = source(t, fetch.New(fetch.Policy{Mode: "allow"}), newClock().Now, func(c *cimd.Config) {
		c.Dev, c.Network = true, fetch.Network{CABundle: roots}
	})
	return server.URL + "/client.json", s
}

func send(t *testing.T, w http.ResponseWriter, r *http.Request, contentType string) {
	t.Helper()
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(encode(t, with(members(), "client_id", "https://"+r.Host+r.URL.Path)))
}

func TestFetched(t *testing.T) {
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "application/client-metadata+json", "Application/JSON"} {
		clientID, s := host(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s with %v", r.Method, r.Header)
			}
			send(t, w, r, contentType)
		})
		if _, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: cimd.ModeOpen}, clientID); err != nil {
			t.Errorf("%s: %v", contentType, err)
		}
	}
}

// T52: one hostile host per case.
func TestHostileHosts(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    oauth.Code
	}{
		"redirect to a document": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/client.json" {
				http.Redirect(w, r, "/other.json", http.StatusFound)
				return
			}
			t.Error("the redirect was followed")
		}, oauth.CodeCIMDStatus},
		"permanent redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://169.254.169.254/", http.StatusPermanentRedirect)
		}, oauth.CodeCIMDStatus},
		"201 with a document": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			send(t, w, r, "application/json")
		}, oauth.CodeCIMDStatus},
		"404 with a document": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			send(t, w, r, "application/json")
		}, oauth.CodeCIMDStatus},
		"huge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 1000 {
				_, _ = w.Write(bytes.Repeat([]byte(" "), 1024))
			}
		}, oauth.CodeCIMDTooLarge},
		"one byte too much": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(bytes.Repeat([]byte(" "), cimd.MaxBytes+1))
		}, oauth.CodeCIMDTooLarge},
		"huge, announced": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "10485760")
		}, oauth.CodeCIMDTooLarge},
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, oauth.CodeCIMDContentType},
		"HTML":       {func(w http.ResponseWriter, r *http.Request) { send(t, w, r, "text/html") }, oauth.CodeCIMDContentType},
		"plain text": {func(w http.ResponseWriter, r *http.Request) { send(t, w, r, "text/plain") }, oauth.CodeCIMDContentType},
		"text/json":  {func(w http.ResponseWriter, r *http.Request) { send(t, w, r, "text/x+json") }, oauth.CodeCIMDContentType},
		"no type": {func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = w.Write([]byte("{}"))
		}, oauth.CodeCIMDContentType},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, oauth.CodeCIMDUnavailable},
		"half": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}, oauth.CodeCIMDUnavailable},
		"never ends": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler) // who returns here ends the body well, and may be read before the connection is closed
		}, oauth.CodeCIMDUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clientID, s := host(t, c.handler)
			began := time.Now()
			_, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: cimd.ModeOpen}, clientID)
			if code(t, err) != c.want {
				t.Errorf("%v, want %s", err, c.want)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestForeignCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s := source(t, fetch.New(fetch.Policy{Mode: "allow"}), newClock().Now, func(c *cimd.Config) { c.Dev = true })
	if _, err := s.Get(t.Context(), acme(), cimd.Rules{Mode: cimd.ModeOpen}, server.URL+"/c"); code(t, err) != oauth.CodeCIMDUnavailable {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
}

// T50, T51: names that resolve to addresses of special purpose, for the document and
// for the keys that it points to. Not one connection is made, whatever the
// installation allows for its IdPs.
func TestSpecialAddresses(t *testing.T) {
	var dialled atomic.Int64
	for _, special := range []string{
		"127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "198.18.0.1", "192.0.2.1", "224.0.0.1",
		"255.255.255.255", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "64:ff9b::a00:1", "2002:a00:1::1", "2001::1", "2001:db8::1", "ff02::1", "::ffff:10.0.0.1",
	} {
		t.Run(special, func(t *testing.T) {
			door := fetch.New(fetch.Policy{Mode: "allow"}, fetch.WithResolver(resolving(t, special)), fetch.WithDialHook(func(string) error {
				dialled.Add(1)
				return nil
			}))
			s := source(t, door, newClock().Now, func(c *cimd.Config) { c.Network.AllowPrivateAddresses = true })
			if _, err := s.Get(t.Context(), acme(), rules(), address); code(t, err) != oauth.CodeCIMDAddressRefused {
				t.Errorf("document: %v", err)
			}

			m := with(without(confidential(t), "jwks"), "jwks_uri", "https://keys.example.com/set")
			c := get(t, source(t, serving(t, m), newClock().Now, func(c *cimd.Config) { c.Network.AllowPrivateAddresses = true }))
			keys := jwks.NewCache(door, newClock().Now)
			defer keys.Close()
			if _, err := keys.Keys(t.Context(), "client", c.Auth.Keys, ""); err == nil || !strings.Contains(err.Error(), fetch.ErrRefused.Error()) {
				t.Errorf("keys: %v", err)
			}
		})
	}
	if n := dialled.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// resolving answers every question with one address.
func resolving(t *testing.T, to string) *net.Resolver {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		question := make([]byte, 1500)
		for {
			n, peer, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(question[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			asked, addr := m.Questions[0], netip.MustParseAddr(to)
			head := dnsmessage.ResourceHeader{Name: asked.Name, Class: dnsmessage.ClassINET, Type: asked.Type}
			switch {
			case asked.Type == dnsmessage.TypeA && addr.Is4():
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: addr.As4()}}}
			case asked.Type == dnsmessage.TypeAAAA && !addr.Is4():
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AAAAResource{AAAA: addr.As16()}}}
			}
			reply, err := m.Pack()
			if err == nil {
				_, _ = conn.WriteTo(reply, peer)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
