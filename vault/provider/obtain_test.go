package provider_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/vault/provider"
	"github.com/chancery-dev/chancery/vault/provider/providertest"
)

func TestClientCredentials(t *testing.T) {
	w := meet(t, "client-credentials")
	c, err := w.Obtain(t.Context(), provider.Wanted{Scopes: []string{"a", "b"}})
	if err != nil || !slices.Equal(c.Scopes, []string{"a", "b"}) || !c.Refresh.IsZero() || !w.fake.Works(c.Access.Reveal()) {
		t.Fatalf("%+v %v", c, err)
	}
	again, err := w.Refresh(t.Context(), c)
	if err != nil || again.Access.Reveal() == c.Access.Reveal() || w.fake.Count("client") != 2 || w.fake.Count("refresh") != 0 {
		t.Fatalf("%+v %v", again, err)
	}
	lease, narrowed, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"a"}})
	if err != nil || !narrowed || !slices.Equal(lease.Scopes, []string{"a"}) || lease.Access.Reveal() == c.Access.Reveal() {
		t.Fatalf("narrowed %t: %+v %v", narrowed, lease, err)
	}
	if _, _, err := w.Authorize(provider.Ask{}); !errors.Is(err, provider.ErrUnsupported) {
		t.Errorf("a person was sent there: %v", err)
	}
	// Nobody connects here: a word that nobody listed is the company's to look at, and no code is tried.
	w.fake.Break("client", status(403, said("canary-word")))
	if _, err := w.Obtain(t.Context(), provider.Wanted{}); outcome(t, err).Outcome != provider.Misconfigured || w.fake.Count("code") != 0 {
		t.Errorf("got %v after %d codes", err, w.fake.Count("code"))
	}
	w.fake.Set(func(s *providertest.Switches) { s.WrongSecret = true })
	if _, err := w.Obtain(t.Context(), provider.Wanted{}); outcome(t, err).Outcome != provider.Misconfigured {
		t.Errorf("got %v", err)
	}
}

func TestJWTBearer(t *testing.T) {
	for _, scopeIn := range []string{"claim", "parameter"} {
		t.Run(scopeIn, func(t *testing.T) {
			w := meet(t, "jwt-bearer", func(m *provider.Manifest, s *provider.Settings, _ *providertest.Profile) {
				m.Assertion.ScopeIn, m.Assertion.Claims, s.KeyID = scopeIn, map[string]string{"target_audience": "x"}, "key-1"
			})
			c, err := w.Obtain(t.Context(), provider.Wanted{Subject: "alice@example.com", Scopes: []string{"a"}})
			if err != nil || c.Subject != "alice@example.com" {
				t.Fatalf("%+v %v", c, err)
			}
			form := w.fake.Seen()[0].Form
			header, claims := verifyRS256(t, &w.key.PublicKey, form.Get("assertion"))
			if header["kid"] != "key-1" || claims["iss"] != providertest.ClientID || claims["sub"] != "alice@example.com" || claims["aud"] != "https://as.example.com/token" ||
				life(claims) != 300 || claims["jti"] == "" || claims["target_audience"] != "x" {
				t.Errorf("%v %v", header, claims)
			}
			if inClaim := claims["scope"] == "a"; inClaim != (scopeIn == "claim") || (form.Get("scope") == "a") == inClaim {
				t.Errorf("scope in the claim: %t; in the form: %q", inClaim, form.Get("scope"))
			}
			if form.Has("client_secret") || w.fake.Seen()[0].Header.Get("Authorization") != "" {
				t.Error("a secret went along")
			}
		})
	}
}

func verifyRS256(t *testing.T, key *rsa.PublicKey, token string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		t.Fatal(err)
	}
	return part(t, parts[0]), part(t, parts[1])
}

func life(claims map[string]any) float64 {
	from, _ := claims["iat"].(float64)
	to, _ := claims["exp"].(float64)
	return to - from
}

