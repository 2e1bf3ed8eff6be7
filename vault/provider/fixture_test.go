package provider_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

// clock is a time that stands still until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// extensions complete the generic manifests.
var extensions = map[string]string{
	"oauth2": `
name: oauth2
extends: oauth2
authorization_url: https://as.example.com/authorize
token_url: https://as.example.com/token
revoke: {url: https://as.example.com/revoke, format: form}
probe: {url: https://as.example.com/me, id: id, label: [login]}
`,
	"client-credentials": "name: client-credentials\nextends: client-credentials\ntoken_url: https://as.example.com/token\n",
	"jwt-bearer":         "name: jwt-bearer\nextends: jwt-bearer\ntoken_url: https://as.example.com/token\n",
	"token-exchange": `
name: token-exchange
extends: token-exchange
token_url: https://as.example.com/token
revoke: {url: https://as.example.com/revoke, format: form}
`,
}

func catalogue(t *testing.T) *provider.Catalogue {
	t.Helper()
	c, err := provider.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func manifest(t *testing.T, name string) provider.Manifest {
	t.Helper()
	c := catalogue(t)
	var m provider.Manifest
	var err error
	if text, ok := extensions[name]; ok {
		m, err = c.Decode([]byte(text))
	} else {
		m, err = c.Manifest(name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// world is one provider, the fake that stands for it, and their clock.
type world struct {
	*provider.Provider
	fake  *providertest.Server
	clock *clock
	key   *rsa.PrivateKey
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(key *rsa.PrivateKey) provider.Secret {
	return provider.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
}

// meet starts the fake of a manifest. change, if any, edits manifest and settings first.
func meet(t *testing.T, name string, change ...func(*provider.Manifest, *provider.Settings, *providertest.Profile)) *world {
	t.Helper()
	profile, ok := providertest.Named(name)
	if !ok {
		t.Fatalf("no profile stands for %q", name)
	}
	w := &world{clock: newClock(), key: testKey()}
	m := manifest(t, name)
	s := provider.Settings{
		ClientID: providertest.ClientID, ClientSecret: provider.NewSecret(providertest.ClientSecret), RedirectURL: providertest.Redirect,
		PrivateKey: pemOf(w.key), Now: w.clock.now, Timeout: 5 * time.Second,
	}
	if name == "servicenow" {
		s.Config = map[string]string{"instance": "acme"}
	}
	for _, c := range change {
		c(&m, &s, &profile)
	}
	w.fake = providertest.Start(profile, w.clock.now)
	t.Cleanup(w.fake.Close)
	if s.Transport == nil {
		s.Transport = w.fake.Transport()
	}
	var err error
	if w.Provider, err = provider.New(m, s); err != nil {
		t.Fatal(err)
	}
	return w
}

// connect takes alice through the provider.
func (w *world) connect(t *testing.T, scopes ...string) (provider.Credential, provider.Account) {
	t.Helper()
	code, d := w.arrive(t, provider.Ask{Scopes: scopes})
	c, account, err := w.Exchange(t.Context(), code, d)
	if err != nil {
		t.Fatal(err)
	}
	return c, account
}

func (w *world) arrive(t *testing.T, ask provider.Ask) (provider.Secret, provider.Departure) {
	t.Helper()
	back, d := w.depart(t, ask)
	code, err := w.Arrive(back, d)
	if err != nil {
		t.Fatalf("%v: %v", back, err)
	}
	return code, d
}

func (w *world) depart(t *testing.T, ask provider.Ask) (url.Values, provider.Departure) {
	t.Helper()
	address, d, err := w.Authorize(ask)
	if err != nil {
		t.Fatal(err)
	}
	back, err := w.fake.Visit(address)
	if err != nil {
		t.Fatal(err)
	}
	return back, d
}

// settings of a provider that nobody asks anything.
func settings(change ...func(*provider.Settings)) provider.Settings {
	s := provider.Settings{
		ClientID: providertest.ClientID, ClientSecret: provider.NewSecret(providertest.ClientSecret), RedirectURL: providertest.Redirect,
		Now: newClock().now, Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, net.ErrClosed }),
	}
	for _, c := range change {
		c(&s)
	}
	return s
}
