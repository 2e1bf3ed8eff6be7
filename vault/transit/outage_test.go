package transit_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault"
	"github.com/chancery-dev/chancery/vault/transit"
	"github.com/chancery-dev/chancery/vault/transit/transittest"
)

func clientOf(t *testing.T, s *transittest.Server, change func(*transit.Config)) *transit.Client {
	t.Helper()
	c := transit.Config{
		Address: s.URL, Mount: "transit", Key: "chancery", Now: time.Now, Log: slog.New(slog.DiscardHandler), Timeout: 300 * time.Millisecond,
		Auth: transit.AppRoleAuth{RoleID: "chancery", SecretID: func() (string, error) { return "secret-of-the-role", nil }},
	}
	if change != nil {
		change(&c)
	}
	client, err := transit.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestOutagesAreToldApart(t *testing.T) {
	for _, c := range []struct {
		kind   transit.Kind
		break_ func(*transittest.Server)
		mend   func(*transittest.Server)
	}{
		{transit.Sealed, func(s *transittest.Server) { s.Break(transittest.Sealed) }, func(s *transittest.Server) { s.Break("") }},
		{transit.Standby, func(s *transittest.Server) { s.Break(transittest.Standby) }, func(s *transittest.Server) { s.Break("") }},
		{transit.Throttled, func(s *transittest.Server) { s.Break(transittest.Throttled) }, func(s *transittest.Server) { s.Break("") }},
		{transit.Failing, func(s *transittest.Server) { s.Break(transittest.Failing) }, func(s *transittest.Server) { s.Break("") }},
		{transit.Slow, func(s *transittest.Server) { s.Slow(2 * time.Second) }, func(s *transittest.Server) { s.Slow(0) }},
		{transit.Denied, func(s *transittest.Server) { s.Deny(true) }, func(s *transittest.Server) { s.Deny(false) }},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			s := transittest.Start(t)
			client := clientOf(t, s, nil)
			blob := mustSeal(t, client, content)
			c.break_(s)
			_, err := client.Open(t.Context(), blob, place)
			if c.kind != transit.Denied { // a new login of the double has its policies
				wantOutage(t, err, c.kind)
			}
			c.mend(s)
			if got, err := client.Open(t.Context(), blob, place); err != nil || !bytes.Equal(got, content) {
				t.Errorf("after it was mended: %q %v", got, err)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	s := transittest.New()
	listener := httptest.NewServer(s)
	s.URL = listener.URL
	client := clientOf(t, s, nil)
	mustSeal(t, client, content)
	listener.Close()
	_, err := client.Seal(t.Context(), content, place)
	wantOutage(t, err, transit.Unreachable)
}

func TestTheBreakerRests(t *testing.T) {
	s := transittest.Start(t)
	client := clientOf(t, s, nil)
	blob := mustSeal(t, client, content)
	s.Break(transittest.Failing)
	for range 5 {
		_, err := client.Open(t.Context(), blob, place)
		wantOutage(t, err, transit.Failing)
	}
	asked := s.Calls("decrypt")
	_, err := client.Open(t.Context(), blob, place)
	wantOutage(t, err, transit.Resting)
	if s.Calls("decrypt") != asked {
		t.Error("Vault was asked while it was left alone")
	}
}

// TestADeniedBlobDoesNotTripTheBreaker: one attacker's rows must not take the store from everybody.
func TestABlobThatDoesNotOpenDoesNotTripTheBreaker(t *testing.T) {
	client := clientOf(t, transittest.Start(t), nil)
	blob := mustSeal(t, client, content)
	elsewhere := place
	elsewhere.UID = "con_2"
	for range 20 {
		if _, err := client.Open(t.Context(), blob, elsewhere); !errors.Is(err, vault.ErrUnopened) {
			t.Fatal(err)
		}
	}
}

func TestATokenThatEndedIsReplacedOnce(t *testing.T) {
	s := transittest.Start(t)
	client := clientOf(t, s, func(c *transit.Config) { c.Timeout = 5 * time.Second })
	blob := mustSeal(t, client, content)
	s.RevokeAll()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got, err := client.Open(t.Context(), blob, place); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%q %v", got, err)
			}
		})
	}
	all.Wait()
	if n := s.Calls("approle/login"); n != 2 {
		t.Errorf("%d logins, expected the first and one more", n)
	}
}

func TestLoginsThatFail(t *testing.T) {
	s := transittest.Start(t)
	for name, auth := range map[string]transit.Auth{
		"wrong secret":    transit.AppRoleAuth{RoleID: "chancery", SecretID: func() (string, error) { return "wrong", nil }},
		"no secret":       transit.AppRoleAuth{RoleID: "chancery"},
		"empty secret":    transit.AppRoleAuth{RoleID: "chancery", SecretID: func() (string, error) { return "", nil }},
		"no file":         transit.TokenAuth{Token: transit.File(t.TempDir() + "/none")},
		"wrong token":     transit.TokenAuth{Token: func() (string, error) { return "hvs.wrong", nil }},
		"wrong pod token": transit.KubernetesAuth{Role: "chancery", Token: func() (string, error) { return "wrong", nil }},
		"no certificate":  transit.CertificateAuth{},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := clientOf(t, s, func(c *transit.Config) { c.Auth = auth }).Seal(t.Context(), content, place)
			wantOutage(t, err, transit.Denied)
		})
	}
	pod := transit.KubernetesAuth{Role: "chancery", Token: func() (string, error) { return "a service account's token", nil }}
	mustSeal(t, clientOf(t, s, func(c *transit.Config) { c.Auth = pod }), content)
}