func part(t *testing.T, s string) (v map[string]any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// private_key_jwt, with a key on P-256.
func TestClientWithAKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w := meet(t, "client-credentials", func(m *provider.Manifest, s *provider.Settings, _ *providertest.Profile) {
		m.TokenRequestAuthMethod, m.Assertion = provider.AuthKey, &provider.AssertionRules{Algorithm: "ES256", ScopeIn: "parameter"}
		s.ClientSecret, s.PrivateKey = provider.Secret{}, provider.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	})
	_, err = w.Obtain(t.Context(), provider.Wanted{}) // the fake wants a secret: only what came is looked at
	if outcome(t, err).Outcome != provider.Misconfigured {
		t.Fatal(err)
	}
	parts := strings.Split(w.fake.Seen()[0].Form.Get("client_assertion"), ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		t.Fatal(len(signature), err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(&key.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the signature is wrong")
	}
	if c := part(t, parts[1]); c["iss"] != providertest.ClientID || c["sub"] != providertest.ClientID || c["aud"] != "https://as.example.com/token" {
		t.Errorf("%v", c)
	}
}

func TestWeakKeysAreRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // that is the point
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]provider.Secret{"short": pemOf(weak), "public": provider.NewSecret("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")} {
		if _, err := provider.New(manifest(t, "oauth2"), settings(func(s *provider.Settings) { s.PrivateKey = key })); err == nil {
			t.Errorf("a %s key was taken", name)
		}
	}
}

func TestTokenExchange(t *testing.T) {
	w := meet(t, "token-exchange")
	c, err := w.ExchangeToken(t.Context(), provider.Presented{Token: provider.NewSecret("subject-alice"), TokenType: "urn:ietf:params:oauth:token-type:jwt"}, provider.Wanted{Scopes: []string{"a", "b"}})
	if err != nil || !w.fake.Works(c.Access.Reveal()) {
		t.Fatalf("%+v %v", c, err)
	}
	form := w.fake.Seen()[0].Form
	if form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" || form.Get("scope") != "a b" || form.Has("actor_token") {
		t.Errorf("%v", form)
	}
	if c, err = w.Refresh(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	lease, narrowed, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"a"}})
	if err != nil || !narrowed || !slices.Equal(lease.Scopes, []string{"a"}) {
		t.Fatalf("narrowed %t: %+v %v", narrowed, lease, err)
	}
	if err := w.Revoke(t.Context(), c); err != nil || w.fake.Works(lease.Access.Reveal()) {
		t.Fatalf("it works after it was revoked: %v", err)
	}
	if _, err := w.ExchangeToken(t.Context(), provider.Presented{}, provider.Wanted{}); err == nil {
		t.Error("nothing was exchanged for something")
	}
}

func TestStatic(t *testing.T) {
	for name, test := range map[string]struct{ present, user, want string }{
		"a token":                {"present: {}", "", "Authorization: Bearer s3cret"},
		"a key":                  {"present: {header: X-Api-Key, scheme: none}", "", "X-Api-Key: s3cret"},
		"a user with a password": {"present: {scheme: Basic}", "alice", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("alice:s3cret"))},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := catalogue(t).Decode([]byte("name: inhouse\nextends: static\n" + test.present))
			if err != nil {
				t.Fatal(err)
			}
			p, err := provider.New(m, provider.Settings{Now: newClock().now, Transport: settings().Transport})
			if err != nil {
				t.Fatal(err)
			}
			c, err := p.Enter(test.user, provider.NewSecret("s3cret"))
			if err != nil {
				t.Fatal(err)
			}
			lease, narrowed, err := p.Narrow(t.Context(), c, provider.Wanted{})
			if err != nil || narrowed || lease.Header+": "+lease.Value().Reveal() != test.want {
				t.Errorf("%s: %s %v", lease.Header, lease.Value().Reveal(), err)
			}
			if _, err := p.Refresh(t.Context(), c); !errors.Is(err, provider.ErrNoRefresh) {
				t.Error(err)
			}
			if err := p.Revoke(t.Context(), c); !errors.Is(err, provider.ErrNoRevocation) {
				t.Error(err)
			}
			for _, bad := range []string{"", "two\nlines", "with space", strings.Repeat("a", 20<<10)} {
				if _, err := p.Enter("", provider.NewSecret(bad)); err == nil && !strings.Contains(test.present, "Basic") {
					t.Errorf("%.10q was taken", bad)
				}
			}
		})
	}
}

