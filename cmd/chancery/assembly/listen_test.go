package assembly_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/cmd/chancery/assembly"
	"github.com/chancery-dev/chancery/federation/idptest"
)

// TestListenersShareNothing walks what each serves and asks the other for it.
func TestListenersShareNothing(t *testing.T) {
	p := newPlace(t)
	s, _ := p.start(t, settings{"objects": []string{p.write(t, objects)}})
	public, private := "http://"+s.PublicAddress(), "http://"+s.AdminAddress()
	bearer := []string{"Authorization", "Bearer " + adminToken}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, private+"/admin/v1/openapi.json", http.NoBody)
	must(t, err)
	request.Header.Set(bearer[0], bearer[1])
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer func() { _ = response.Body.Close() }()
	var spec struct {
		Paths map[string]json.RawMessage `json:"paths"`
	}
	must(t, json.NewDecoder(response.Body).Decode(&spec))
	if len(spec.Paths) < 20 {
		t.Fatalf("%d paths", len(spec.Paths))
	}
	for path := range spec.Paths {
		path = strings.NewReplacer("{", "", "}", "").Replace(path)
		if probe(path) {
			continue
		}
		if status, _ := get(t, public+path, bearer...); status != http.StatusNotFound {
			t.Errorf("the public listener serves %s: %d", path, status)
		}
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/", "/admin/v1/openapi.json"} {
		if status, _ := get(t, public+path, bearer...); status != http.StatusNotFound {
			t.Errorf("the public listener serves %s: %d", path, status)
		}
	}
	routes := s.PublicRoutes()
	if len(routes) < 20 {
		t.Fatalf("%d routes", len(routes))
	}
	for _, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		if probe(path) {
			continue
		}
		request, err := http.NewRequestWithContext(t.Context(), method, private+strings.ReplaceAll(path, ":", ""), http.NoBody)
		must(t, err)
		request.Header.Set(bearer[0], bearer[1])
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		_ = response.Body.Close()
		if response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("the admin listener serves %s: %d", route, response.StatusCode)
		}
	}
	// No credential, no entry.
	for _, path := range []string{"/admin/v1/clients", "/metrics", "/admin/v1/openapi.json"} {
		if status, _ := get(t, private+path); status != http.StatusUnauthorized {
			t.Errorf("%s without a credential: %d", path, status)
		}
	}
}

func probe(path string) bool { return path == "/livez" || path == "/readyz" }

// TestNobodyByDefault: without a configured credential the admin API admits nobody.
func TestNobodyByDefault(t *testing.T) {
	p := newPlace(t)
	o := p.options(t, settings{"admin.token.env": ""})
	s, err := assembly.New(t.Context(), o)
	must(t, err)
	must(t, s.Start(t.Context()))
	defer func() { must(t, s.Stop(context.WithoutCancel(t.Context()))) }()
	for _, header := range []string{"", "Bearer ", "Bearer " + adminToken, "Bearer admin", "Basic YWRtaW46YWRtaW4="} {
		if status, _ := get(t, "http://"+s.AdminAddress()+"/admin/v1/clients", "Authorization", header); status != http.StatusUnauthorized {
			t.Errorf("%q: %d", header, status)
		}
	}
}

// TestDrain: readiness fails first, what is in flight is answered, then the listeners close.
func TestDrain(t *testing.T) {
	p := newPlace(t)
	s, stop := p.start(t, settings{"objects": []string{p.write(t, objects)}})
	p.idp.Fail(idptest.PathKeys, idptest.FaultSlow) // a redemption that takes until the fetch is given up
	p.idp.Fail(idptest.PathDiscovery, idptest.FaultSlow)
	answered := make(chan int, 1)
	go func() {
		status, _ := p.redeem(t, s, secretText)
		answered <- status
	}()
	until(t, 5*time.Second, "nothing is in flight", func() bool { return p.idp.AllRequests() > 0 })
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	until(t, 2*time.Second, "readyz stays 200", func() bool {
		status, _ := get(t, "http://"+s.PublicAddress()+"/readyz")
		return status == http.StatusServiceUnavailable
	})
	if status := <-answered; status != http.StatusServiceUnavailable { // keys_unavailable: an answer, not a cut
		t.Errorf("answered %d", status)
	}
	<-stopped
	if _, err := net.DialTimeout("tcp", s.PublicAddress(), time.Second); err == nil {
		t.Error("still listening")
	}
}

// TestWait ends with its context, and with a listener that fails.
func TestWait(t *testing.T) {
	p := newPlace(t)
	s, _ := p.start(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(ctx) }()
	cancel()
	must(t, <-waited)

	var listen net.ListenConfig
	public, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	o := p.options(t, nil)
	o.Public = public
	s, err = assembly.New(t.Context(), o)
	must(t, err)
	must(t, s.Start(t.Context()))
	go func() { waited <- s.Wait(t.Context()) }()
	must(t, public.Close())
	if err := <-waited; err == nil {
		t.Error("a listener failed and nobody was told")
	}
}

// TestTakenAddress: a listener that cannot be opened stops the start and leaves nothing open.
func TestTakenAddress(t *testing.T) {
	p := newPlace(t)
	var listen net.ListenConfig
	taken, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = taken.Close() }()
	for _, key := range []string{"server.listen", "admin.listen"} {
		s, err := assembly.New(t.Context(), p.options(t, settings{key: taken.Addr().String()}))
		must(t, err)
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	_, stop := p.start(t, nil)
	stop()
}

// TestTLS: 1.2 at least, HTTP/2 offered.
func TestTLS(t *testing.T) {
	p := newPlace(t)
	cert, key, roots := certificate(t, p.folder)
	s, _ := p.start(t, settings{"server.tls.cert": cert, "server.tls.key": key, "server.public_url": "https://127.0.0.1:1"})
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.PublicAddress()+"/livez", http.NoBody)
	must(t, err)
	response, err := h.Do(request)
	must(t, err)
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.ProtoMajor != 2 || response.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%s %v", response.Proto, response.Header)
	}
	old := tls.Dialer{Config: &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}}
	if c, err := old.DialContext(t.Context(), "tcp", s.PublicAddress()); err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 is spoken")
	}
	p2 := newPlace(t)
	s, err = assembly.New(t.Context(), p2.options(t, settings{"server.tls.cert": cert, "server.tls.key": cert}))
	must(t, err)
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "server.tls") {
		t.Errorf("%v", err)
	}
}

func certificate(t *testing.T, folder string) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certFile, keyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	must(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
	roots = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	roots.AddCert(parsed)
	return certFile, keyFile, roots
}