func TestCache(t *testing.T) {
	s, now := transittest.Start(t), time.Unix(1_700_000_000, 0)
	client := clientOf(t, s, func(c *transit.Config) {
		c.Now = func() time.Time { return now }
		c.Cache = transit.Cache{Keys: 2, For: time.Minute}
	})
	blob := mustSeal(t, client, content)
	open := func(at vault.AAD) error { _, err := client.Open(t.Context(), blob, at); return err }
	for range 3 {
		if err := open(place); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Calls("decrypt"); n != 0 {
		t.Errorf("%d calls for a key that is known", n)
	}
	elsewhere := place
	elsewhere.UID = "con_2"
	if err := open(elsewhere); !errors.Is(err, vault.ErrUnopened) {
		t.Errorf("a cached key opened in another place: %v", err)
	}
	now = now.Add(time.Minute)
	if err := open(place); err != nil || s.Calls("decrypt") != 2 {
		t.Errorf("%v after %d calls", err, s.Calls("decrypt"))
	}
}

func TestNoCacheByDefault(t *testing.T) {
	s := transittest.Start(t)
	client := clientOf(t, s, nil)
	blob := mustSeal(t, client, content)
	for range 3 {
		if _, err := client.Open(t.Context(), blob, place); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Calls("decrypt"); n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]func(*transit.Config){
		"no address":       func(c *transit.Config) { c.Address = "" },
		"plain http":       func(c *transit.Config) { c.Address = "http://vault.acme.example" },
		"user in it":       func(c *transit.Config) { c.Address = "https://user@vault.acme.example" },
		"no mount":         func(c *transit.Config) { c.Mount = "" },
		"mount climbs":     func(c *transit.Config) { c.Mount = "transit/../sys" },
		"no key":           func(c *transit.Config) { c.Key = "" },
		"key with a query": func(c *transit.Config) { c.Key = "chancery?x" },
		"no auth":          func(c *transit.Config) { c.Auth = nil },
	} {
		good := transit.Config{
			Address: "https://vault.acme.example", Mount: "transit", Key: "chancery", Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Auth: transit.CertificateAuth{},
		}
		change(&good)
		if _, err := transit.New(good); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// TestEnvironment: another program's Vault settings must not become ours.
func TestEnvironment(t *testing.T) {
	s := transittest.Start(t)
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", transittest.RootToken)
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	mustSeal(t, clientOf(t, s, nil), content)
	_, err := clientOf(t, s, func(c *transit.Config) { c.Auth = transit.TokenAuth{} }).Seal(t.Context(), content, place)
	wantOutage(t, err, transit.Denied)
}

func TestSecretReferences(t *testing.T) {
	s := transittest.Start(t)
	s.Put("secret/chancery/okta", map[string]any{"client_secret": "s3cret", "number": 5})
	client := clientOf(t, s, nil)
	if got, err := client.Secret(t.Context(), "secret/chancery/okta#client_secret"); err != nil || got != "s3cret" {
		t.Errorf("%q %v", got, err)
	}
	for _, wrong := range []string{"", "secret", "secret/chancery/okta", "secret/chancery/okta#", "secret/chancery/okta#none", "secret/chancery/okta#number", "secret/none#x", "secret/../sys/x#y", "#x"} {
		if got, err := client.Secret(t.Context(), wrong); !errors.Is(err, transit.ErrReference) {
			t.Errorf("%q: %q %v", wrong, got, err)
		}
	}
}

// TestLoginsArePaced: where a permission is lost a login a second finds out whether it is back, and not one for each request.
func TestLoginsArePaced(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	pass := func(by time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(by)
	}
	s := transittest.Start(t)
	client := clientOf(t, s, func(c *transit.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	blob := mustSeal(t, client, content)
	s.DenyPath("transit/decrypt")
	for range 30 {
		_, err := client.Open(t.Context(), blob, place)
		wantOutage(t, err, transit.Denied)
	}
	if n := s.Calls("approle/login"); n != 2 {
		t.Errorf("%d logins for 30 requests, expected the first and one more", n)
	}
	pass(time.Second)
	for range 30 {
		_, err := client.Open(t.Context(), blob, place)
		wantOutage(t, err, transit.Denied)
	}
	if n := s.Calls("approle/login"); n != 3 {
		t.Errorf("%d logins a second later", n)
	}
	s.DenyPath("")
	if got, err := client.Open(t.Context(), blob, place); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the permission is back: %q %v", got, err)
	}
}