func installed(t *testing.T) (*world, provider.Credential) {
	t.Helper()
	w := meet(t, "github-app", func(_ *provider.Manifest, s *provider.Settings, _ *providertest.Profile) { s.AppID = "12345" })
	w.fake.Install(providertest.App{
		ID: "12345", Key: &w.key.PublicKey, Installation: "777", Permissions: map[string]string{"contents": "write", "issues": "read", "metadata": "read"}, Repositories: []string{"hello", "secret"},
	})
	c, err := w.Install(t.Context(), provider.Wanted{Subject: "777"})
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

func TestInstallation(t *testing.T) {
	w, c := installed(t)
	if c.ExpiresAt.Sub(w.clock.now()) != time.Hour || !slices.Contains(c.Scopes, "contents:write") || !strings.HasPrefix(c.Access.Reveal(), "ghs_") {
		t.Errorf("%+v", c)
	}
	_, claims := verifyRS256(t, &w.key.PublicKey, strings.TrimPrefix(w.fake.Seen()[0].Header.Get("Authorization"), "Bearer "))
	if claims["iat"] != float64(w.clock.now().Add(-time.Minute).Unix()) || life(claims) != 600 || claims["iss"] != "12345" || claims["sub"] != nil {
		t.Errorf("%v", claims)
	}
	lease, narrowed, err := w.Narrow(t.Context(), c, provider.Wanted{Scopes: []string{"contents:read"}, Resources: []string{"hello"}})
	if err != nil || !narrowed || !slices.Equal(lease.Scopes, []string{"contents:read", "metadata:read"}) || !slices.Equal(lease.Resources, []string{"hello"}) {
		t.Errorf("narrowed %t: %+v %v", narrowed, lease, err)
	}
	next, err := w.Refresh(t.Context(), c)
	if err != nil || next.Access.Reveal() == c.Access.Reveal() {
		t.Errorf("%+v %v", next, err)
	}
	if err := w.Revoke(t.Context(), c); err != nil || w.fake.Works(c.Access.Reveal()) {
		t.Errorf("it works after it was revoked: %v", err)
	}
}

func TestInstallationRefuses(t *testing.T) {
	w, c := installed(t)
	for name, wanted := range map[string]provider.Wanted{
		"more of the same": {Scopes: []string{"issues:write"}},
		"something else":   {Scopes: []string{"administration:read"}},
		"no level":         {Scopes: []string{"contents"}},
	} {
		if _, _, err := w.Narrow(t.Context(), c, wanted); err == nil {
			t.Errorf("%s was given", name)
		} else if _, ok := errors.AsType[*provider.MissingScopesError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		wanted provider.Wanted
		want   provider.Outcome
	}{
		"another's repository":  {provider.Wanted{Subject: "777", Resources: []string{"elsewhere"}}, provider.ScopeRefused},
		"what it does not have": {provider.Wanted{Subject: "777", Scopes: []string{"administration:write"}}, provider.ScopeRefused},
		"no such installation":  {provider.Wanted{Subject: "778"}, provider.Terminal},
	} {
		_, err := w.Install(t.Context(), test.wanted)
		checkQuiet(t, err)
		if outcome(t, err).Outcome != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	for _, id := range []string{"", "../1", "a", "1/access_tokens?x"} {
		if _, err := w.Install(t.Context(), provider.Wanted{Subject: id}); !errors.Is(err, provider.ErrUnsupported) {
			t.Errorf("%q: %v", id, err)
		}
	}
	other := meet(t, "github-app", func(_ *provider.Manifest, s *provider.Settings, _ *providertest.Profile) { s.AppID = "99999" })
	other.fake.Install(providertest.App{ID: "12345", Key: &w.key.PublicKey, Installation: "777"})
	if _, err := other.Install(t.Context(), provider.Wanted{Subject: "777"}); outcome(t, err).Outcome != provider.Misconfigured {
		t.Errorf("another app: %v", err)
	}
}
