package client

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chancery-dev/chancery/broker/oauth"
	"github.com/chancery-dev/chancery/broker/secret"
	"github.com/chancery-dev/chancery/broker/tenant"
)

// A client with a secret may send it either way, whatever its method says.
func TestSecretEitherWay(t *testing.T) {
	b := newBench(t)
	for id, shared := range b.secrets {
		t.Run(id, func(t *testing.T) {
			r := request()
			r.Authorization = []string{basic(id, shared)}
			got, err := b.Authenticate(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			if got.Client().ClientID != id || got.Method() != MethodBasic || !got.Proved() || got.Redemption() != nil {
				t.Fatalf("got %+v", got)
			}
			if got.SecretID() != b.registry.clients[id].Auth.Secrets[0].ID {
				t.Fatalf("secret %q", got.SecretID())
			}

			r.ClientID = id // Python's SDK sends it beside Basic
			if _, err := b.Authenticate(t.Context(), r); err != nil {
				t.Fatal(err)
			}

			r = request()
			r.ClientID, r.ClientSecret = id, shared
			if got, err = b.Authenticate(t.Context(), r); err != nil || got.Method() != MethodPost || !got.Proved() {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestBothSecretsOfARotationWork(t *testing.T) {
	b := newBench(t)
	c := b.registry.clients["basic"]
	fresh, digest := NewSecret(now)
	c.Auth.Secrets = append(c.Auth.Secrets, digest)
	for i, shared := range []string{b.secrets["basic"], fresh.Reveal()} {
		r := request()
		r.ClientID, r.ClientSecret = "basic", shared
		got, err := b.Authenticate(t.Context(), r)
		if err != nil || got.SecretID() != c.Auth.Secrets[i].ID {
			t.Fatalf("secret %d: %+v, %v", i, got, err)
		}
	}
	c.Auth.Secrets = c.Auth.Secrets[1:] // the old one is revoked
	r := request()
	r.ClientID, r.ClientSecret = "basic", b.secrets["basic"]
	_, err := b.Authenticate(t.Context(), r)
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

func TestMethodUnsaid(t *testing.T) {
	b := newBench(t)
	b.registry.clients["basic"].Auth.Method = ""
	r := request()
	r.ClientID, r.ClientSecret = "basic", b.secrets["basic"]
	if _, err := b.Authenticate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// T75, contract 6: whatever is wrong with a client or its secret, outsiders see
// one answer. Only the audit record tells the causes apart.
func TestEveryFailureLooksTheSame(t *testing.T) {
	b := newBench(t)
	right := b.secrets["basic"]
	disabled, expired := *b.registry.clients["basic"], *b.registry.clients["basic"]
	disabled.ClientID, disabled.Disabled = "disabled", true
	expired.ClientID, expired.ExpiresAt = "expired", now
	b.registry.clients["disabled"], b.registry.clients["expired"] = &disabled, &expired

	causes := map[string]bool{}
	var first *oauth.Wire
	for name, c := range map[string]struct {
		id, secret string
		cause      error
	}{
		"unknown":                {"nobody", right, ErrUnknown},
		"unknown by case":        {"BASIC", right, ErrUnknown},
		"unknown by space":       {"basic ", right, ErrUnknown},
		"wrong secret":           {"basic", "not-the-one", errSecret},
		"secret of another":      {"basic", b.secrets["post"], errSecret},
		"secret cut":             {"basic", right[:len(right)-1], errSecret},
		"secret longer":          {"basic", right + "x", errSecret},
		"secret in other case":   {"basic", strings.ToUpper(right), errSecret},
		"digest as the secret":   {"basic", string(b.registry.clients["basic"].Auth.Secrets[0].Digest[:]), errSecret},
		"disabled":               {"disabled", right, errDisabled},
		"disabled, wrong secret": {"disabled", "not-the-one", errSecret},
		"expired":                {"expired", right, errExpired},
		"no secret yet":          {"bare", "anything", errNoSecret},
		"private_key_jwt":        {"jwt", right, errMethod},
		"tls_client_auth":        {"tls", right, errMethod},
		"public":                 {"public", right, errMethod},
		"without client_id":      {"", right, errAnonymous},
	} {
		for _, form := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in the form %v", name, form), func(t *testing.T) {
				r := request()
				if form {
					r.ClientID, r.ClientSecret = c.id, c.secret
				} else {
					r.Authorization = []string{basic(c.id, c.secret)}
				}
				got, err := b.Authenticate(t.Context(), r)
				refusal := refusalOf(t, err, oauth.CodeClientAuthenticationFailed)
				unreadable := !form && errors.Is(refusal, errControl) // a digest is no text
				if !errors.Is(refusal, c.cause) && !unreadable {
					t.Errorf("cause %v, want %v", refusal.Cause, c.cause)
				}
				causes[refusal.Cause.Error()] = true
				if refusal.TriedBasic == form {
					t.Errorf("tried Basic: %v", refusal.TriedBasic)
				}
				if got.Client() != nil || got.Proved() {
					t.Error("a refused client is named")
				}
				wire := refusal.Wire(issuer, "trc_1")
				if wire.Status != 401 || wire.Error != "invalid_client" {
					t.Errorf("on the wire %+v", wire)
				}
				if first == nil {
					first = &wire
				}
				if fmt.Sprint(wire) != fmt.Sprint(*first) {
					t.Errorf("%+v differs from %+v", wire, *first)
				}
				if c.secret != "" && strings.Contains(refusal.Error(), c.secret) {
					t.Errorf("the refusal quotes the secret: %v", refusal)
				}
			})
		}
	}
	if len(causes) < 6 {
		t.Fatalf("the audit record knows %d causes", len(causes))
	}
}

func TestClientOfAnotherTenantIsUnknown(t *testing.T) {
	b := newBench(t)
	r := request()
	r.Tenant = globex
	r.ClientID, r.ClientSecret = "basic", b.secrets["basic"]
	_, err := b.Authenticate(t.Context(), r)
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

func TestNotKnowingIsNoRefusalOfTheClient(t *testing.T) {
	b := newBench(t)
	b.registry.err = errors.New("the database is gone")
	for name, r := range map[string]Request{
		"secret":    {ClientID: "basic", ClientSecret: "x"},
		"name":      {ClientID: "public"},
		"assertion": validAssertion("jwt").request(t),
	} {
		t.Run(name, func(t *testing.T) {
			r.Tenant, r.Issuer, r.TokenEndpoint = acme, issuer, tokenEndpoint
			_, err := b.Authenticate(t.Context(), r)
			if refusal := refusalOf(t, err, oauth.CodeTenantUnavailable); refusal.RetryAfter <= 0 {
				t.Fatal("a 503 without Retry-After")
			}
		})
	}
}

// A registry that folds or guesses names does not widen who a client is.
func TestRegistryThatGuesses(t *testing.T) {
	b := newBench(t)
	b.registry.clients["BASIC"] = b.registry.clients["basic"]
	r := request()
	r.ClientID, r.ClientSecret = "BASIC", b.secrets["basic"]
	_, err := b.Authenticate(t.Context(), r)
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

func TestOneMethodARequest(t *testing.T) {
	b := newBench(t)
	header, shared := basic("basic", b.secrets["basic"]), b.secrets["basic"]
	signed := validAssertion("jwt").sign(t)
	for name, change := range map[string]func(*Request){
		"Basic twice":         func(r *Request) { r.Authorization = []string{header, header} },
		"Basic and Bearer":    func(r *Request) { r.Authorization = []string{header, "Bearer x"} },
		"Basic and secret":    func(r *Request) { r.Authorization = []string{header}; r.ClientSecret = shared },
		"Basic and same pair": func(r *Request) { r.Authorization = []string{header}; r.ClientID, r.ClientSecret = "basic", shared },
		"Basic and assertion": func(r *Request) {
			r.Authorization = []string{header}
			r.Assertion, r.AssertionType = signed, oauth.AssertionTypeJWT
		},
		"Basic and assertion type": func(r *Request) { r.Authorization = []string{header}; r.AssertionType = oauth.AssertionTypeJWT },
		"secret and assertion": func(r *Request) {
			r.ClientID, r.ClientSecret = "jwt", shared
			r.Assertion, r.AssertionType = signed, oauth.AssertionTypeJWT
		},
		"secret and bad assertion": func(r *Request) { r.ClientID, r.ClientSecret = "basic", shared; r.Assertion = "x" },
		"Bearer and secret":        func(r *Request) { r.Authorization = []string{"Bearer x"}; r.ClientID, r.ClientSecret = "basic", shared },
		"empty field and secret":   func(r *Request) { r.Authorization = []string{""}; r.ClientID, r.ClientSecret = "basic", shared },
		"all three": func(r *Request) {
			r.Authorization = []string{header}
			r.ClientSecret, r.Assertion, r.AssertionType = shared, signed, oauth.AssertionTypeJWT
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := request()
			change(&r)
			_, err := b.Authenticate(t.Context(), r)
			refusal := refusalOf(t, err, oauth.CodeTwoClientAuthentications)
			if wire := refusal.Wire(issuer, "trc_1"); wire.Error != "invalid_request" || wire.Status != 400 {
				t.Fatalf("on the wire %+v", wire)
			}
		})
	}
}

func TestTwoClientIDs(t *testing.T) {
	b := newBench(t)
	r := request()
	r.Authorization = []string{basic("basic", b.secrets["basic"])}
	r.ClientID = "post"
	_, err := b.Authenticate(t.Context(), r)
	if refusal := refusalOf(t, err, oauth.CodeClientAuthenticationFailed); !errors.Is(refusal, errIdentities) {
		t.Fatalf("cause %v", refusal.Cause)
	}
}

func TestNoCredential(t *testing.T) {
	b := newBench(t)
	t.Run("public client", func(t *testing.T) {
		r := request()
		r.ClientID = "public"
		got, err := b.Authenticate(t.Context(), r)
		if err != nil || got.Client().ClientID != "public" || got.Method() != MethodNone || got.Proved() {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		got, err := b.Authenticate(t.Context(), request())
		if err != nil || got.Client() != nil || got.Method() != MethodNone || got.Proved() {
			t.Fatalf("got %+v, %v", got, err)
		}
	})
	for _, id := range []string{"basic", "post", "jwt", "tls", "bare", "nobody"} {
		t.Run(id, func(t *testing.T) {
			r := request()
			r.ClientID = id
			_, err := b.Authenticate(t.Context(), r)
			refused(t, err, oauth.CodeClientAuthenticationFailed)
		})
	}
	t.Run("public, disabled", func(t *testing.T) {
		b.registry.clients["public"].Disabled = true
		r := request()
		r.ClientID = "public"
		_, err := b.Authenticate(t.Context(), r)
		refused(t, err, oauth.CodeClientAuthenticationFailed)
	})
	t.Run("confidential with method none", func(t *testing.T) {
		b.registry.clients["basic"].Auth.Method = MethodNone
		r := request()
		r.ClientID = "basic"
		_, err := b.Authenticate(t.Context(), r)
		refused(t, err, oauth.CodeClientAuthenticationFailed)
	})
}

func TestZeroAuthenticationProvesNothing(t *testing.T) {
	if (Authentication{}).Proved() || (Authentication{client: &Client{}}).Proved() {
		t.Fatal("it does")
	}
}

func TestRequestThatExpectsNothing(t *testing.T) {
	b := newBench(t)
	for name, change := range map[string]func(*Request){
		"tenant":   func(r *Request) { r.Tenant = tenant.UID{} },
		"issuer":   func(r *Request) { r.Issuer = "" },
		"endpoint": func(r *Request) { r.TokenEndpoint = "" },
	} {
		t.Run(name, func(t *testing.T) {
			r := validAssertion("jwt").request(t)
			change(&r)
			_, err := b.Authenticate(t.Context(), r)
			refused(t, err, oauth.CodeInternal)
		})
	}
	if _, err := NewAuthenticator(nil, nil, nil); err == nil {
		t.Fatal("an authenticator without anything")
	}
}

func TestNewSecret(t *testing.T) {
	text, digest := NewSecret(now)
	shape := regexp.MustCompile(`^chs_[A-Za-z0-9_-]{49}$`)
	if !shape.MatchString(text.Reveal()) {
		t.Fatalf("secret of shape %q", text.Reveal())
	}
	if digest.Digest != sha256.Sum256([]byte(text.Reveal())) || !strings.HasPrefix(digest.ID, "sec_") {
		t.Fatalf("digest %+v", digest)
	}
	body, sum := text.Reveal()[:47], text.Reveal()[47:]
	want := crc32.ChecksumIEEE([]byte(body))
	got, err := base64.RawURLEncoding.DecodeString(sum)
	if err != nil || uint32(got[0])<<24|uint32(got[1])<<16|uint32(got[2])<<8|uint32(got[3]) != want {
		t.Fatalf("checksum %q", sum)
	}
	if other, _ := NewSecret(now); other.Reveal() == text.Reveal() {
		t.Fatal("two secrets are equal")
	}
	if fmt.Sprint(text) != "[redacted]" {
		t.Fatal("it prints")
	}
}

// T57: what an administrator supplies must not be guessable from its digest.
func TestSupplySecret(t *testing.T) {
	for _, short := range []string{"", "hunter2", strings.Repeat("x", 31)} {
		if _, err := SupplySecret(secret.New(short)); !errors.Is(err, ErrShortSecret) {
			t.Fatalf("%d characters: %v", len(short), err)
		}
	}
	supplied := strings.Repeat("x", 32)
	digest, err := SupplySecret(secret.New(supplied))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.registry.clients["basic"].Auth.Secrets = []SecretDigest{digest}
	r := request()
	r.ClientID, r.ClientSecret = "basic", supplied
	if got, err := b.Authenticate(t.Context(), r); err != nil || got.SecretID() != "" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestMayUse(t *testing.T) {
	c := &Client{}
	if c.MayUse("") || c.MayUse(oauth.GrantTypeJWTBearer) {
		t.Fatal("absent is not none")
	}
	c.GrantTypes = []string{oauth.GrantTypeJWTBearer}
	if !c.MayUse(oauth.GrantTypeJWTBearer) || c.MayUse("client_credentials") {
		t.Fatal("grant types are not exact")
	}
}

func TestExpiry(t *testing.T) {
	b := newBench(t)
	b.registry.clients["basic"].ExpiresAt = now.Add(time.Second)
	r := request()
	r.ClientID, r.ClientSecret = "basic", b.secrets["basic"]
	if _, err := b.Authenticate(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	b.now = now.Add(time.Second)
	_, err := b.Authenticate(t.Context(), r)
	refused(t, err, oauth.CodeClientAuthenticationFailed)
}

func BenchmarkAuthenticateSecret(b *testing.B) {
	bench := newBench(b)
	r := request()
	r.Authorization = []string{basic("basic", bench.secrets["basic"])}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bench.Authenticate(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}
