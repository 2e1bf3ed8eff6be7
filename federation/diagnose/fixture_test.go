package diagnose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/federation"
	"github.com/chancery-dev/chancery/federation/diagnose"
	"github.com/chancery-dev/chancery/federation/fetch"
	"github.com/chancery-dev/chancery/federation/idptest"
	"github.com/chancery-dev/chancery/federation/jwks"
)

// authority signs the certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Acme"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return authority{t, sign(t, template, template, key, key), key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t *testing.T, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// leaf makes a certificate for 127.0.0.1 that change changes.
func (a authority) leaf(change func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "idp.acme.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(template)
	}
	cert := sign(a.t, template, a.cert, key, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw, a.cert.Raw}, PrivateKey: key}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// site is an IdP behind TLS, and the entry that trusts it.
type site struct {
	t      *testing.T
	ca     authority
	server *httptest.Server
	idp    *idptest.IdP
	entry  federation.IdentityProvider
	egress fetch.Policy
	now    func() time.Time
	serve  http.Handler // instead of the IdP
}

// newSite starts an IdP that nothing is wrong with.
func newSite(t *testing.T, change func(*x509.Certificate)) *site {
	t.Helper()
	s := &site{t: t, ca: newAuthority(t, "Acme Root"), egress: fetch.Policy{Mode: "allow"}, now: time.Now}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.serve != nil {
			s.serve.ServeHTTP(w, r)
			return
		}
		s.idp.ServeHTTP(w, r)
	}))
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{s.ca.leaf(change)}, MinVersion: tls.VersionTLS12}
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	var err error
	if s.idp, err = idptest.New(idptest.Options{Issuer: s.server.URL}); err != nil {
		t.Fatal(err)
	}
	s.entry = federation.IdentityProvider{
		UID: "idp_1", Name: "acme", Preset: "generic", Issuer: s.server.URL,
		Keys:       jwks.Source{Network: fetch.Network{CABundle: s.ca.pem(), AllowPrivateAddresses: true}},
		Assertions: federation.AssertionRules{Profiles: []federation.Profile{federation.ProfileIDJAG}, Algorithms: []string{"ES256"}, MaxLifetime: 5 * time.Minute, ClockSkew: 30 * time.Second},
	}
	return s
}

func (s *site) test() diagnose.Report {
	s.t.Helper()
	report, err := diagnose.Tester{Fetch: fetch.New(s.egress), Now: s.now}.Connection(s.t.Context(), s.entry)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

// row expects a check to have ended so.
func row(t *testing.T, r diagnose.Report, check string, status diagnose.Status, code federation.Code) diagnose.Row {
	t.Helper()
	got, found := r.Row(check)
	if !found || got.Status != status || got.Code != code {
		t.Fatalf("%s: got %s %s (%s), want %s %s\n%s", check, got.Status, got.Code, got.Seen, status, code, lines(r))
	}
	return got
}

func lines(r diagnose.Report) string {
	var b strings.Builder
	for _, row := range r.Rows {
		b.WriteString(row.Check + " " + string(row.Status) + " " + string(row.Code) + " " + row.Seen + " " + strings.Join(row.Notes, " | ") + "\n")
	}
	return b.String()
}

func answer(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = io.WriteString(w, body)
	}
}
